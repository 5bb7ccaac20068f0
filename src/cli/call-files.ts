import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Endpoint } from '../call/endpoint.ts'
import { OptionError } from '../runtime/errors.ts'
import type { CallRecord } from '../trace/call-record.ts'
import { Trace } from '../trace/trace.ts'

/** How long after the end of a call its last messages still come. */
const lastMessagesMs = 300

/** A trace that leaves `calls.jsonl` and one ladder a call in a folder, when there is one. */
export class CallFiles {
  readonly trace: Trace
  readonly #folder: string | undefined
  readonly #pending = new Map<string, NodeJS.Timeout>()

  constructor(endpoint: Endpoint, folder: string | undefined, onRecord: (record: CallRecord) => void) {
    this.#folder = folder
    if (folder !== undefined) makeFolder('--trace', folder)
    this.trace = new Trace({
      endpoint,
      ...(folder === undefined ? {} : { journal: join(folder, 'calls.jsonl') }),
      onRecord: record => {
        this.#scheduleLadder(record.id)
        onRecord(record)
      },
    })
  }

  close(): void {
    for (const id of this.#pending.keys()) this.#writeLadder(id)
    this.trace.close()
  }

  #scheduleLadder(id: string): void {
    if (this.#folder === undefined) return
    this.#pending.set(
      id,
      setTimeout(() => this.#writeLadder(id), lastMessagesMs),
    )
  }

  #writeLadder(id: string): void {
    clearTimeout(this.#pending.get(id))
    this.#pending.delete(id)
    const ladder = this.trace.ladder(id)
    if (ladder !== undefined && this.#folder !== undefined)
      writeFileSync(join(this.#folder, `${id}.ladder.txt`), ladder)
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
