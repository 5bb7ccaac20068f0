/**
 * A process whose CPU time is measured from outside it: it says when it is ready and answers what it has used.
 * The child's half is `beMeasured`, the parent's half `MeasuredChild`.
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { collectGarbage } from '../harness.ts'

export interface Usage {
  /** User and system time since the process started. */
  readonly cpuMicros: number
  /** After a collection, when the child runs with `--expose-gc`, as `MeasuredChild` starts it. */
  readonly heapBytes: number
  readonly residentBytes: number
  /** Whatever else the child counts. */
  readonly counts: Readonly<Record<string, number>>
}

type FromChild = { readonly ready: readonly number[] } | { readonly usage: Usage }

/** What the parent asks: whether to collect garbage first, so that the memory figures mean what is kept. */
interface Question {
  readonly collect: boolean
}

/**
 * Called by the child: announces the ports it listens on, answers questions, ends when the parent does. `onCollected` begins a
 * new round: what was counted has just been told.
 */
export function beMeasured(
  ports: readonly number[],
  counts: () => Readonly<Record<string, number>> = () => ({}),
  onCollected: () => void = () => {},
): void {
  process.on('message', ({ collect }: Question) => {
    if (collect) collectGarbage()
    const { user, system } = process.cpuUsage()
    const { heapUsed, external, rss } = process.memoryUsage()
    tellParent({
      usage: {
        cpuMicros: user + system,
        heapBytes: heapUsed + external,
        residentBytes: rss,
        counts: counts(),
      },
    })
    if (collect) onCollected()
  })
  process.on('disconnect', () => process.exit())
  tellParent({ ready: ports })
}

function tellParent(message: FromChild): void {
  process.send?.(message)
}

export class MeasuredChild {
  readonly ports: readonly number[]
  readonly #process: ChildProcess

  private constructor(child: ChildProcess, ports: readonly number[]) {
    this.#process = child
    this.ports = ports
  }

  /** Starts a module and resolves when it listens; rejects when it ends before that or takes over 10 s. */
  static async start(module: URL, args: readonly string[] = []): Promise<MeasuredChild> {
    const child = fork(module, args, {
      execArgv: ['--expose-gc'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const failed = once(child, 'exit').then(([code]) => {
      throw new Error(`${module.pathname} ended with ${String(code)} before it was ready`)
    })
    const ready = once(child, 'message', { signal: AbortSignal.timeout(10_000) })
    const [message] = (await Promise.race([ready, failed])) as [FromChild]
    failed.catch(() => {})
    if (!('ready' in message)) throw new Error(`${module.pathname} did not say that it is ready`)
    return new MeasuredChild(child, message.ready)
  }

  async usage({ collect }: Question = { collect: false }): Promise<Usage> {
    const answer = once(this.#process, 'message', { signal: AbortSignal.timeout(10_000) })
    this.#process.send({ collect })
    const [message] = (await answer) as [FromChild]
    if (!('usage' in message)) throw new Error('The measured process did not answer with its usage')
    return message.usage
  }

  /** The CPU time that the child used while `work` ran; it starts with its garbage collected. */
  async during(work: () => Promise<void>): Promise<number> {
    await this.usage({ collect: true })
    const before = await this.usage()
    await work()
    const after = await this.usage()
    return after.cpuMicros - before.cpuMicros
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const ended = once(this.#process, 'exit')
    // The child ends itself, and so may tidy up; one that cannot is not waited for.
    this.#process.disconnect()
    const late = setTimeout(() => this.#process.kill('SIGKILL'), 2000)
    await ended
    clearTimeout(late)
  }
}
