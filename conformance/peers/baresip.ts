/** baresip, a softphone: sends a tone from its own generator and writes down what it hears. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { freePort } from './ports.ts'
import { isInstalled } from './process.ts'

/** Where Debian's package for this machine puts the modules. */
const moduleFolders = ['/usr/lib/baresip/modules', '/usr/local/lib/baresip/modules']

export function hasBaresip(): boolean {
  return isInstalled('baresip', '-h') && moduleFolders.some(existsSync)
}

export interface BaresipOptions {
  /** Its configuration, its logs and what it hears go here. */
  readonly folder: string
  readonly toneHz: number
  /** As it names them: `PCMU`, `opus`, `L16/16000/1`. */
  readonly codec: string
  /** Whom to call; absent: it waits, and answers by itself. */
  readonly dial?: string
  /** Where it takes commands. */
  readonly controlPort?: number
  /** Whom it answers for; default `baresip`. */
  readonly user?: string
  /** Registers there, on 127.0.0.1; absent: nowhere. */
  readonly registrarPort?: number
  /** Wants RTCP on the port of RTP; default false. */
  readonly rtcpMux?: boolean
  /** SRTP by SDES: `srtp` would like it (keys in RTP/AVP), `srtp-mand` demands it (RTP/SAVP). Default none. */
  readonly mediaEncryption?: 'srtp' | 'srtp-mand'
  readonly timeoutMs: number
}

export class Baresip {
  readonly uri: string
  readonly #process: ChildProcess
  readonly #folder: string
  readonly #exit: Promise<void>
  readonly #controlPort: number | undefined
  #output = ''

  private constructor(child: ChildProcess, uri: string, { folder, controlPort }: BaresipOptions) {
    this.#process = child
    this.uri = uri
    this.#folder = folder
    this.#controlPort = controlPort
    this.#exit = new Promise(resolve => child.once('close', () => resolve()))
    for (const stream of [child.stdout, child.stderr]) {
      stream
        ?.setEncoding('utf8')
        .on('data', (text: string) => (this.#output = (this.#output + text).slice(-16_000)))
    }
  }

  /** Resolves when it is ready, or has begun to dial. It is killed when its time is up. */
  static async start(options: BaresipOptions): Promise<Baresip> {
    for (let left = 3; ; left -= 1) {
      try {
        return await Baresip.#begin(options)
      } catch (error) {
        // It takes the port after its own for TLS, which something else may have by then.
        if (left === 0 || !String(error).includes('Address already in use')) throw error
      }
    }
  }

  static async #begin(options: BaresipOptions): Promise<Baresip> {
    const { folder, dial, user = 'baresip' } = options
    const port = await freePort()
    mkdirSync(join(folder, 'heard'), { recursive: true })
    writeFileSync(join(folder, 'config'), configOf(options, port))
    writeFileSync(
      join(folder, 'accounts'),
      `<sip:${user}@127.0.0.1:${options.registrarPort ?? port}>;regint=${options.registrarPort === undefined ? 0 : 60};auth_pass=wonderland;answermode=auto;audio_codecs=${options.codec}${options.mediaEncryption === undefined ? '' : `;mediaenc=${options.mediaEncryption}`}\n`,
    )
    const child = spawn(
      'baresip',
      ['-f', folder, '-n', '127.0.0.1', ...(dial === undefined ? [] : ['-e', `/dial ${dial}`])],
      { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const baresip = new Baresip(child, `sip:${user}@127.0.0.1:${port}`, options)
    const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs)
    void baresip.#exit.then(() => clearTimeout(timer))
    await baresip.says('baresip is ready')
    return baresip
  }

  /** Resolves when it has printed that. */
  async says(text: string, withinMs = 8000): Promise<void> {
    for (const start = performance.now(); !this.#output.includes(text);) {
      if (performance.now() - start > withinMs || this.#process.exitCode !== null) {
        throw new Error(`baresip did not say "${text}"\n${this.#output}`)
      }
      await new Promise(resolve => setTimeout(resolve, 50))
    }
  }

  /** A command of its console, by the control port, which takes JSON as netstrings. */
  async command(name: string, params = ''): Promise<void> {
    if (this.#controlPort === undefined) throw new Error('baresip was started without a control port')
    const text = JSON.stringify({ command: name, params, token: '1' })
    const socket = connect(this.#controlPort, '127.0.0.1')
    await once(socket, 'connect')
    socket.write(`${Buffer.byteLength(text)}:${text},`)
    await Promise.race([once(socket, 'data'), new Promise(resolve => setTimeout(resolve, 1000))])
    socket.destroy()
  }

  /** It hangs up and ends. */
  async stop(): Promise<void> {
    this.#process.kill('SIGINT')
    await this.#exit
    writeFileSync(join(this.#folder, 'output.log'), this.#output)
  }

  /** A WAV file for each time its audio was started. */
  heard(): readonly string[] {
    const folder = join(this.#folder, 'heard')
    return readdirSync(folder)
      .filter(file => file.endsWith('-dec.wav'))
      .map(file => join(folder, file))
  }

  /** The WAV files with what it sent and what it heard. */
  audio(): { readonly sent: string; readonly heard: string } {
    const folder = join(this.#folder, 'heard')
    const find = (ending: string): string => {
      const name = readdirSync(folder).find(file => file.endsWith(ending))
      if (name === undefined) throw new Error(`baresip wrote no ${ending}`)
      return join(folder, name)
    }
    return { sent: find('-enc.wav'), heard: find('-dec.wav') }
  }
}

function configOf({ folder, toneHz, controlPort, rtcpMux }: BaresipOptions, port: number): string {
  const modules = moduleFolders.find(existsSync) ?? ''
  return [
    `sip_listen 127.0.0.1:${port}`,
    // The generator gives two channels at 48 kHz and nothing else; baresip resamples it.
    `audio_source ausine,${toneHz}`,
    'ausrc_srate 48000',
    'ausrc_channels 2',
    // A bridge without a far end: a player that needs no sound card.
    'audio_player aubridge,nil',
    'audio_alert aubridge,nil',
    'auplay_channels 1',
    `snd_path ${join(folder, 'heard')}`,
    `module_path ${modules}`,
    ...['g711', 'g722', 'l16', 'opus', 'ausine', 'aubridge', 'sndfile', 'srtp'].map(
      name => `module ${name}.so`,
    ),
    `rtcp_mux ${rtcpMux === true ? 'yes' : 'no'}`,
    'module_tmp account.so',
    'module_app menu.so',
    ...(controlPort === undefined
      ? []
      : ['module_app ctrl_tcp.so', `ctrl_tcp_listen 127.0.0.1:${controlPort}`]),
    '',
  ].join('\n')
}
