/** Our side of a conformance run: the command as users start it, in a process of its own. */

import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const cli = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url))
const strangers = fileURLToPath(new URL('../torture-endpoint.js', import.meta.url))
const variedEndpoint = fileURLToPath(new URL('../endpoint.js', import.meta.url))

/** One JSON line of `--json`. */
export interface OffhookEvent {
  readonly event: string
  readonly [field: string]: unknown
}

export interface ProcessOptions {
  /** Packages for a script of Python's, which then it is. */
  readonly python?: string
  /** Variables besides those of this process. */
  readonly environment?: Readonly<Record<string, string>>
}

export class OffhookProcess {
  readonly events: OffhookEvent[] = []
  readonly exit: Promise<number | undefined>
  readonly #process: ChildProcess
  readonly #waiting = new Set<() => void>()
  #errors = ''
  #over = false

  constructor(script: string, args: readonly string[], { python, environment }: ProcessOptions = {}) {
    const child = spawn(python === undefined ? process.execPath : 'python3', [script, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...(python !== undefined && { PYTHONPATH: python }), ...environment },
    })
    this.#process = child
    child.stderr.setEncoding('utf8').on('data', (text: string) => (this.#errors += text))
    createInterface({ input: child.stdout }).on('line', line => {
      if (line.startsWith('{')) this.events.push(JSON.parse(line) as OffhookEvent)
      this.#wake()
    })
    this.exit = new Promise(resolve => {
      child.once('close', code => {
        this.#over = true
        resolve(code ?? undefined)
        this.#wake()
      })
    })
  }

  /** What it wrote to stderr. */
  get errors(): string {
    return this.#errors
  }

  /** Resolves with the first event that fits; rejects when the process ends or the time is up before one came. */
  async event(fits: (event: OffhookEvent) => boolean, withinMs = 10_000): Promise<OffhookEvent> {
    let late = false
    const timer = setTimeout(() => {
      late = true
      this.#wake()
    }, withinMs)
    try {
      for (;;) {
        const found = this.events.find(fits)
        if (found !== undefined) return found
        if (this.#over) throw new Error(`offhook ended before it said so\n${this.#errors}`)
        if (late)
          throw new Error(`offhook did not say so in ${withinMs} ms; it said ${JSON.stringify(this.events)}`)
        await new Promise<void>(resolve => this.#waiting.add(resolve))
      }
    } finally {
      clearTimeout(timer)
    }
  }

  /** Ctrl-C. */
  interrupt(): void {
    this.#process.kill('SIGINT')
  }

  /** `SIGHUP` and `SIGTERM`, as service managers send them. */
  signal(name: NodeJS.Signals): void {
    this.#process.kill(name)
  }

  /** Gone, without a word to anybody. */
  kill(): void {
    this.#process.kill('SIGKILL')
  }

  /** Ctrl-C, and SIGKILL when it is not gone in five seconds; resolves with the exit status. */
  async stop(): Promise<number | undefined> {
    this.interrupt()
    const timer = setTimeout(() => this.#process.kill('SIGKILL'), 5000)
    const code = await this.exit
    clearTimeout(timer)
    return code
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

export interface Answering {
  readonly process: OffhookProcess
  readonly port: number
}

/** `offhook answer` on one port of 127.0.0.1, UDP and TCP. */
export function startAnswer(port: number, args: readonly string[]): Promise<Answering> {
  return listening(new OffhookProcess(cli, ['answer', ...bothTransports(port), '--json', ...args]), port)
}

/** The endpoint that does as the dialled user says: `ring`, `busy`, `bye` … */
export function startVariedEndpoint(port: number): Promise<Answering> {
  return listening(new OffhookProcess(variedEndpoint, bothTransports(port)), port)
}

/** Endpoints that know nobody, one on each of the ports. */
export async function startStrangers(ports: readonly number[]): Promise<OffhookProcess> {
  const process = new OffhookProcess(strangers, ports.map(String))
  await process.event(({ event }) => event === 'listening')
  return process
}

/** `offhook answer` on that port, by TLS alone; the arguments say with which certificate. */
export function startTlsAnswer(port: number, args: readonly string[]): Promise<Answering> {
  const listen = ['--listen', `tls://127.0.0.1:${port}`]
  return listening(new OffhookProcess(cli, ['answer', ...listen, '--json', ...args]), port)
}

/** `offhook call`. */
export function startCall(uri: string, args: readonly string[]): OffhookProcess {
  return new OffhookProcess(cli, ['call', uri, ...args, '--json'])
}

/** `offhook serve`; resolves with the address of its health server, if any, once it takes calls. */
export async function startServe(
  file: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly process: OffhookProcess; readonly health: string }> {
  const process = new OffhookProcess(cli, ['serve', file, '--json'], { environment })
  // Agents may bring SDKs that take their time to load.
  const { health = '' } = await process.event(({ event }) => event === 'listening', 30_000)
  return { process, health: String(health) }
}

async function listening(process: OffhookProcess, port: number): Promise<Answering> {
  await process.event(({ event }) => event === 'listening')
  return { process, port }
}

function bothTransports(port: number): string[] {
  return ['--listen', `udp://127.0.0.1:${port}`, '--listen', `tcp://127.0.0.1:${port}`]
}
