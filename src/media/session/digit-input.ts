import type { Clock } from '../../runtime/runtime.ts'
import type { DtmfTone } from '../audio/dtmf-detector.ts'
import type { ReceivedDigit, StartedDigit } from '../rtp/telephone-event-receiver.ts'
import type { NegotiatedAudio } from '../sdp/negotiated.ts'
import { DigitMerge } from './digit-merge.ts'
import { DigitQueue } from './digit-queue.ts'
import type { DtmfRoad, ResolvedDtmf } from './digit-roads.ts'
import { ToneEar } from './tone-ear.ts'
import type { DecodedListener } from './tone-ear.ts'
import type { DtmfDigit, DtmfStart } from './types.ts'

export interface DigitInputOptions {
  readonly clock: Clock
  /** When the frames' timestamps began, ms on the clock. */
  readonly openedAt: number
  readonly settings: ResolvedDtmf
  /** Called once for each press, and before `onDigit`. */
  readonly onStart: (start: DtmfStart) => void
  readonly onDigit: (digit: DtmfDigit) => void
}

/** The digits of a call, whichever road they come by, as one stream in which each is once. */
export class DigitInput {
  readonly queue: DigitQueue = new DigitQueue()
  readonly #options: DigitInputOptions
  /** None before the first digit: most calls have none. */
  #merge: DigitMerge | undefined
  #ear: ToneEar | undefined
  #received = 0

  constructor(options: DigitInputOptions) {
    this.#options = options
  }

  get received(): number {
    return this.#received
  }

  /** Times that a second road told of a digit which was known already. */
  get merged(): number {
    return this.#merge?.merged ?? 0
  }

  /** Set while the audio is searched for tones: it wants to hear all of it, and `turn` to be called with every frame. */
  get ear(): DecodedListener | undefined {
    return this.#ear
  }

  takes(road: DtmfRoad): boolean {
    return this.#options.settings.receive.has(road)
  }

  /** Takes up what was agreed; `sampleRate` is that of the frames heard. */
  configure(audio: NegotiatedAudio, sampleRate: number): void {
    const { inband } = this.#options.settings
    const hears = audio.direction === 'sendrecv' || audio.direction === 'recvonly'
    const listens =
      hears && this.takes('inband') && (inband === 'always' || audio.telephoneEvent === undefined)
    if (!listens) this.#stopListening()
    else this.#ear ??= new ToneEar({ sampleRate })
  }

  /** Tells of the tones in what was decoded for the frame that is heard until `heardMs`, on the clock of the frames. */
  turn(heardMs: number): void {
    const ear = this.#ear
    if (ear !== undefined) this.#tellTones(ear.take(), heardMs - ear.heardMs)
  }

  /** The first packet of an event. */
  eventBegan({ digit, durationMs }: StartedDigit): void {
    if (this.takes('rtp')) this.#start('rtp', digit, this.#msAgo(durationMs))
  }

  /** The end of an event, told of by `eventBegan` before. */
  eventEnded({ digit, durationMs }: ReceivedDigit): void {
    if (this.takes('rtp')) this.#end('rtp', digit, durationMs)
  }

  /** A digit from signalling, which tells of it when it is over. */
  signalled(digit: string, durationMs: number): void {
    this.#start('info', digit, this.#msAgo(durationMs))
    this.#end('info', digit, durationMs)
  }

  /** The call is over: readers get what is left. */
  end(): void {
    this.#stopListening()
    this.queue.end()
  }

  #stopListening(): void {
    const ear = this.#ear
    this.#ear = undefined
    if (ear !== undefined) this.#tellTones(ear.flush(), this.#msAgo(0) - ear.heardMs)
  }

  // The clock of the ear stands still while nothing is heard.
  #tellTones(tones: readonly DtmfTone[], earBeganMs: number): void {
    for (const tone of tones) {
      if (tone.kind === 'start') {
        this.#start('inband', tone.digit, Math.max(0, tone.atMs + earBeganMs))
      } else {
        this.#end('inband', tone.digit, tone.durationMs)
      }
    }
  }

  #start(via: DtmfRoad, digit: string, timestampMs: number): void {
    this.#merge ??= new DigitMerge()
    if (this.#merge.start(via, digit, timestampMs)) this.#options.onStart({ digit, via, timestampMs })
  }

  #end(via: DtmfRoad, digit: string, durationMs: number): void {
    const timestampMs = this.#merge?.end(via, digit, durationMs)
    if (timestampMs === undefined) return
    this.#received += 1
    const event: DtmfDigit = { digit, via, durationMs, timestampMs }
    this.queue.push(event)
    this.#options.onDigit(event)
  }

  /** On the clock of the frames. */
  #msAgo(durationMs: number): number {
    const { clock, openedAt } = this.#options
    return Math.max(0, clock.now() - openedAt - durationMs)
  }
}
