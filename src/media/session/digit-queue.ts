import type { DtmfDigit } from './types.ts'

interface Reader {
  readonly digits: DtmfDigit[]
  wake: (() => void) | undefined
  ended: boolean
}

/**
 * Hands digits to the loops that read them. While nobody reads, digits are kept and go to the next reader (type-ahead);
 * with several readers each gets every digit. Keeps 64 digits each and drops the oldest.
 */
export class DigitQueue {
  readonly #readers: Set<Reader> = new Set()
  #kept: DtmfDigit[] = []
  #dropped = 0
  #ended = false

  get dropped(): number {
    return this.#dropped
  }

  push(digit: DtmfDigit): void {
    if (this.#readers.size === 0) this.#add(this.#kept, digit)
    for (const reader of this.#readers) {
      this.#add(reader.digits, digit)
      wake(reader)
    }
  }

  /** Readers get what is left, then they are done. */
  end(): void {
    this.#ended = true
    for (const reader of this.#readers) this.#close(reader)
  }

  read(options: {
    readonly signal?: AbortSignal
    readonly fresh?: boolean
  }): AsyncIterableIterator<DtmfDigit> {
    const { signal } = options
    const aborted = signal?.aborted === true
    const digits = options.fresh === true || aborted ? [] : this.#kept
    // Who does not begin to read takes nothing from the next reader.
    if (!aborted) this.#kept = []
    const reader: Reader = { digits, wake: undefined, ended: this.#ended || aborted }
    const abort = (): void => {
      this.#leave(reader)
    }
    if (!reader.ended) {
      this.#readers.add(reader)
      signal?.addEventListener('abort', abort, { once: true })
    }
    const finish = (): IteratorReturnResult<undefined> => {
      signal?.removeEventListener('abort', abort)
      this.#leave(reader)
      return { done: true, value: undefined }
    }
    return {
      next: async () => {
        while (reader.digits.length === 0 && !reader.ended) {
          await new Promise<void>(resolve => {
            const before = reader.wake
            reader.wake = () => {
              before?.()
              resolve()
            }
          })
        }
        const value = reader.digits.shift()
        return value === undefined ? finish() : { done: false, value }
      },
      return: () => Promise.resolve(finish()),
      [Symbol.asyncIterator]() {
        return this
      },
    }
  }

  #add(queue: DtmfDigit[], digit: DtmfDigit): void {
    if (queue.length === MAX_DIGITS) {
      queue.shift()
      this.#dropped += 1
    }
    queue.push(digit)
  }

  /** What the last reader leaves behind is for the next one. */
  #leave(reader: Reader): void {
    if (!this.#readers.delete(reader)) return
    if (this.#readers.size === 0) this.#kept = reader.digits.splice(0)
    this.#close(reader)
  }

  #close(reader: Reader): void {
    reader.ended = true
    wake(reader)
  }
}

function wake(reader: Reader): void {
  const waiting = reader.wake
  reader.wake = undefined
  waiting?.()
}

const MAX_DIGITS = 64
