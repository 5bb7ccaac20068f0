/** stunnel, which puts TLS before programs that have none: Debian's SIPp, for one. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort, untilTaken } from './ports.ts'
import { isInstalled } from './process.ts'

export interface StunnelOptions {
  /** `client`: takes TCP and connects by TLS. `server`: takes TLS and connects by TCP. */
  readonly role: 'client' | 'server'
  /** The port of 127.0.0.1 that it connects to. */
  readonly to: number
  /** Further lines of its configuration: `cert = FILE` and so on. */
  readonly lines: readonly string[]
}

export interface Stunnel {
  /** The port of 127.0.0.1 that it listens on. */
  readonly port: number
  stop(): Promise<void>
}

export function hasStunnel(): boolean {
  return isInstalled('stunnel4', '-version')
}

/** Resolves when it listens. */
export async function startStunnel({ role, to, lines }: StunnelOptions): Promise<Stunnel> {
  const folder = mkdtempSync(join(tmpdir(), 'offhook-stunnel-'))
  const port = await freePort()
  const file = join(folder, 'stunnel.conf')
  const config = [
    'foreground = yes',
    'pid =',
    'debug = 4',
    'syslog = no',
    `output = ${join(folder, 'stunnel.log')}`,
    '[sip]',
    `client = ${role === 'client' ? 'yes' : 'no'}`,
    `accept = 127.0.0.1:${port}`,
    `connect = 127.0.0.1:${to}`,
    'sslVersionMin = TLSv1.2',
    ...lines,
  ]
  writeFileSync(file, `${config.join('\n')}\n`)
  const child = spawn('stunnel4', [file], { stdio: 'ignore' })
  const ended = new Promise<void>(resolve => child.once('close', () => resolve()))
  const stop = async (): Promise<void> => {
    await end(child, ended)
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    await untilTaken('tcp', port)
  } catch (error) {
    await stop()
    throw error
  }
  return { port, stop }
}

async function end(child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000)
  await ended
  clearTimeout(timer)
}
