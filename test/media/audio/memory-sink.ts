import type { RecordingSink } from '../../../src/media/audio/recording-sink.ts'

/** A recording in memory. */
export class MemorySink implements RecordingSink {
  closed = 0
  #room = Buffer.alloc(65_536)
  #length = 0

  write(chunk: Uint8Array): void {
    const end = this.#length + chunk.length
    if (end > this.#room.length) {
      const larger = Buffer.alloc(end * 2)
      larger.set(this.bytes())
      this.#room = larger
    }
    this.#room.set(chunk, this.#length)
    this.#length = end
  }

  patch(position: number, bytes: Uint8Array): void {
    this.#room.set(bytes, position)
  }

  close(): void {
    this.closed += 1
  }

  bytes(): Buffer {
    return this.#room.subarray(0, this.#length)
  }
}
