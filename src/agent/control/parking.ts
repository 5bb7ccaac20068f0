import { bridge } from '../../call/bridge.ts'
import type { Bridge, BridgeOptions } from '../../call/bridge.ts'
import type { Call } from '../../call/call.ts'
import type { Clock, Timer } from '../../runtime/runtime.ts'
import type { PlaySource } from '../../media/audio/audio-sink.ts'
import { OptionError, SipError } from '../../runtime/errors.ts'
import { CallerMusic } from './consultation.ts'

export interface ParkingLotOptions {
  /** What it keeps time by: `endpoint.clock`. */
  readonly clock: Clock
  /** The names of the places, in the order they are given away: as many calls can be parked. Default `701` to `720`. */
  readonly slots?: readonly string[]
  /** How long a call may be parked, milliseconds. Default 120,000. */
  readonly limitMs?: number
  /** What parked callers hear, made anew each time it is over; default silence. */
  readonly holdMusic?: () => PlaySource
}

/**
 * How a call left its place. The agent that parked it goes on from here: after `picked-up` it awaits `bridge.ended`; after `timeout` it has the caller back,
 * the music is over, and it may ring who parked it, take a message, or hang up.
 */
export type Unparked =
  | { readonly outcome: 'picked-up'; readonly by: Call; readonly bridge: Bridge }
  | { readonly outcome: 'timeout' | 'taken-back' | 'call-ended' }

export interface Parked {
  readonly slot: string
  readonly call: Call
  /** Settles once, never rejects. */
  readonly left: Promise<Unparked>
  /** Ends the parking: the caller is with its agent again. Nothing happens when it has left. */
  takeBack(): void
}

interface Place extends Parked {
  readonly leave: (unparked: Unparked) => void
  readonly stopMusic: () => void
  readonly startMusic: () => void
  pickedUp: boolean
}

/** Callers who wait with music until somebody picks them up. */
export class ParkingLot {
  readonly #clock: Clock
  readonly #slots: readonly string[]
  readonly #limitMs: number
  readonly #holdMusic: (() => PlaySource) | undefined
  readonly #places: Map<string, Place> = new Map()

  constructor(options: ParkingLotOptions) {
    const {
      clock,
      slots = Array.from({ length: 20 }, (_, index) => `${701 + index}`),
      limitMs = 120_000,
    } = options
    if (slots.length === 0 || new Set(slots).size !== slots.length)
      throw new OptionError('slots', 'give the places names of their own, one at least')
    if (!(limitMs > 0)) throw new OptionError('limitMs', `${limitMs} parks nobody; give milliseconds above 0`)
    this.#clock = clock
    this.#slots = slots
    this.#limitMs = limitMs
    this.#holdMusic = options.holdMusic
  }

  /** Who is parked. */
  get parked(): readonly Parked[] {
    return [...this.#places.values()]
  }

  /**
   * Parks a call that is up, at a place of its own or the first that is free.
   * @throws OptionError no such place; SipError SIP_LIMIT all places, or that one, are taken; SIP_STATE the call is over or parked already
   */
  park(call: Call, options: { readonly slot?: string } = {}): Parked {
    if (call.endedValue !== undefined)
      throw new SipError('SIP_STATE', 'the call is over; park one that is up')
    if (this.parked.some(place => place.call === call))
      throw new SipError('SIP_STATE', 'the call is parked already; take it back first')
    const slot = this.#freeSlot(options.slot)
    const music = new CallerMusic(call, this.#holdMusic)
    let timer: Timer | undefined
    let settle!: (unparked: Unparked) => void
    const left = new Promise<Unparked>(resolve => {
      settle = resolve
    })
    const place: Place = {
      slot,
      call,
      left,
      pickedUp: false,
      startMusic: () => music.start(),
      stopMusic: () => music.stop(),
      leave: unparked => {
        if (this.#places.get(slot) !== place) return
        this.#places.delete(slot)
        timer?.cancel()
        music.stop()
        settle(unparked)
      },
      takeBack: () => place.leave({ outcome: 'taken-back' }),
    }
    this.#places.set(slot, place)
    music.start()
    timer = this.#clock.setTimer(this.#clock.now() + this.#limitMs, () => place.leave({ outcome: 'timeout' }))
    void call.ended.then(() => place.leave({ outcome: 'call-ended' }))
    return place
  }

  /**
   * Bridges whoever is parked there with `by`; by default the one is hung up with the other. Undefined: nobody is there, or was picked up, or has left, in this very moment.
   * @throws as `bridge`; the caller stays parked
   */
  async pickUp(slot: string, by: Call, options: BridgeOptions = {}): Promise<Bridge | undefined> {
    const place = this.#places.get(slot)
    if (place === undefined || place.pickedUp) return undefined
    place.pickedUp = true
    place.stopMusic()
    try {
      const bridged = await bridge(place.call, by, { hangup: 'both', ...options })
      // Taken back, or its time was over, while the two agreed on a codec.
      if (this.#places.get(slot) !== place) {
        bridged.close()
        return undefined
      }
      place.leave({ outcome: 'picked-up', by, bridge: bridged })
      return bridged
    } catch (error) {
      place.pickedUp = false
      if (this.#places.get(slot) === place) place.startMusic()
      throw error
    }
  }

  #freeSlot(wanted: string | undefined): string {
    if (wanted !== undefined && !this.#slots.includes(wanted))
      throw new OptionError(
        'slot',
        `there is no place ${JSON.stringify(wanted)}; there are ${this.#slots.join(', ')}`,
      )
    const slot = (wanted === undefined ? this.#slots : [wanted]).find(name => !this.#places.has(name))
    if (slot !== undefined) return slot
    throw new SipError(
      'SIP_LIMIT',
      wanted === undefined
        ? `all ${this.#slots.length} places are taken; give more slots`
        : `place ${wanted} is taken; leave out slot for the next that is free`,
    )
  }
}
