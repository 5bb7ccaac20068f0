import type { ReadableStream } from 'node:stream/web'
import { OptionError, SipError } from '../../runtime/errors.ts'
import { Gain } from './gain.ts'
import { ResampledSource } from './resampled-source.ts'
import { checkConvertible, checkRate } from './rates.ts'
import { readableOf } from './web-streams.ts'

/** 16-bit mono PCM in the byte order of the machine. */
export interface AudioFrame {
  /** Valid until the next frame is asked for: copy (`samples.slice()`) to keep it. */
  readonly samples: Int16Array
  /** Milliseconds since the media of the call was opened; DTMF digits and recordings count from the same moment. */
  readonly timestampMs: number
  /** The network lost the packet and the samples were made up from what came before. */
  readonly concealed: boolean
}

/**
 * What the other party says. One consumer at a time: a second loop throws `SIP_STATE`; use `tee()`.
 * A slow consumer loses the oldest frames, counted in `droppedFrames`, and never delays the call.
 * Iteration ends when the call ends.
 */
export interface AudioSource extends AsyncIterable<AudioFrame> {
  /** Samples per second of the frames, fixed for the life of the source. */
  readonly sampleRate: number
  /** Frames nobody fetched in time. */
  readonly droppedFrames: number
  /**
   * Forgets what came so far and was not read: for live relays that start to read late and would stay that much behind. Returns how much
   * that was, in milliseconds.
   */
  clear(): number
  /**
   * Silence in place of what comes from now on, in step, led into within 20 ms without a click; copies made by `tee` each have a mute of
   * their own. Recordings still hear.
   */
  mute(): void
  unmute(): void
  readonly muted: boolean
  /** The same audio at another rate; reading the view is reading the source. */
  at(sampleRate: number): AudioSource
  /** Two independent copies; the source itself can then no longer be read. */
  tee(): [AudioSource, AudioSource]
  /** A web stream of copied frames; it queues nothing itself, so the oldest are still dropped here. */
  toWeb(): ReadableStream<AudioFrame>
}

export interface LiveAudioSourceOptions {
  /** Samples per second. */
  readonly sampleRate: number
  /** Frames kept for a slow consumer; default 50, one second at 20 ms. */
  readonly capacityFrames?: number
}

interface Slot {
  samples: Int16Array
  timestampMs: number
  concealed: boolean
}

/** The source a media session feeds: a fixed ring of frames that drops the oldest. */
export class LiveAudioSource implements AudioSource {
  readonly sampleRate: number
  readonly #slots: Slot[] = []
  readonly #capacity: number
  #head = 0
  #count = 0
  #held: Slot = { samples: NO_SAMPLES, timestampMs: 0, concealed: false }
  #droppedFrames = 0
  #waiting: ((result: IteratorResult<AudioFrame, undefined>) => void) | undefined
  #consumer: object | undefined
  #taps: readonly LiveAudioSource[] | undefined
  #ended = false
  #begun = false
  #muted = false
  /** Only once it was muted. */
  #gain: Gain | undefined
  #scaled: Int16Array = NO_SAMPLES

  constructor(options: LiveAudioSourceOptions) {
    this.sampleRate = checkRate(options.sampleRate)
    this.#capacity = options.capacityFrames ?? 50
    if (!Number.isInteger(this.#capacity) || this.#capacity < 1) {
      throw new OptionError(
        'capacityFrames',
        `${this.#capacity} is not a count of frames; give an integer of 1 or more`,
      )
    }
  }

  get droppedFrames(): number {
    return this.#droppedFrames
  }

  /** Frames waiting for the consumer. */
  get bufferedFrames(): number {
    return this.#count
  }

  get ended(): boolean {
    return this.#ended
  }

  /** Adds a frame (copied). Never waits: a full ring loses its oldest frame. */
  push(samples: Int16Array, timestampMs: number, concealed: boolean): void {
    if (this.#ended) return
    this.#begun = true
    if (this.#gain !== undefined) samples = this.#scale(this.#gain, samples)
    if (this.#taps !== undefined) {
      for (const tap of this.#taps) tap.push(samples, timestampMs, concealed)
      return
    }
    const waiting = this.#waiting
    if (waiting !== undefined) {
      this.#waiting = undefined
      waiting({ done: false, value: fill(this.#held, samples, timestampMs, concealed) })
      return
    }
    if (this.#count === this.#capacity) {
      this.#head = (this.#head + 1) % this.#capacity
      this.#count -= 1
      this.#droppedFrames += 1
    }
    const index = (this.#head + this.#count) % this.#capacity
    const slot = (this.#slots[index] ??= { samples: NO_SAMPLES, timestampMs: 0, concealed: false })
    fill(slot, samples, timestampMs, concealed)
    this.#count += 1
  }

  /** Frames already here can still be read; then iteration is done. Idempotent. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    for (const tap of this.#taps ?? []) tap.end()
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.({ done: true, value: undefined })
  }

  clear(): number {
    let samples = 0
    for (; this.#count > 0; this.#count -= 1, this.#head = (this.#head + 1) % this.#capacity) {
      samples += this.#slots[this.#head]?.samples.length ?? 0
    }
    return (samples * 1000) / this.sampleRate
  }

  get muted(): boolean {
    return this.#muted
  }

  mute(): void {
    this.#muted = true
    this.#moveTo(0)
  }

  unmute(): void {
    this.#muted = false
    if (this.#gain !== undefined) this.#moveTo(1)
  }

  [Symbol.asyncIterator](): AsyncIterator<AudioFrame, undefined> {
    this.#claim()
    const consumer = {}
    this.#consumer = consumer
    return {
      next: () => (this.#consumer === consumer ? this.#next() : DONE),
      return: () => {
        if (this.#consumer === consumer) this.#release()
        return DONE
      },
    }
  }

  at(sampleRate: number): AudioSource {
    return sampleRate === this.sampleRate ? this : new ResampledSource(this, checkConvertible(sampleRate))
  }

  tee(): [AudioSource, AudioSource] {
    this.#claim()
    const options = { sampleRate: this.sampleRate, capacityFrames: this.#capacity }
    const taps: [LiveAudioSource, LiveAudioSource] = [
      new LiveAudioSource(options),
      new LiveAudioSource(options),
    ]
    for (; this.#count > 0; this.#count -= 1, this.#head = (this.#head + 1) % this.#capacity) {
      const slot = this.#slots[this.#head] as Slot
      for (const tap of taps) tap.push(slot.samples, slot.timestampMs, slot.concealed)
    }
    this.#taps = taps
    if (this.#ended) for (const tap of taps) tap.end()
    return taps
  }

  toWeb(): ReadableStream<AudioFrame> {
    return readableOf(this)
  }

  #moveTo(factor: number): void {
    this.#gain ??= new Gain(this.sampleRate)
    this.#gain.moveTo(factor)
    if (!this.#begun) this.#gain.moveAtOnce()
  }

  #scale(gain: Gain, samples: Int16Array): Int16Array {
    if (this.#scaled.length !== samples.length) this.#scaled = new Int16Array(samples.length)
    this.#scaled.set(samples)
    gain.apply(this.#scaled)
    if (gain.neutral) this.#gain = undefined
    return this.#scaled
  }

  #claim(): void {
    if (this.#taps !== undefined) {
      throw new SipError(
        'SIP_STATE',
        'this audio source was split by tee(); read one of the two copies it returned',
      )
    }
    if (this.#consumer !== undefined) {
      throw new SipError(
        'SIP_STATE',
        'this audio source is already being read; call tee() before reading to read it twice',
      )
    }
  }

  #release(): void {
    this.#consumer = undefined
    this.#waiting?.({ done: true, value: undefined })
    this.#waiting = undefined
  }

  #next(): Promise<IteratorResult<AudioFrame, undefined>> {
    if (this.#waiting !== undefined) {
      return Promise.reject(
        new SipError('SIP_STATE', 'ask for one audio frame at a time; await the frame before'),
      )
    }
    if (this.#count > 0) {
      // The slot handed out is swapped out of the ring, so that a push cannot overwrite what the consumer still reads.
      const slot = this.#slots[this.#head] as Slot
      this.#slots[this.#head] = this.#held
      this.#held = slot
      this.#head = (this.#head + 1) % this.#capacity
      this.#count -= 1
      return Promise.resolve({ done: false, value: slot })
    }
    if (this.#ended) {
      this.#release()
      return DONE
    }
    return new Promise(resolve => {
      this.#waiting = resolve
    })
  }
}

function fill(slot: Slot, samples: Int16Array, timestampMs: number, concealed: boolean): Slot {
  if (slot.samples.length !== samples.length) slot.samples = samples.slice()
  else slot.samples.set(samples)
  slot.timestampMs = timestampMs
  slot.concealed = concealed
  return slot
}

const NO_SAMPLES = new Int16Array(0)
const DONE: Promise<IteratorReturnResult<undefined>> = Promise.resolve({ done: true, value: undefined })
