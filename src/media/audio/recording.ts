import type { OptionError } from '../../runtime/errors.ts'

/** Where a recording goes when it is not a file: an upload, a buffer in a test. */
export interface RecordingSink {
  /** Octets in order. While a promise is pending the next chunks wait in a bounded queue. */
  write(chunk: Uint8Array): void | Promise<void>
  /**
   * Overwrites `bytes` at `position`, counted from the first octet written: the header with its sizes.
   * Without it the header says from the start that the length is unknown, which players take as "to the end".
   */
  patch?(position: number, bytes: Uint8Array): void | Promise<void>
  close(): void | Promise<void>
}

export interface RecordingOptions {
  /** `separate` (default): the other party left, we right. `mixed`: both in one channel. */
  readonly channels?: 'separate' | 'mixed'
  /** Samples per second in the file; default that of the call. */
  readonly sampleRate?: number
}

export interface RecordingResult {
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
  /** What is said from now on is recorded as silence, so that later parts keep their place in time. */
  pause(): void
  resume(): void
  /** Settles when everything is written and the file closed. Idempotent; never rejects. */
  stop(): Promise<RecordingResult>
  [Symbol.asyncDispose](): Promise<void>
}

export type { OptionError }
