import type { RecordingSink } from '../../../src/media/audio/recording-sink.ts'

/** A recording in memory. */
export class MemorySink implements RecordingSink {
  closed = 0
  #bytes = Buffer.alloc(0)

  write(chunk: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
  }

  patch(position: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, position)
  }

  close(): void {
    this.closed += 1
  }

  bytes(): Buffer {
    return this.#bytes
  }
}
