import { DtmfDetector } from '../audio/dtmf-detector.ts'
import type { DtmfTone } from '../audio/dtmf-detector.ts'

/** Hears what packets bring as it was sent: before play-out makes it shorter or longer. */
export interface DecodedListener {
  /**
   * Samples `from` to `to` of `pcm` are what a packet said; `timestamp` is its RTP timestamp, in units of `clockRate`. Good for the
   * length of the call.
   */
  decoded(pcm: Int16Array, from: number, to: number, timestamp: number, clockRate: number): void
  /** The same for what stands in for missing sound: made up, silence, noise. */
  madeUp(pcm: Int16Array, from: number, to: number): void
}

/** Made-up sound is held back for so long, ms: its packets may be on their way, and then it never was. */
const HOLD_MS = 60
/** Nearer than this, ms, is where it should be. */
const SAME_MS = 1

const NONE: readonly DtmfTone[] = []

/**
 * Listens for tones along the time line of the sender, so that they are as long as the keys were pressed and the pauses between them stay:
 * a pause of 40 ms that play-out makes 20 ms long would make one digit of two.
 */
export class ToneEar implements DecodedListener {
  readonly #detector: DtmfDetector
  readonly #samplesPerMs: number
  readonly #chunk: number
  /** Made-up sound that is held back. */
  readonly #held: Int16Array
  #heldLength = 0
  /** Samples heard. */
  #heard = 0
  /** RTP timestamp of what comes next, less what is held back. */
  #expected: number | undefined
  #clockRate = 0
  #told: readonly DtmfTone[] = NONE

  /** `sampleRate` of what is heard. */
  constructor(options: { readonly sampleRate: number }) {
    const { sampleRate } = options
    this.#detector = new DtmfDetector({ sampleRate })
    this.#samplesPerMs = sampleRate / 1000
    this.#chunk = sampleRate / 20
    this.#held = new Int16Array(HOLD_MS * this.#samplesPerMs)
  }

  /** How much was heard, ms: where on the clock of the tones it is now. */
  get heardMs(): number {
    return this.#heard / this.#samplesPerMs
  }

  decoded(pcm: Int16Array, from: number, to: number, timestamp: number, clockRate: number): void {
    if (this.#heldLength > 0) this.#settle(timestamp, clockRate)
    this.#hear(pcm, from, to)
    this.#clockRate = clockRate
    this.#expected = (timestamp + Math.round(((to - from) * clockRate) / this.#samplesPerMs / 1000)) >>> 0
  }

  madeUp(pcm: Int16Array, from: number, to: number): void {
    for (let at = from; at < to;) {
      if (this.#heldLength === this.#held.length) this.#release(this.#heldLength)
      const count = Math.min(to - at, this.#held.length - this.#heldLength)
      for (let i = 0; i < count; i += 1) this.#held[this.#heldLength + i] = pcm[at + i]!
      this.#heldLength += count
      at += count
    }
  }

  /** What began and ended since it was asked last, on the clock of `heardMs`. */
  take(): readonly DtmfTone[] {
    const told = this.#told
    this.#told = NONE
    return told
  }

  /** Nothing more is heard: ends what sounds. */
  flush(): readonly DtmfTone[] {
    this.#release(this.#heldLength)
    const told = this.take()
    return [...told, ...this.#detector.flush()]
  }

  // Of what was made up that is heard for which no packet came: packets that are merely late bring their own.
  #settle(timestamp: number, clockRate: number): void {
    const held = this.#heldLength
    const same = clockRate === this.#clockRate && this.#expected !== undefined
    const missingMs = same ? (((timestamp - this.#expected!) | 0) * 1000) / clockRate : HOLD_MS
    // Beyond what can be missing it is another stream, or a pause.
    if (missingMs > SAME_MS) this.#release(Math.min(held, Math.round(missingMs * this.#samplesPerMs)))
    this.#heldLength = 0
  }

  #release(count: number): void {
    if (count > 0) this.#hear(this.#held, 0, count)
    this.#heldLength = 0
    if (this.#expected !== undefined)
      this.#expected += Math.round((count * this.#clockRate) / this.#samplesPerMs / 1000)
  }

  #hear(pcm: Int16Array, from: number, to: number): void {
    for (let at = from; at < to; at += this.#chunk) {
      const end = Math.min(to, at + this.#chunk)
      const piece = at === 0 && end === pcm.length ? pcm : pcm.subarray(at, end)
      const tones = this.#detector.push(piece, this.heardMs)
      this.#heard += end - at
      if (tones.length > 0) this.#told = [...this.#told, ...tones]
    }
  }
}
