import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { callChannel } from '../call/diagnostics.ts'
import { streamChannel } from '../call/stream-events.ts'
import type { Endpoint } from '../call/endpoint.ts'
import type { Timer } from '../runtime/runtime.ts'
import { OptionError } from '../runtime/errors.ts'
import type { CallRecord } from '../trace/call-record.ts'
import { Journal } from '../trace/journal.ts'
import { Trace } from '../trace/trace.ts'
import type { TracesConfig } from './config.ts'
import type { Redactor } from './secrets.ts'

/** How long after the end of a call its last messages still come. */
const lastMessagesMs = 300

export interface CallFilesOptions {
  /** Without it nothing is written. */
  readonly traces: (TracesConfig & { readonly folder: string }) | undefined
  /** Has the secrets of every configuration so far. */
  readonly redactor: Redactor
  readonly onRecord: (record: CallRecord) => void
  /** Hears of the first file that could not be written; further ones are only counted. */
  readonly onFailure: (message: string) => void
}

/** Records, ladders and the journal of the calls of an endpoint, without the secrets of its configuration. */
export class CallFiles {
  readonly #options: CallFilesOptions
  readonly #endpoint: Endpoint
  readonly #trace: Trace
  readonly #journal: Journal | undefined
  readonly #stop: () => void
  readonly #ladders = new Map<string, Timer>()
  #failed = 0

  /** @throws OptionError the folder cannot be made or written to */
  constructor(endpoint: Endpoint, options: CallFilesOptions) {
    const { traces } = options
    this.#options = options
    this.#endpoint = endpoint
    if (traces !== undefined) {
      makeFolder('traces.folder', traces.folder)
      if (traces.journal !== false) this.#journal = new Journal(join(traces.folder, 'calls.jsonl'))
    }
    this.#trace = new Trace({
      endpoint,
      maskDigits: traces?.maskDigits ?? false,
      onRecord: record => this.#ended(record),
    })
    // After the trace, which knows the call by then.
    const began = (id: string): void => {
      const record = this.#trace.record(id)
      if (record !== undefined) this.#journal?.append(options.redactor.value({ event: 'began', record }))
    }
    const subscriptions = [
      callChannel.subscribe(event => {
        if (event.kind === 'began' && event.endpoint === endpoint) began(event.call.id)
      }),
      streamChannel.subscribe(event => {
        if (event.kind === 'began' && event.endpoint === endpoint) began(event.call)
      }),
    ]
    this.#stop = () => {
      for (const unsubscribe of subscriptions) unsubscribe()
    }
  }

  /** Files and lines that could not be written. */
  get failedWrites(): number {
    return this.#failed + (this.#journal?.failed ?? 0)
  }

  close(): void {
    for (const id of this.#ladders.keys()) this.#writeLadder(id)
    this.#stop()
    this.#trace.close()
    this.#journal?.close()
  }

  #ended(full: CallRecord): void {
    const { traces, redactor, onRecord } = this.#options
    const record = redactor.value(full)
    this.#journal?.append({ event: 'ended', record })
    if (traces?.records === true)
      this.#write(`${record.id}.json`, `${JSON.stringify(record, undefined, 2)}\n`)
    if (traces !== undefined && traces.ladders !== false) {
      const { clock } = this.#endpoint
      const timer = clock.setTimer(clock.now() + lastMessagesMs, () => this.#writeLadder(record.id))
      this.#ladders.set(record.id, timer)
    }
    onRecord(record)
  }

  #writeLadder(id: string): void {
    this.#ladders.get(id)?.cancel()
    this.#ladders.delete(id)
    const ladder = this.#trace.ladder(id)
    if (ladder !== undefined) this.#write(`${id}.ladder.txt`, this.#options.redactor.text(ladder))
  }

  #write(name: string, text: string): void {
    const file = join(this.#options.traces!.folder, name)
    try {
      writeFileSync(file, text, { mode: 0o600 })
    } catch (error) {
      this.#failed += 1
      if (this.#failed === 1)
        this.#options.onFailure(
          `${file} cannot be written: ${(error as Error).message}; calls go on without such files`,
        )
    }
  }
}

/** @throws OptionError naming the field that asked for it */
export function makeFolder(field: string, folder: string): void {
  try {
    mkdirSync(folder, { recursive: true })
  } catch (cause) {
    throw new OptionError(field, `the folder ${folder} cannot be made: ${(cause as Error).message}`, {
      cause,
    })
  }
}
