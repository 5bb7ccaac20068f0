import { LiveAudioSource } from '../../media/audio/audio-source.ts'
import { Reframer } from '../../media/audio/frames.ts'
import { AudioDecoder } from '../streams/audio-format.ts'
import type { StreamDialect, StreamFormat, StreamMedia } from '../streams/dialect.ts'

/** A carrier may be so far ahead of the time that has passed, ms: what stood in a queue comes at once. The rest is dropped. */
const AHEAD_MS = 5000

/** Messages held back for one that is missing; then it is given up. */
const MAX_HELD = 8

/** What the caller says, as the carrier's messages bring it, in frames of 20 ms. */
export class CarrierEar {
  readonly input: LiveAudioSource
  readonly #decoder: AudioDecoder
  readonly #reframer: Reframer
  readonly #reorders: boolean
  readonly #frameMs: number
  readonly #startedAtMs: number
  readonly #held = new Map<number, Uint8Array>()
  #next: number | undefined
  #latestMs: number
  /** Of the audio so far. */
  #positionMs = 0
  #messages = 0
  #floodedMs = 0
  #missing = 0
  #late = 0

  constructor(dialect: StreamDialect, format: StreamFormat, startedAtMs: number) {
    const { sampleRate } = format
    this.input = new LiveAudioSource({ sampleRate })
    this.#decoder = new AudioDecoder(format)
    this.#reframer = new Reframer((sampleRate * 20) / 1000)
    this.#reorders = dialect.reorders === true
    this.#frameMs = 20
    this.#startedAtMs = startedAtMs
    this.#latestMs = startedAtMs
  }

  get messages(): number {
    return this.#messages
  }

  /** Of audio that came much faster than it can have been said. */
  get floodedMs(): number {
    return this.#floodedMs
  }

  /** Messages that never came, by their numbers, and that came after their turn. */
  get missing(): number {
    return this.#missing
  }

  get late(): number {
    return this.#late
  }

  receive({ audio, chunk }: StreamMedia, nowMs: number): void {
    this.#messages += 1
    this.#latestMs = nowMs
    if (!this.#reorders || chunk === undefined) return this.#take(audio, nowMs)
    this.#next ??= chunk
    if (chunk < this.#next || this.#held.has(chunk)) {
      this.#late += 1
      return
    }
    this.#held.set(chunk, audio)
    this.#release(nowMs)
    if (this.#held.size > MAX_HELD) this.#giveUp(nowMs)
  }

  /** The caller's last words are heard, though something before them is missing. */
  end(): void {
    while (this.#held.size > 0) this.#giveUp(this.#latestMs)
    const rest = this.#reframer.flush()
    if (rest !== undefined) this.#push(rest, this.#latestMs)
    this.input.end()
  }

  /** What is missing before the first that is held does not come any more. */
  #giveUp(nowMs: number): void {
    const first = Math.min(...this.#held.keys())
    this.#missing += first - (this.#next ?? first)
    this.#next = first
    this.#release(nowMs)
  }

  #release(nowMs: number): void {
    for (;;) {
      const audio = this.#next === undefined ? undefined : this.#held.get(this.#next)
      if (this.#next === undefined || audio === undefined) return
      this.#held.delete(this.#next)
      this.#next += 1
      this.#take(audio, nowMs)
    }
  }

  #take(audio: Uint8Array, nowMs: number): void {
    for (const frame of this.#reframer.push(this.#decoder.decode(audio))) this.#push(frame, nowMs)
  }

  #push(frame: Int16Array, nowMs: number): void {
    const passedMs = nowMs - this.#startedAtMs
    if (this.#positionMs > passedMs + AHEAD_MS) {
      this.#floodedMs += this.#frameMs
      return
    }
    // After a pause of the carrier the time goes on where it is.
    this.#positionMs = Math.max(this.#positionMs, Math.floor(passedMs) - AHEAD_MS)
    this.input.push(frame, this.#positionMs, false)
    this.#positionMs += this.#frameMs
  }
}
