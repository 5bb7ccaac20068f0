import type { WritableStream } from 'node:stream/web'
import { OptionError, SipError } from '../../runtime/errors.ts'
import type { Clock } from '../../runtime/runtime.ts'
import type { AudioFrame } from './audio-source.ts'
import { Gain, factorOf } from './gain.ts'
import { playInto } from './play.ts'
import { PlayoutLedger } from './playout.ts'
import type { MarkReached, Playout } from './playout.ts'
import { checkConvertible, checkRate } from './rates.ts'
import { ResampledSink } from './resampled-sink.ts'
import { SampleQueue } from './sample-queue.ts'
import { writableOf } from './web-streams.ts'

/**
 * Audio to play: 16-bit mono PCM in one piece, or in chunks of any length as they come. What has a `sampleRate` of its
 * own, as a `WavReader` and an `AudioSource` have, is converted.
 */
export type PlaySource =
  | Int16Array
  | (AsyncIterable<Int16Array | AudioFrame> & { readonly sampleRate?: number })

export interface PlayOptions {
  /** Aborting drops what was not sent yet and settles the play-out as interrupted; it does not reject. */
  readonly signal?: AbortSignal
}

/**
 * What we say: 16-bit mono PCM in chunks of any length, sent in step with the RTP clock.
 * The end of the call is no error here: writes then go nowhere, and every promise settles.
 */
export interface AudioSink {
  /** Samples per second expected by `write`, fixed for the life of the sink. */
  readonly sampleRate: number
  /** Written but not sent yet. */
  readonly bufferedMs: number
  /** The call is over and nothing more will be sent. */
  readonly ended: boolean
  /**
   * Volume in dB of what is sent from now on, what is queued included: -100 to 20, `-Infinity` for silence; default 0. It changes within
   * 20 ms, without a click. Setting anything else throws an `OptionError`.
   */
  volumeDb: number
  /** Sends silence in place of what is written, which goes on in step: what is muted counts as played. Idempotent. */
  mute(): void
  unmute(): void
  readonly muted: boolean
  /**
   * Queues a copy of `samples`, and settles when the queue is below its high-water mark. A rest shorter than a
   * packet waits for the next write or for `flush()`. After the end it settles up to 20 ms later, so that a loop that
   * does not look cannot starve the process. Rejects with an `OptionError` only: not PCM, or more in one piece than the
   * sink can hold (120 s); `play` takes any length.
   */
  write(samples: Int16Array): Promise<void>
  /** Settles when all written so far was sent, its last packet filled up with silence, or was cleared. */
  flush(): Promise<Playout>
  /** Barge-in: drops what was not sent yet, and says how much was. */
  clear(): Playout
  /** Settles when the audio written before it was sent, or will never be. */
  mark(name?: string): Promise<MarkReached>
  /**
   * Writes a whole source, waiting for room, then flushes. Sources are heard one after the other: a second `play` begins when the first
   * is over. `clear()` stops them all, an aborted `signal` its own, and closes the source. Rejects with what the source throws; what was
   * written before is still sent.
   */
  play(source: PlaySource, options?: PlayOptions): Promise<Playout>
  /** The same queue, written at another rate: one view for each rate, which converts its stream of chunks without seams. */
  at(sampleRate: number): AudioSink
  /** Closing the stream flushes, aborting it clears. */
  toWeb(): WritableStream<Int16Array>
}

export interface LiveAudioSinkOptions {
  /** Samples per second. */
  readonly sampleRate: number
  /** `write` waits while more than this is queued; default 1000 ms. */
  readonly highWaterMs?: number
  /** The most that is queued for a writer that does not wait; the rest of a write is dropped. Default 120 s. */
  readonly maxBufferedMs?: number
  /** Paces writes after the end; without it they settle at once. */
  readonly clock?: Clock
  /**
   * For a line that keeps audio before it is heard: what `readFrame` gave counts as played only when `played` says so. Runs first in a
   * clear, to say what has been heard by then.
   */
  readonly heardLater?: () => void
}

/** What a write after the end takes: as long as a packet. */
const PACE_AFTER_END_MS = 20

/** The sink a media session empties, one packet's worth at a time. */
export class LiveAudioSink implements AudioSink {
  readonly sampleRate: number
  /** Bounded by the rates there are. */
  readonly #views = new Map<number, ResampledSink>()
  readonly #clock: Clock | undefined
  readonly #queue: SampleQueue
  readonly #ledger: PlayoutLedger
  readonly #highWater: number
  #room: { readonly promise: Promise<void>; readonly open: () => void } | undefined
  readonly #onClear: Set<() => void> = new Set()
  /** Only once the volume was changed. */
  #gain: Gain | undefined
  #volumeDb = 0
  #muted = false
  #lastSample = 0
  #refused = 0
  #ended = false
  #nowhere: Promise<void> | undefined
  /** Settles when the last of the plays is over. */
  #plays: Promise<void> | undefined
  #playsWaiting = 0
  readonly #heardLater: (() => void) | undefined
  /** Given to a line that keeps it, and not heard yet. */
  #onTheLine = 0

  constructor(options: LiveAudioSinkOptions) {
    this.sampleRate = checkRate(options.sampleRate)
    this.#clock = options.clock
    this.#heardLater = options.heardLater
    this.#highWater = this.#samples('highWaterMs', options.highWaterMs ?? 1000)
    this.#queue = new SampleQueue(this.#samples('maxBufferedMs', options.maxBufferedMs ?? 120_000))
    this.#ledger = new PlayoutLedger(this.sampleRate)
  }

  get bufferedMs(): number {
    return ((this.#queue.length + this.#onTheLine) * 1000) / this.sampleRate
  }

  get ended(): boolean {
    return this.#ended
  }

  get volumeDb(): number {
    return this.#volumeDb
  }

  set volumeDb(volumeDb: number) {
    factorOf('volumeDb', volumeDb)
    this.#volumeDb = volumeDb
    this.#setGain()
  }

  get muted(): boolean {
    return this.#muted
  }

  mute(): void {
    this.#muted = true
    this.#setGain()
  }

  unmute(): void {
    this.#muted = false
    this.#setGain()
  }

  /** Dropped because the queue was full or the call over. */
  get refusedMs(): number {
    return (this.#refused * 1000) / this.sampleRate
  }

  write(samples: Int16Array): Promise<void> {
    if (!(samples instanceof Int16Array)) return Promise.reject(notSamples(samples))
    if (this.#ended) return this.#writeNowhere(samples.length)
    if (samples.length > this.#queue.maxSamples) return Promise.reject(this.#tooLong(samples.length))
    const taken = this.#queue.push(samples)
    this.#ledger.wrote(taken)
    if (taken < samples.length) {
      this.#refused += samples.length - taken
      this.#ledger.refused(samples.length - taken)
    }
    if (this.#queue.length <= this.#highWater) return SETTLED
    this.#room ??= gate()
    return this.#room.promise
  }

  flush(): Promise<Playout> {
    return this.#wait(true)
  }

  clear(): Playout {
    this.#heardLater?.()
    const playout = this.#ledger.sinceBoundary()
    for (const listener of this.#onClear) listener()
    this.#queue.discard(this.#queue.length)
    this.#onTheLine = 0
    this.#ledger.clear()
    this.#openRoom()
    return playout
  }

  async mark(name: string = ''): Promise<MarkReached> {
    const { interrupted } = await this.#wait(false)
    return { name, reached: !interrupted }
  }

  play(source: PlaySource, options: PlayOptions = {}): Promise<Playout> {
    return playInto(this, source, this.sampleRate, options.signal)
  }

  at(sampleRate: number): AudioSink {
    if (sampleRate === this.sampleRate) return this
    let view = this.#views.get(sampleRate)
    if (view === undefined) {
      view = new ResampledSink(this, checkConvertible(sampleRate))
      this.#views.set(sampleRate, view)
    }
    return view
  }

  toWeb(): WritableStream<Int16Array> {
    return writableOf(this)
  }

  /** Starts a new count of `playedMs` here, without waiting for anything. */
  boundary(): void {
    if (!this.#ended) this.#ledger.wait(true, ignore)
  }

  /** A place behind the plays before: `before` settles when it is this one's turn; call `over` once, in any case. */
  queuePlay(): { readonly before: Promise<void> | undefined; readonly over: () => void } {
    if (this.#playsWaiting >= MAX_PENDING) throw tooManyWaiting('plays')
    this.#playsWaiting += 1
    const { promise, open } = gate()
    const before = this.#plays
    const all = before === undefined ? promise : before.then(() => promise)
    this.#plays = all
    const over = (): void => {
      this.#playsWaiting -= 1
      if (this.#playsWaiting === 0) this.#plays = undefined
      open()
    }
    return { before, over }
  }

  /** `listener` runs before each clear, while what is about to be dropped can still be counted. */
  onClear(listener: () => void): () => void {
    this.#onClear.add(listener)
    return () => {
      this.#onClear.delete(listener)
    }
  }

  /**
   * The pacer's side: fills `out`, one packet long, and returns how many samples of it were written by the user.
   * Less than a packet stays queued until something waits for it; the rest of `out` is silence, led into smoothly.
   */
  readFrame(out: Int16Array): number {
    const enough = this.#queue.length >= out.length || this.#ledger.awaited
    const count = enough ? this.#queue.shift(out) : 0
    if (this.#gain !== undefined) this.#scale(this.#gain, out, count)
    if (count < out.length) this.#fadeOut(out, count)
    this.#lastSample = out[out.length - 1] ?? 0
    if (count > 0) {
      if (this.#heardLater === undefined) this.#ledger.sent(count)
      else this.#onTheLine += count
      if (this.#queue.length <= this.#highWater) this.#openRoom()
    }
    return count
  }

  /** Whether `readFrame` has something to give for a frame of so many samples. */
  hasFrame(samples: number): boolean {
    return this.#queue.length >= samples || (this.#queue.length > 0 && this.#ledger.awaited)
  }

  /** Of `heardLater`: so many more samples of those `readFrame` gave have been heard. */
  played(samples: number): void {
    const count = Math.min(samples, this.#onTheLine)
    this.#onTheLine -= count
    this.#ledger.sent(count)
  }

  /** The call is over: drops what is queued and settles everything that waits. Idempotent. */
  end(): void {
    if (this.#ended) return
    this.clear()
    this.#ended = true
  }

  #setGain(): void {
    const factor = this.#muted ? 0 : factorOf('volumeDb', this.#volumeDb)
    this.#gain ??= new Gain(this.sampleRate)
    this.#gain.moveTo(factor)
    if (this.#queue.length === 0 && this.#lastSample === 0) this.#gain.moveAtOnce()
  }

  #scale(gain: Gain, out: Int16Array, count: number): void {
    // In a pause nothing can click.
    if (count === 0) gain.moveAtOnce()
    else gain.apply(out, count)
    if (gain.neutral) this.#gain = undefined
  }

  #wait(boundary: boolean): Promise<Playout> {
    if (this.#ended) return Promise.resolve(NOTHING)
    if (this.#ledger.pending >= MAX_PENDING) return Promise.reject(tooManyWaiting('flushes and marks'))
    return new Promise(resolve => {
      this.#ledger.wait(boundary, resolve)
    })
  }

  /** One timer, however many writes come. */
  #writeNowhere(count: number): Promise<void> {
    this.#refused += count
    const clock = this.#clock
    if (clock === undefined) return SETTLED
    this.#nowhere ??= new Promise(resolve => {
      clock.setTimer(clock.now() + PACE_AFTER_END_MS, () => {
        this.#nowhere = undefined
        resolve()
      })
    })
    return this.#nowhere
  }

  #tooLong(count: number): OptionError {
    const seconds = (samples: number): string => (samples / this.sampleRate).toFixed(0)
    const most = seconds(this.#queue.maxSamples)
    return new OptionError(
      'samples',
      `${seconds(count)} s in one piece; give at most ${most} s, or use play()`,
    )
  }

  #openRoom(): void {
    const room = this.#room
    this.#room = undefined
    room?.open()
  }

  /** A step from speech to silence is heard as a click. */
  #fadeOut(out: Int16Array, from: number): void {
    let level = from > 0 ? (out[from - 1] ?? 0) : this.#lastSample
    for (let i = from; i < out.length; i += 1) {
      level = (level * 7) / 8
      if (level > -1 && level < 1) {
        out.fill(0, i)
        return
      }
      out[i] = level
    }
  }

  #samples(field: string, ms: number): number {
    if (!(ms >= 0 && ms <= 3_600_000))
      throw new OptionError(field, `${ms} is not usable; give milliseconds, 0 to 3600000`)
    return Math.round((ms * this.sampleRate) / 1000)
  }
}

function notSamples(value: unknown): OptionError {
  const kind = value === null ? 'null' : typeof value === 'object' ? value.constructor.name : typeof value
  const advice =
    'give an Int16Array; octets of a Buffer b are new Int16Array(b.buffer, b.byteOffset, b.length / 2)'
  return new OptionError('samples', `${kind} is not PCM; ${advice}`)
}

function gate(): { promise: Promise<void>; open: () => void } {
  let open: () => void = ignore
  const promise = new Promise<void>(resolve => {
    open = resolve
  })
  return { promise, open }
}

function tooManyWaiting(what: string): SipError {
  return new SipError('SIP_LIMIT', `${MAX_PENDING} ${what} are waiting already; await them, or clear()`)
}

function ignore(): void {
  // Nothing waits for this boundary.
}

/** Flushes and marks, or plays, waiting in one sink; more is a loop that forgot to await. */
const MAX_PENDING = 1024
const SETTLED: Promise<void> = Promise.resolve()
const NOTHING: Playout = { playedMs: 0, droppedMs: 0, interrupted: true }
