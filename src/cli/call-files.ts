import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Endpoint } from '../call/endpoint.ts'
import { OptionError } from '../runtime/errors.ts'
import type { CallRecord } from '../trace/call-record.ts'
import { Trace } from '../trace/trace.ts'

/** How long after the end of a call its last messages still come. */
const lastMessagesMs = 300

export interface CallFilesOptions {
  /** Where the files go; without one there are none. */
  readonly folder: string | undefined
  readonly maskDigits: boolean
  readonly onRecord: (record: CallRecord) => void
  /** Hears of the first file that could not be written; calls go on, and further ones are only counted. */
  readonly onFailure: (message: string) => void
}

/** A trace that leaves `calls.jsonl` and one ladder a call in a folder, when there is one. */
export class CallFiles {
  readonly trace: Trace
  readonly #folder: string | undefined
  readonly #onFailure: (message: string) => void
  #failedLadders = 0
  readonly #pending = new Map<string, NodeJS.Timeout>()

  constructor(endpoint: Endpoint, { folder, maskDigits, onRecord, onFailure }: CallFilesOptions) {
    this.#folder = folder
    this.#onFailure = onFailure
    if (folder !== undefined) makeFolder('--trace', folder)
    this.trace = new Trace({
      endpoint,
      maskDigits,
      ...(folder === undefined ? {} : { journal: join(folder, 'calls.jsonl') }),
      onRecord: record => {
        this.#scheduleLadder(record.id)
        onRecord(record)
      },
    })
  }

  /** Ladders and lines of the journal that could not be written. */
  get failedWrites(): number {
    return this.#failedLadders + this.trace.failedWrites
  }

  /** The ladder of a call to a file that was asked for. */
  writeLadder(id: string, file: string): void {
    const ladder = this.trace.ladder(id)
    if (ladder === undefined) return
    try {
      writeFileSync(file, ladder)
    } catch (error) {
      this.#failedLadders += 1
      if (this.#failedLadders === 1) {
        this.#onFailure(
          `${file} cannot be written: ${(error as Error).message}; calls go on without such files`,
        )
      }
    }
  }

  close(): void {
    for (const id of this.#pending.keys()) this.#writePending(id)
    this.trace.close()
  }

  #scheduleLadder(id: string): void {
    if (this.#folder === undefined) return
    this.#pending.set(
      id,
      setTimeout(() => this.#writePending(id), lastMessagesMs),
    )
  }

  #writePending(id: string): void {
    clearTimeout(this.#pending.get(id))
    this.#pending.delete(id)
    if (this.#folder !== undefined) this.writeLadder(id, join(this.#folder, `${id}.ladder.txt`))
  }
}

/** @throws OptionError naming the option that asked for it */
export function makeFolder(option: string, folder: string): void {
  try {
    mkdirSync(folder, { recursive: true })
  } catch (cause) {
    throw new OptionError(option, `the folder ${folder} cannot be made: ${(cause as Error).message}`, {
      cause,
    })
  }
}
