import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { SipError } from '../runtime/errors.ts'

export interface AgentProcess {
  /** Where it listens, `udp://127.0.0.1:PORT`. */
  readonly listen: string
  /** The digits it heard so far, in order. */
  digits(): string
  stop(): Promise<void>
}

/** `offhook answer --agent menu` in a process of its own, on a free port of the loopback address. */
export async function startAgentProcess(folder: string): Promise<AgentProcess> {
  const main = fileURLToPath(new URL('./main.js', import.meta.url))
  const args = [
    main,
    'answer',
    '--listen',
    'udp://127.0.0.1:0',
    '--agent',
    'menu',
    '--trace',
    `${folder}/agent`,
    '--json',
  ]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = new Promise<void>(resolve => child.once('exit', () => resolve()))
  // Nothing that ends this process may leave that one behind.
  const orphaned = (): void => void child.kill()
  process.once('exit', orphaned)
  void exited.then(() => process.off('exit', orphaned))
  let digits = ''
  const listen = await new Promise<string>((resolve, reject) => {
    child.once('error', reject)
    void exited.then(() =>
      reject(new SipError('SIP_STATE', 'the agent process ended before it listened; its message is above')),
    )
    createInterface({ input: child.stdout }).on('line', line => {
      const report = reportOf(line)
      if (report?.event === 'listening' && report.listen?.[0] !== undefined) resolve(report.listen[0])
      if (report?.event === 'dtmf') digits += report.digit ?? ''
    })
  })
  return {
    listen,
    digits: () => digits,
    async stop() {
      child.kill('SIGINT')
      await exited
    },
  }
}

interface Report {
  readonly event: string
  readonly listen?: readonly string[]
  readonly digit?: string
}

/** Undefined for a line that is no report. */
function reportOf(line: string): Report | undefined {
  try {
    return JSON.parse(line) as Report
  } catch {
    return undefined
  }
}
