import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { plainCommand } from '../support/plain-command.ts'

/** An example as its reader starts it: a process of its own, in a folder of its own. */
export class Program {
  readonly ended: Promise<number | null>
  readonly #process: ChildProcess
  readonly #listeners = new Set<() => void>()
  #output = ''

  constructor(
    name: string,
    cwd: string,
    env: Readonly<Record<string, string>> = {},
    args: readonly string[] = [],
  ) {
    const script = fileURLToPath(new URL(`../../${name}.js`, import.meta.url))
    this.#process = spawn(...plainCommand(process.execPath, [script, ...args]), {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const stream of [this.#process.stdout, this.#process.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text
        this.#wake()
      })
    }
    this.ended = new Promise(resolve => this.#process.once('close', resolve))
    void this.ended.then(() => this.#wake())
  }

  get output(): string {
    return this.#output
  }

  /** Resolves with the first match in what it prints; rejects when it ends without one. */
  async prints(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.#output)
      if (match !== null) return match
      if (this.#process.exitCode !== null)
        throw new Error(`It ended without ${String(pattern)}:\n${this.#output}`)
      await new Promise<void>(resolve => this.#listeners.add(resolve))
    }
  }

  signal(name: NodeJS.Signals): void {
    this.#process.kill(name)
  }

  /** Ctrl-C; resolves with the exit status. */
  interrupt(): Promise<number | null> {
    this.#process.kill('SIGINT')
    return this.ended
  }

  #wake(): void {
    for (const resolve of this.#listeners) resolve()
    this.#listeners.clear()
  }
}
