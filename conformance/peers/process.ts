import { spawn, spawnSync } from 'node:child_process'

export interface Ended {
  /** Exit status; undefined when a signal ended it. */
  readonly code: number | undefined
  /** It ran too long and was killed. */
  readonly timedOut: boolean
  /** The end of what it printed, both streams. */
  readonly output: string
}

export interface RunOptions {
  readonly cwd: string
  readonly timeoutMs: number
  readonly env?: Readonly<Record<string, string>>
}

/** Runs a program to its end, or kills it when its time is up; never rejects for what it does. */
export function runToEnd(command: string, args: readonly string[], options: RunOptions): Promise<Ended> {
  const child = spawn(command, args, {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output = (output + text).slice(-8000)))
  }
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    child.kill('SIGKILL')
  }, options.timeoutMs)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', code => {
      clearTimeout(timer)
      resolve({ code: code ?? undefined, timedOut, output })
    })
  })
}

/** Whether such a program can be started. */
export function isInstalled(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore', timeout: 5000 }).error === undefined
}
