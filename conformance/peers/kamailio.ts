/** Kamailio, with a configuration of ours, its files in a folder of the run. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repositoryRoot } from '../../test/support/repository.ts'
import { freePort, untilTaken } from './ports.ts'
import { isInstalled } from './process.ts'

export function hasKamailio(): boolean {
  return isInstalled('kamailio', '-v')
}

export interface KamailioOptions {
  /** A file of `conformance/kamailio`. */
  readonly config: string
  /** Words of the configuration that are filled in; `PORT` is. */
  readonly words?: Readonly<Record<string, string>>
  /** What the configuration has it listen on. Default UDP and TCP; TLS counts as TCP. */
  readonly listens?: readonly ('udp' | 'tcp')[]
  /** Default: a free one. */
  readonly port?: number
  /** Where its configuration and log go. */
  readonly folder: string
  /** Memory its workers share. Default 64. */
  readonly sharedMegabytes?: number
  readonly timeoutMs: number
}

export class Kamailio {
  readonly port: number
  /** Of the main process; its workers are its children. */
  readonly pid: number
  readonly #process: ChildProcess
  readonly #exit: Promise<void>
  readonly #log: string
  #output = ''

  private constructor(child: ChildProcess, port: number, log: string, runtime: string) {
    this.#process = child
    this.pid = child.pid ?? 0
    this.port = port
    this.#log = log
    this.#exit = new Promise(resolve => {
      child.once('close', () => {
        rmSync(runtime, { recursive: true, force: true })
        resolve()
      })
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream
        ?.setEncoding('utf8')
        .on('data', (text: string) => (this.#output = (this.#output + text).slice(-64_000)))
    }
  }

  /** Resolves when it listens. It is ended when its time is up. */
  static async start({
    config,
    words,
    folder,
    timeoutMs,
    listens = ['udp', 'tcp'],
    ...options
  }: KamailioOptions): Promise<Kamailio> {
    mkdirSync(folder, { recursive: true })
    const port = options.port ?? (await freePort())
    let text = readFileSync(join(repositoryRoot, 'conformance', 'kamailio', config), 'utf8')
    for (const [word, value] of Object.entries({ ...words, PORT: String(port) })) {
      text = text.replaceAll(new RegExp(`\\b${word}\\b`, 'g'), value)
    }
    const file = join(folder, config)
    writeFileSync(file, text)
    // Its control files have paths that must be short, and no place in a log folder.
    const runtime = mkdtempSync(join(tmpdir(), 'offhook-kamailio-'))
    const child = spawn(
      'kamailio',
      [
        '-DD',
        '-E',
        '-f',
        file,
        '-Y',
        runtime,
        '-w',
        runtime,
        '-m',
        String(options.sharedMegabytes ?? 64),
        '-M',
        '8',
      ],
      {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    const kamailio = new Kamailio(child, port, join(folder, 'kamailio.log'), runtime)
    const timer = setTimeout(() => void kamailio.stop(), timeoutMs)
    void kamailio.#exit.then(() => clearTimeout(timer))
    try {
      const gone = kamailio.#exit.then(() => {
        throw new Error(`Kamailio ended before it listened\n${kamailio.#output}`)
      })
      gone.catch(() => {})
      await Promise.race([Promise.all(listens.map(transport => untilTaken(transport, port))), gone])
    } catch (error) {
      await kamailio.stop()
      throw error
    }
    return kamailio
  }

  /** Ends it and its workers. */
  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGTERM')
      const late = setTimeout(() => this.#process.kill('SIGKILL'), 5000)
      await this.#exit
      clearTimeout(late)
    }
    writeFileSync(this.#log, this.#output)
  }
}
