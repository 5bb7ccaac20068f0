import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { realWork } from '../../runtime/real-work.ts'
import type { RecordingSink } from './recording-sink.ts'

/** A recording's file. */
export class FileSink implements RecordingSink {
  readonly #handle: FileHandle
  #position = 0

  private constructor(handle: FileHandle) {
    this.#handle = handle
  }

  /** Calls are private: only the owner of the process may read the file. */
  static async open(file: string): Promise<FileSink> {
    return new FileSink(await realWork(open(file, 'w', 0o600)))
  }

  async write(chunk: Uint8Array): Promise<void> {
    const position = this.#position
    this.#position += chunk.length
    await realWork(this.#writeAt(chunk, position))
  }

  patch(position: number, bytes: Uint8Array): Promise<void> {
    return realWork(this.#writeAt(bytes, position))
  }

  close(): Promise<void> {
    return realWork(this.#handle.close())
  }

  async #writeAt(bytes: Uint8Array, position: number): Promise<void> {
    for (let done = 0; done < bytes.length;) {
      const { bytesWritten } = await this.#handle.write(bytes, done, bytes.length - done, position + done)
      done += bytesWritten
    }
  }
}
