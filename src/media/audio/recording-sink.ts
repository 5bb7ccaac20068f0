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

/** Samples into a file of one format. One call at a time: await it before the next. */
export interface RecordingWriter {
  /** Samples per second and channel that `write` takes. */
  readonly sampleRate: number
  /** Octets written so far, header included. */
  readonly bytes: number
  readonly durationMs: number
  /** Appends signed 16-bit samples, interleaved when there are several channels. */
  write(samples: Int16Array): Promise<void>
  /** Finishes the file and closes the sink. Idempotent. */
  close(): Promise<void>
}
