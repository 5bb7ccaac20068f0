import type { Call } from '../../call/call.ts'
import type { AudioSink } from '../../media/audio/audio-sink.ts'
import { LiveAudioSink } from '../../media/audio/audio-sink.ts'
import type { AudioSource } from '../../media/audio/audio-source.ts'
import { LiveAudioSource } from '../../media/audio/audio-source.ts'
import { Conference } from '../../media/audio/conference.ts'
import type { ConferenceOptions, Party } from '../../media/audio/conference.ts'
import { Pacer } from '../../media/rtp/pacer.ts'
import type { Clock } from '../../runtime/runtime.ts'
import { SipError } from '../../runtime/errors.ts'

/** How a call takes part. */
export interface AddOptions {
  /** Listens only. */
  readonly muted?: boolean
  /** Loudness for the others, dB, -100 to 20; default 0. */
  readonly gainDb?: number
}

/** Where an agent without a phone takes part. */
export interface Seat {
  /** What the others say. */
  readonly input: AudioSource
  /** What the others hear. */
  readonly output: AudioSink
  readonly party: Party
  /** Idempotent. */
  readonly leave: () => void
}

/** A conference of calls: each hears all others. A call that ends is gone by itself; one that is taken out can be used for something else. */
export class ConferenceRoom {
  readonly #clock: Clock
  readonly #conference: Conference
  readonly #parties: Map<Call, Party> = new Map()
  readonly #seats: Set<Seat> = new Set()

  constructor(options: ConferenceOptions) {
    this.#clock = options.clock
    this.#conference = new Conference(options)
  }

  get calls(): readonly Call[] {
    return [...this.#parties.keys()]
  }

  /** How many take part, seats included. */
  get size(): number {
    return this.#conference.parties.length
  }

  get activeSpeaker(): Call | undefined {
    const party = this.#conference.activeSpeaker
    for (const [call, known] of this.#parties) if (known === party) return call
    return undefined
  }

  /**
   * Adds a call that is up; what waits in its `output` is dropped. @throws SipError SIP_LIMIT the conference is full; SIP_STATE the call is in it already,
   * is not up, or somebody reads its `input`
   */
  add(call: Call, options: AddOptions = {}): Party {
    if (this.#parties.has(call))
      throw new SipError('SIP_STATE', 'the call is in the conference already; remove() it first')
    if (call.endedValue !== undefined) throw new SipError('SIP_STATE', 'the call is over; add one that is up')
    const { input, output } = call.media
    const party = this.#conference.join({ input, output, ...options })
    input.clear()
    output.clear()
    this.#parties.set(call, party)
    const left = (): void => {
      party.leave()
      if (this.#parties.get(call) === party) this.#parties.delete(call)
    }
    void party.left.then(left)
    void call.ended.then(left)
    return party
  }

  /** The call stays up, alone with its agent; false: it was not in. */
  remove(call: Call): boolean {
    const party = this.#parties.get(call)
    if (party === undefined) return false
    this.#parties.delete(call)
    party.leave()
    if (call.endedValue === undefined) call.media.output.clear()
    return true
  }

  /** How the call takes part: to mute it, to make it louder, to let it whisper. */
  party(call: Call): Party | undefined {
    return this.#parties.get(call)
  }

  /** False: the call is not in. */
  mute(call: Call, muted: boolean = true): boolean {
    const party = this.#parties.get(call)
    if (muted) party?.mute()
    else party?.unmute()
    return party !== undefined
  }

  /** A seat for an agent: it reads `input` and writes to `output`, as on a call. @throws SipError SIP_LIMIT the conference is full */
  seat(options: AddOptions = {}): Seat {
    const { sampleRate } = this.#conference
    const said = new Line(this.#clock, sampleRate)
    const heard = new Line(this.#clock, sampleRate)
    try {
      const party = this.#conference.join({ input: said.source, output: heard.sink, ...options })
      const seat: Seat = {
        input: heard.source,
        output: said.sink,
        party,
        leave: () => {
          this.#seats.delete(seat)
          party.leave()
          said.close()
          heard.close()
        },
      }
      this.#seats.add(seat)
      return seat
    } catch (error) {
      said.close()
      heard.close()
      throw error
    }
  }

  /** Everybody leaves; the calls stay up. */
  close(): void {
    for (const call of this.calls) this.remove(call)
    for (const seat of this.#seats) seat.leave()
    this.#conference.close()
  }
}

/** What is written to `sink` comes out of `source`, 20 ms every 20 ms. */
class Line {
  readonly sink: LiveAudioSink
  readonly source: LiveAudioSource
  readonly #close: () => void

  constructor(clock: Clock, sampleRate: number) {
    this.sink = new LiveAudioSink({ sampleRate, clock })
    this.source = new LiveAudioSource({ sampleRate })
    const frame = new Int16Array(sampleRate / 50)
    const openedAt = clock.now()
    const paced = new Pacer({ clock }).add({
      tick: dueAt => {
        this.sink.readFrame(frame)
        this.source.push(frame, dueAt - openedAt, false)
      },
    })
    this.#close = () => paced.remove()
  }

  close(): void {
    this.#close()
    this.sink.end()
    this.source.end()
  }
}
