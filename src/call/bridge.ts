import { OptionError, SipError } from '../runtime/errors.ts'
import type { PlaySource } from '../media/audio/audio-sink.ts'
import { MediaBridge } from '../media/session/media-bridge.ts'
import type { RelayStats } from '../media/session/media-bridge.ts'
import type { MediaSession } from '../media/session/media-session.ts'
import type { RelayMode } from '../media/session/relay.ts'
import type { DtmfDigit } from '../media/session/types.ts'
import { align } from './bridge-align.ts'
import type { Call } from './call.ts'
import type { Cancellable } from './call-types.ts'
import { HoldMusic } from './hold-music.ts'

export interface BridgeOptions extends Cancellable {
  /**
   * What becomes of the other call when one ends: `none` (default) leaves it up, with its own `input` and `output` as before the bridge; `both`
   * hangs it up.
   */
  readonly hangup?: 'none' | 'both'
  /** `input` of both calls goes on, for an agent that listens in; default false: it stands still, since decoding costs. */
  readonly tap?: boolean
  /** What the one hears while the other is on hold and sends nothing, made anew each time it is over; default: what is written to its `output`. */
  readonly holdMusic?: () => PlaySource
}

/** How a bridge ended: a value, never an exception. */
export interface BridgeEnded {
  /**
   * - `closed`: by `close()` or `signal`
   * - `call-ended`: `call` is over
   * - `no-codec`: a renegotiation left the two without a common codec (`error`)
   */
  readonly cause: 'closed' | 'call-ended' | 'no-codec'
  readonly call?: Call
  readonly error?: SipError
}

export interface BridgeStats {
  /** From the first call to the second. */
  readonly forward: RelayStats
  readonly backward: RelayStats
  /** Digits that the other party takes on no road. */
  readonly digitsLost: number
}

/** Two calls whose parties hear each other. */
export interface Bridge {
  readonly calls: readonly [Call, Call]
  /** How the second hears the first, and the first the second. */
  readonly modes: readonly [RelayMode, RelayMode]
  /** Settles once, never rejects. */
  readonly ended: Promise<BridgeEnded>
  stats(): BridgeStats
  /** Both calls go on with their own audio. Idempotent. */
  close(): void
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Lets the parties of two calls hear each other, whichever endpoints they are of. Where both agreed on the same codec the payloads pass as they came, in the
 * turn they came in; otherwise they are transcoded. Digits pass, too. Until the bridge ends `input` of both stands still (see `tap`), and what is written to
 * `output` waits.
 * @throws OptionError both are the same call
 * @throws SipError SIP_STATE a call that is not up, or is bridged already; SIP_MEDIA no codec goes together, and the parties agree on no other
 */
export async function bridge(a: Call, b: Call, options: BridgeOptions = {}): Promise<Bridge> {
  if (a === b) throw new OptionError('b', 'a call cannot be bridged to itself; give another')
  options.signal?.throwIfAborted()
  const sides = [sideOf(a), sideOf(b)] as const
  await align(sides[0], sides[1])
  for (const { call } of sides) call.signal.throwIfAborted()
  options.signal?.throwIfAborted()
  return new CallBridge([a, b], [sides[0].media, sides[1].media], options)
}

/** ITU-T Q.24, and the longest that `sendDtmf` takes. */
const SHORTEST_DIGIT_MS = 40
const LONGEST_DIGIT_MS = 60_000

class CallBridge implements Bridge {
  readonly calls: readonly [Call, Call]
  readonly ended: Promise<BridgeEnded>
  readonly #medias: readonly [MediaSession, MediaSession]
  readonly #options: BridgeOptions
  readonly #audio: MediaBridge
  readonly #music: readonly [HoldMusic, HoldMusic] | undefined
  #settle: (ended: BridgeEnded) => void = () => undefined
  #over = false
  #aligning = false
  #digitsLost = 0

  constructor(
    calls: readonly [Call, Call],
    medias: readonly [MediaSession, MediaSession],
    options: BridgeOptions,
  ) {
    this.calls = calls
    this.#medias = medias
    this.#options = options
    this.ended = new Promise(resolve => {
      this.#settle = resolve
    })
    const { tap, holdMusic, signal } = options
    this.#audio = new MediaBridge(medias[0], medias[1], {
      ...(tap !== undefined && { tap }),
      onDigit: (from, digit) => this.#passDigit(from, digit),
      onMode: () => this.#followModes(),
      onClose: () => this.#closed(),
    })
    if (holdMusic !== undefined) {
      this.#music = [new HoldMusic(medias[0].output, holdMusic), new HoldMusic(medias[1].output, holdMusic)]
    }
    this.#followModes()
    signal?.addEventListener('abort', this.#abort, { once: true })
    for (const call of calls) void call.ended.then(() => this.#callEnded(call))
  }

  get modes(): readonly [RelayMode, RelayMode] {
    return this.#audio.modes
  }

  stats(): BridgeStats {
    const [forward, backward] = this.#audio.stats()
    return { forward, backward, digitsLost: this.#digitsLost }
  }

  close(): void {
    this.#end({ cause: 'closed' })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close()
    await this.ended
  }

  readonly #abort = (): void => this.close()

  /** One of the two sessions was closed: its call is ending, and says so in a moment. */
  #closed(): void {
    const call = this.calls.find((_, i) => this.#medias[i]?.closed)
    if (call !== undefined) this.#callEnded(call)
  }

  #callEnded(call: Call): void {
    if (this.#over) return
    this.#end({ cause: 'call-ended', call })
    if (this.#options.hangup !== 'both') return
    for (const other of this.calls) if (other !== call) void other.hangup()
  }

  #end(ended: BridgeEnded): void {
    if (this.#over) return
    this.#over = true
    this.#options.signal?.removeEventListener('abort', this.#abort)
    for (const music of this.#music ?? []) music.stop()
    this.#audio.close()
    this.#settle(ended)
  }

  #passDigit(from: MediaSession, { digit, durationMs }: DtmfDigit): void {
    const other = this.calls[from === this.#medias[0] ? 1 : 0]
    // What came of it may be shorter than any receiver takes, or longer than is sent.
    const lengthMs = Math.min(LONGEST_DIGIT_MS, Math.max(SHORTEST_DIGIT_MS, durationMs))
    other.sendDtmf(digit, { durationMs: lengthMs }).catch(() => {
      this.#digitsLost += 1
    })
  }

  #followModes(): void {
    if (this.#over) return
    for (const [i, mode] of this.modes.entries()) this.#music?.[1 - i]?.play(mode === 'own')
    if (this.modes.includes('no-codec')) void this.#realign()
  }

  async #realign(): Promise<void> {
    if (this.#aligning) return
    this.#aligning = true
    try {
      const [a, b] = this.calls
      await align({ call: a, media: this.#medias[0] }, { call: b, media: this.#medias[1] })
    } catch (error) {
      if (error instanceof SipError) this.#end({ cause: 'no-codec', error })
      else throw error
    } finally {
      this.#aligning = false
    }
  }
}

function sideOf(call: Call): { readonly call: Call; readonly media: MediaSession } {
  const { media, confirmed } = call.bridgeable
  if (media === undefined || !confirmed) {
    throw new SipError('SIP_STATE', `the call is ${call.state}, not up; bridge it once it is answered`)
  }
  return { call, media }
}
