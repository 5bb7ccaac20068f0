import { Buffer } from 'node:buffer'
import { closeSync, fstatSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { OptionError } from '../runtime/errors.ts'

/**
 * An append-only file of JSON lines. Each line is handed to the system in one write before `append` returns,
 * so a process that dies (even by SIGKILL) loses nothing it had appended; a line cut short by a full disk or a
 * power failure is closed off by the next writer and skipped by the reader.
 */
export class Journal {
  readonly file: string
  #descriptor: number | undefined
  #failed = 0

  /** @throws OptionError when the file cannot be opened for appending */
  constructor(file: string) {
    this.file = file
    try {
      this.#descriptor = openSync(file, 'a+', 0o600)
      if (endsInsideLine(this.#descriptor)) writeSync(this.#descriptor, '\n')
    } catch (cause) {
      throw new OptionError(
        'journal',
        `${file} cannot be appended to; give a file in a folder that exists and may be written`,
        { cause },
      )
    }
  }

  /** Lines that could not be written (disk full, for example). A call never fails because its record does. */
  get failed(): number {
    return this.#failed
  }

  append(value: object): void {
    if (this.#descriptor === undefined) return
    try {
      writeSync(this.#descriptor, `${JSON.stringify(value)}\n`)
    } catch {
      this.#failed += 1
    }
  }

  close(): void {
    if (this.#descriptor !== undefined) closeSync(this.#descriptor)
    this.#descriptor = undefined
  }
}

export interface JournalContents {
  readonly lines: readonly unknown[]
  /** Lines that are not whole JSON values: at most the one a crash of the machine cut short. */
  readonly damaged: number
}

/** Reads a journal back, also while another process appends to it. */
export function readJournal(file: string): JournalContents {
  const lines: unknown[] = []
  let damaged = 0
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    if (line === '') continue
    try {
      lines.push(JSON.parse(line))
    } catch {
      damaged += 1
    }
  }
  return { lines, damaged }
}

function endsInsideLine(descriptor: number): boolean {
  const { size } = fstatSync(descriptor)
  if (size === 0) return false
  const last = Buffer.alloc(1)
  readSync(descriptor, last, 0, 1, size - 1)
  return last[0] !== 0x0a
}
