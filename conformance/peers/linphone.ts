/** linphonec, the console of the Linphone softphone, with WAV files in place of a sound card; it answers by itself. */

import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { writeTone } from '../audio.ts'
import { freePort, freeUdpPort } from './ports.ts'
import { isInstalled } from './process.ts'
import type { Softphone, SoftphoneOptions } from './softphone.ts'

export function hasLinphone(): boolean {
  return isInstalled('linphonec', '-v')
}

export class Linphone implements Softphone {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>
  readonly #folder: string
  readonly #exit: Promise<void>
  #output = ''

  private constructor(folder: string) {
    this.#folder = folder
    this.#process = spawn('linphonec', ['-c', join(folder, 'linphonerc'), '-a'], {
      cwd: folder,
      env: {
        ...process.env,
        HOME: folder,
        XDG_CONFIG_HOME: join(folder, 'config'),
        XDG_DATA_HOME: join(folder, 'data'),
      },
      stdio: 'pipe',
    })
    this.#exit = new Promise(resolve => this.#process.once('close', () => resolve()))
    this.#process.stdin.on('error', () => {})
    for (const stream of [this.#process.stdout, this.#process.stderr])
      stream
        .setEncoding('utf8')
        .on('data', (text: string) => (this.#output = (this.#output + text).slice(-64_000)))
  }

  /** Resolves when it has been told to register. It is killed when its time is up. */
  static async start({
    folder,
    toneHz,
    user,
    password,
    registrar,
    timeoutMs,
  }: SoftphoneOptions): Promise<Linphone> {
    for (const name of ['config', 'data']) mkdirSync(join(folder, name, 'linphone'), { recursive: true })
    mkdirSync(join(folder, '.local', 'share', 'linphone'), { recursive: true })
    writeTone(join(folder, 'tone.wav'), toneHz, 30)
    writeFileSync(join(folder, 'linphonerc'), await configuration())
    const phone = new Linphone(folder)
    const timer = setTimeout(() => phone.#process.kill('SIGKILL'), timeoutMs)
    void phone.#exit.then(() => clearTimeout(timer))
    await phone.#says('linphonec>')
    phone.#say('soundcard use files')
    await phone.#says('instead of soundcard')
    phone.#say(`play ${join(folder, 'tone.wav')}`)
    phone.#say(`record ${join(folder, 'heard.wav')}`)
    const [, host = ''] = registrar.split('sip:')
    phone.#say(`register sip:${user}@${host} ${registrar} ${password}`)
    return phone
  }

  async call(uri: string): Promise<void> {
    this.#say(`call ${uri}`)
  }

  async hold(): Promise<void> {
    this.#say('pause')
  }

  async resume(): Promise<void> {
    this.#say('resume')
  }

  async transfer(uri: string): Promise<void> {
    this.#say(`transfer ${uri}`)
  }

  async transferToSecond(): Promise<void> {
    this.#say('transfer 1 --to-call 2')
  }

  async stop(): Promise<readonly string[]> {
    this.#say('quit')
    const late = setTimeout(() => this.#process.kill('SIGKILL'), 4000)
    await this.#exit
    clearTimeout(late)
    writeFileSync(join(this.#folder, 'output.log'), this.#output)
    return [join(this.#folder, 'heard.wav')]
  }

  #say(line: string): void {
    if (this.#process.exitCode === null) this.#process.stdin.write(`${line}\n`)
  }

  async #says(text: string, withinMs = 8000): Promise<void> {
    for (const start = performance.now(); !this.#output.includes(text);) {
      if (performance.now() - start > withinMs || this.#process.exitCode !== null)
        throw new Error(`linphonec did not say "${text}"\n${this.#output}`)
      await new Promise(resolve => setTimeout(resolve, 25))
    }
  }
}

async function configuration(): Promise<string> {
  return [
    '[sip]',
    `sip_port=${await freeUdpPort()}`,
    `sip_tcp_port=${await freePort()}`,
    'sip_tls_port=0',
    'use_ipv6=0',
    'bind_address=127.0.0.1',
    'register_only_when_network_is_up=0',
    '[rtp]',
    'bind_address=127.0.0.1',
    // Any that is free.
    'audio_rtp_port=-1',
    '[sound]',
    'remote_ring=',
    'local_ring=',
    '',
  ].join('\n')
}
