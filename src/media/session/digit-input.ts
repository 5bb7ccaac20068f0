import type { Clock } from '../../runtime/runtime.ts'
import { DtmfDetector } from '../audio/dtmf-detector.ts'
import type { ReceivedDigit, StartedDigit } from '../rtp/telephone-event-receiver.ts'
import type { NegotiatedAudio } from '../sdp/negotiated.ts'
import { DigitMerge } from './digit-merge.ts'
import { DigitQueue } from './digit-queue.ts'
import type { DtmfRoad, ResolvedDtmf } from './digit-roads.ts'
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
  #ear: DtmfDetector | undefined
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

  /** The audio is searched for tones: `hear` wants every frame of it. */
  get listens(): boolean {
    return this.#ear !== undefined
  }

  takes(road: DtmfRoad): boolean {
    return this.#options.settings.receive.has(road)
  }

  /** Takes up what was agreed; `sampleRate` is that of the frames heard. */
  configure(audio: NegotiatedAudio, sampleRate: number): void {
    const { inband } = this.#options.settings
    const listens = this.takes('inband') && (inband === 'always' || audio.telephoneEvent === undefined)
    if (!listens) this.#stopListening()
    else this.#ear ??= new DtmfDetector({ sampleRate })
  }

  /** A frame of audio, heard from `dueAt` on. */
  hear(samples: Int16Array, dueAt: number): void {
    if (this.#ear === undefined) return
    for (const tone of this.#ear.push(samples, dueAt - this.#options.openedAt)) {
      if (tone.kind === 'start') this.#start('inband', tone.digit, tone.atMs)
      else this.#end('inband', tone.digit, tone.atMs, tone.durationMs)
    }
  }

  /** The first packet of an event. */
  eventBegan({ digit, durationMs }: StartedDigit): void {
    if (this.takes('rtp')) this.#start('rtp', digit, this.#msAgo(durationMs))
  }

  /** The end of an event, told of by `eventBegan` before. */
  eventEnded({ digit, durationMs }: ReceivedDigit): void {
    if (this.takes('rtp')) this.#end('rtp', digit, this.#msAgo(durationMs), durationMs)
  }

  /** A digit from signalling, which tells of it when it is over. */
  signalled(digit: string, durationMs: number): void {
    const startMs = this.#msAgo(durationMs)
    this.#start('info', digit, startMs)
    this.#end('info', digit, startMs, durationMs)
  }

  /** The call is over: readers get what is left. */
  end(): void {
    this.#stopListening()
    this.queue.end()
  }

  #stopListening(): void {
    const ear = this.#ear
    this.#ear = undefined
    for (const tone of ear?.flush() ?? [])
      if (tone.kind === 'end') this.#end('inband', tone.digit, tone.atMs, tone.durationMs)
  }

  #start(via: DtmfRoad, digit: string, timestampMs: number): void {
    this.#merge ??= new DigitMerge()
    if (this.#merge.start(via, digit, timestampMs)) this.#options.onStart({ digit, via, timestampMs })
  }

  #end(via: DtmfRoad, digit: string, timestampMs: number, durationMs: number): void {
    if (this.#merge?.end(via, digit, timestampMs + durationMs) !== true) return
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
