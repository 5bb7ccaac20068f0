import { OptionError } from '../../runtime/errors.ts'
import type { Random } from '../../runtime/runtime.ts'
import { FileSink } from './file-sink.ts'
import { InterleavedResampler } from './interleaved-resampler.ts'
import { limit } from './mixer.ts'
import { prepareWriter, recordingFormat } from './recording-format.ts'
import type { RecordingFormat } from './recording-format.ts'
import type { RecordingSink, RecordingWriter } from './recording-sink.ts'

export interface RecordingOptions {
  /** `separate` (default): the other party left, we right. `mixed`: both in one channel. */
  readonly channels?: 'separate' | 'mixed'
  /** Default by the name of the file: `opus` for `.opus`, `.ogg` and `.oga`, otherwise `pcm`: 16-bit samples in a WAV file. */
  readonly format?: RecordingFormat
  /** Samples per second of the file. Default that of the call; 8000 for `pcmu` and `pcma`; for `opus` one of those it has. */
  readonly sampleRate?: number
}

/** What only the call itself knows of its recording. */
export interface CallRecordingOptions extends RecordingOptions {
  /** Samples per second of what is heard and sent. */
  readonly callRate: number
  readonly random: Random
  /** Where the clock of `AudioFrame.timestampMs` begins, on the clock of the turns. */
  readonly originMs?: number
  readonly onStop?: (recording: CallRecording) => void
  /** It has broken off; once at most, and before `onStop`, which comes when somebody stops it or the call is over. */
  readonly onFail?: (recording: CallRecording, error: Error) => void
}

export interface RecordingResult {
  /** When the first sample of the file was heard and said, on the clock of `AudioFrame.timestampMs`. */
  readonly startedAtMs: number
  /** Length of the audio in the file, silence in gaps included. */
  readonly durationMs: number
  /** Size of the file. */
  readonly bytes: number
  /** The path, when the recording went to a file. */
  readonly file: string | undefined
  /** Audio replaced by silence because the sink was too slow. */
  readonly droppedMs: number
  /** Why the recording broke off early (disk full, for example); what was written before is playable. */
  readonly error?: Error
}

/** A recording under way. It stops by itself when the call ends. */
export interface Recording {
  readonly file: string | undefined
  readonly durationMs: number
  readonly paused: boolean
  /** Why it has broken off, while the call goes on: the disk is full, the upload was refused. */
  readonly error: Error | undefined
  /** What is said from now on is recorded as silence, so that later parts keep their place in time. */
  pause(): void
  resume(): void
  /** Settles when everything is written and the file closed. Idempotent; never rejects. */
  stop(): Promise<RecordingResult>
  [Symbol.asyncDispose](): Promise<void>
}

/** A piece of the file that waits to be written: samples, or so much silence. */
interface Piece {
  readonly samples: Int16Array | undefined
  readonly frames: number
}

/**
 * Puts both directions side by side in time and writes them. Driven by the turns of the media, so that both
 * sides of a turn land at the same place and virtual time is as good as real time; turns that never came are silence.
 */
export class CallRecording implements Recording {
  readonly file: string | undefined
  readonly #writer: RecordingWriter
  /** Set when the file has another rate than the call. */
  readonly #resampler: InterleavedResampler | undefined
  readonly #originMs: number
  readonly #channels: 1 | 2
  readonly #framesPerMs: number
  readonly #onStop: (recording: CallRecording) => void
  readonly #onFail: ((recording: CallRecording, error: Error) => void) | undefined
  readonly #queue: Piece[] = []
  #chunk: Int16Array
  /** Frames (one sample of each channel) in `#chunk`. */
  #filled = 0
  /** Frames taken in since the start, silence included. */
  #frames = 0
  #startedAt: number | undefined
  #droppedFrames = 0
  #paused = false
  #pumping: Promise<void> | undefined
  #stopping: Promise<RecordingResult> | undefined
  #error: Error | undefined

  private constructor(writer: RecordingWriter, options: CallRecordingOptions, file: string | undefined) {
    this.file = file
    this.#channels = channelsOf(options)
    this.#writer = writer
    this.#resampler =
      writer.sampleRate === options.callRate
        ? undefined
        : new InterleavedResampler(options.callRate, writer.sampleRate, this.#channels)
    this.#framesPerMs = options.callRate / 1000
    this.#originMs = options.originMs ?? 0
    this.#onStop = options.onStop ?? (() => undefined)
    this.#onFail = options.onFail
    this.#chunk = this.#newChunk()
  }

  /**
   * Makes the file when `target` is a path. Rejects with what the file system says.
   * @throws {OptionError} `format`, `channels` or `sampleRate` that cannot be
   */
  static async open(target: string | RecordingSink, options: CallRecordingOptions): Promise<CallRecording> {
    const { callRate, sampleRate, random } = options
    const file = typeof target === 'string' ? target : undefined
    const format = recordingFormat(options.format, file)
    const channels = channelsOf(options)
    const open = await prepareWriter(format, { callRate, sampleRate, channels, serial: random.uint32() })
    const writer = open(typeof target === 'string' ? await FileSink.open(target) : target)
    return new CallRecording(writer, options, file)
  }

  get durationMs(): number {
    return this.#frames / this.#framesPerMs
  }

  get paused(): boolean {
    return this.#paused
  }

  get error(): Error | undefined {
    return this.#error
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
  }

  /** One turn of the media at `atMs`: what was heard and what was sent in it; `undefined` is silence. */
  turn(atMs: number, heard: Int16Array | undefined, sent: Int16Array | undefined): void {
    if (this.#stopping !== undefined || this.#error !== undefined) return
    this.#startedAt ??= atMs
    const missing = Math.round((atMs - this.#startedAt) * this.#framesPerMs) - this.#frames
    if (missing > 0) this.#silence(missing)
    const length = Math.max(heard?.length ?? 0, sent?.length ?? 0)
    if (!this.#paused) this.#samples(length, heard, sent)
    else this.#silence(length)
  }

  stop(): Promise<RecordingResult> {
    this.#stopping ??= this.#finish()
    return this.#stopping
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #finish(): Promise<RecordingResult> {
    this.#onStop(this)
    this.#endChunk()
    await this.#pumping
    try {
      await this.#writer.close()
    } catch (error) {
      this.#fail(error)
    }
    return {
      startedAtMs: (this.#startedAt ?? this.#originMs) - this.#originMs,
      durationMs: this.#writer.durationMs,
      bytes: this.#writer.bytes,
      file: this.file,
      droppedMs: this.#droppedFrames / this.#framesPerMs,
      ...(this.#error === undefined ? {} : { error: this.#error }),
    }
  }

  #samples(length: number, heard: Int16Array | undefined, sent: Int16Array | undefined): void {
    const channels = this.#channels
    for (let i = 0; i < length; i += 1) {
      const left = heard?.[i] ?? 0
      const right = sent?.[i] ?? 0
      const at = this.#filled * channels
      if (channels === 1) this.#chunk[at] = limit(left + right)
      else {
        this.#chunk[at] = left
        this.#chunk[at + 1] = right
      }
      this.#filled += 1
      if (this.#filled * channels === this.#chunk.length) this.#endChunk()
    }
    this.#frames += length
  }

  #silence(frames: number): void {
    this.#frames += frames
    const room = this.#chunk.length / this.#channels - this.#filled
    if (frames < room) {
      // A fresh chunk is silent already.
      this.#filled += frames
      return
    }
    this.#endChunk()
    this.#enqueue({ samples: undefined, frames })
  }

  #endChunk(): void {
    if (this.#filled === 0) return
    const samples = this.#chunk.subarray(0, this.#filled * this.#channels)
    this.#enqueue({ samples, frames: this.#filled })
    this.#chunk = this.#newChunk()
    this.#filled = 0
  }

  #enqueue(piece: Piece): void {
    const last = this.#queue.at(-1)
    const full = this.#queue.length >= MAX_PIECES
    if (full && piece.samples !== undefined) this.#droppedFrames += piece.frames
    const silent = full ? undefined : piece.samples
    if (silent === undefined && last !== undefined && last.samples === undefined) {
      this.#queue[this.#queue.length - 1] = { samples: undefined, frames: last.frames + piece.frames }
    } else this.#queue.push({ samples: silent, frames: piece.frames })
    this.#pumping ??= this.#pump()
  }

  /** Never rejects: a sink that fails ends the recording, not the call. */
  async #pump(): Promise<void> {
    try {
      for (let piece = this.#queue[0]; piece !== undefined; piece = this.#queue[0]) {
        this.#queue.shift()
        if (piece.samples !== undefined) await this.#write(piece.samples)
        else await this.#writeSilence(piece.frames)
      }
    } catch (error) {
      this.#fail(error)
    }
    this.#pumping = undefined
  }

  async #writeSilence(frames: number): Promise<void> {
    const zeros = this.#newChunk()
    for (let left = frames * this.#channels; left > 0; left -= zeros.length) {
      await this.#write(left < zeros.length ? zeros.subarray(0, left) : zeros)
    }
  }

  async #write(samples: Int16Array): Promise<void> {
    await this.#writer.write(this.#resampler?.process(samples) ?? samples)
  }

  #fail(error: unknown): void {
    this.#queue.length = 0
    if (this.#error !== undefined) return
    this.#error = error instanceof Error ? error : new Error(String(error))
    this.#onFail?.(this, this.#error)
  }

  #newChunk(): Int16Array {
    return new Int16Array(this.#framesPerMs * CHUNK_MS * this.#channels)
  }
}

function channelsOf({ channels = 'separate' }: RecordingOptions): 1 | 2 {
  const count = Object.hasOwn(CHANNELS, channels) ? CHANNELS[channels] : undefined
  if (count !== undefined) return count
  const known = Object.keys(CHANNELS).join(', ')
  throw new OptionError('channels', `${JSON.stringify(channels)} is not known; give ${known}`)
}

const CHANNELS = { separate: 2, mixed: 1 } as const

/** What is written at a time. */
const CHUNK_MS = 500
/** Pieces that wait for a slow sink, 10 s of samples; what comes then is recorded as silence. */
const MAX_PIECES = 20
