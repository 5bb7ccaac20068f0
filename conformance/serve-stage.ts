/** `offhook serve` in a process of its own, with a configuration that may change, and phones that call it. */

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { repositoryRoot } from '../test/support/repository.ts'
import type { CallRecord } from '../src/trace/index.ts'
import { findTone, readWav } from './audio.ts'
import { Baresip } from './peers/baresip.ts'
import { type BotCall, type BotPart, MediaStreamsBot } from './peers/media-streams-bot.ts'
import { type OffhookEvent, type OffhookProcess, startServe } from './peers/offhook.ts'
import { freePort, freeUdpPort } from './peers/ports.ts'
import { RealtimeModel } from './peers/realtime-model.ts'
import { type SippRun, startSipp } from './peers/sipp.ts'
import { within } from './within.ts'

export const callerHz = 1000
/** Written nowhere but into the file that the configuration names. */
export const authToken = 'f3c1d9e07b5a42d8a6e1'

export type Agents = Readonly<Record<string, object>>

export class ServeStage {
  readonly folder: string
  readonly port: number
  readonly #stops: (() => Promise<unknown>)[] = []
  #process: OffhookProcess | undefined
  #health = ''

  constructor(folder: string, port: number) {
    this.folder = folder
    this.port = port
  }

  get process(): OffhookProcess {
    if (this.#process === undefined) throw new Error('It was not started')
    return this.#process
  }

  /** The first agent gets all calls, unless there are `routes`. */
  write(agents: Agents, more: Readonly<Record<string, unknown>> = {}): void {
    const config = {
      endpoint: { listen: [`udp://127.0.0.1:${this.port}`], admit: 'everybody' },
      agents,
      routes: [{ to: { agent: Object.keys(agents)[0] } }],
      health: { port: 0 },
      traces: { folder: 'traces', records: true },
      ...more,
    }
    writeFileSync(join(this.folder, 'serve.yaml'), stringify(config))
  }

  /** @param environment variables for modules of agents */
  async serve(
    agents: Agents,
    more: Readonly<Record<string, unknown>> = {},
    environment: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    writeFileSync(join(this.folder, 'token'), `${authToken}\n`)
    this.write(agents, more)
    const { process, health } = await startServe(join(this.folder, 'serve.yaml'), environment)
    this.#process = process
    this.#health = health
  }

  /** To be done as everything ends. */
  finally(stop: () => Promise<unknown>): void {
    this.#stops.push(stop)
  }

  /** A model for bots that have none of their own. */
  async model(): Promise<RealtimeModel> {
    const model = await RealtimeModel.start()
    this.#stops.push(() => model.stop())
    return model
  }

  /** A bot for Media Streams that accepts only what is signed. */
  async bot(part: BotPart): Promise<MediaStreamsBot> {
    const bot = await MediaStreamsBot.start(part, authToken)
    this.#stops.push(() => bot.stop())
    return bot
  }

  /** It calls, and says its tone. */
  async phone(name: string, dialled = 'bot'): Promise<Baresip> {
    const phone = await Baresip.start({
      folder: join(this.folder, name),
      toneHz: callerHz,
      codec: 'PCMU',
      dial: `sip:${dialled}@127.0.0.1:${this.port}`,
      controlPort: await freePort(),
      timeoutMs: 40_000,
    })
    this.#stops.push(() => phone.stop())
    await phone.says('Call established')
    return phone
  }

  /**
   * SIPp calls, by a scenario of conformance/sipp.
   *
   * @param echo it gives back what it hears, so that bots hear themselves as the phone did
   * @param talkMs how long the call is up, in place of the 300 ms of the scenario
   */
  async sipp(
    scenario: string,
    { echo = false, talkMs }: { readonly echo?: boolean; readonly talkMs?: number } = {},
  ): Promise<SippRun> {
    const written = join(repositoryRoot, 'conformance', 'sipp', `${scenario}.xml`)
    const file = join(this.folder, `${scenario}.xml`)
    const text = readFileSync(written, 'utf8')
    writeFileSync(file, text.replace('milliseconds="300"', `milliseconds="${talkMs ?? 300}"`))
    return startSipp({
      scenario: { file },
      transport: 'udp',
      target: { port: this.port, user: 'bot' },
      folder: join(this.folder, 'sipp'),
      args: echo ? ['-rtp_echo', '-mp', String(await freeUdpPort())] : [],
    })
  }

  /** Another that waits to be called. */
  async desk(toneHz: number, user = 'desk'): Promise<Baresip> {
    const folder = join(this.folder, 'desk')
    const phone = await Baresip.start({ folder, user, toneHz, codec: 'PCMU', timeoutMs: 40_000 })
    this.#stops.push(() => phone.stop())
    return phone
  }

  /** The record of the inbound call that was the so-manieth to end. */
  async record(number = 0): Promise<CallRecord> {
    const { process } = this
    await process.event(() => process.events.filter(isEnd).length > number)
    return process.events.filter(isEnd)[number] as unknown as CallRecord
  }

  async page(path: string): Promise<{ readonly status: number; readonly text: string }> {
    const response = await fetch(`${this.#health}${path}`)
    return { status: response.status, text: await response.text() }
  }

  /** What it holds of the machine's memory, by its own metrics. */
  async residentBytes(): Promise<number> {
    const { text } = await this.page('/metrics')
    return Number(/^process_resident_memory_bytes (\S+)$/m.exec(text)?.[1])
  }

  /** Everything ends; what was printed or written has no secret in it. */
  async end(): Promise<void> {
    for (const stop of this.#stops.toReversed()) await stop()
    if (this.#process === undefined) return
    await this.#process.stop()
    const { events, errors } = this.#process
    const said = `${JSON.stringify(events)}${errors}${filesIn(join(this.folder, 'traces'))}`
    if (said.includes(authToken)) throw new Error('The token of the bot was printed or written')
  }
}

/** Plays it in a folder of its own. */
export async function onServe(folder: string, play: (stage: ServeStage) => Promise<void>): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const stage = new ServeStage(folder, await freePort())
  try {
    await within(40_000, play(stage), 'played to the end')
  } finally {
    await stage.end()
  }
}

/** The configuration of a bot for Media Streams. */
export function twilioBot(url: string, more: object = {}): object {
  // eslint-disable-next-line no-template-curly-in-string
  return { url, dialect: 'twilio', authToken: '${file:token}', ...more }
}

/** Seconds of a tone that a phone heard in all. */
export function heardSeconds(phone: Baresip, hz: number): number {
  return phone.heard().reduce((sum, file) => sum + findTone(readWav(file), 0, hz).seconds, 0)
}

/** Seconds of a tone that the bot heard. */
export function botHeardSeconds(call: BotCall, hz: number): number {
  return findTone({ sampleRate: 8000, channels: [call.heard] }, 0, hz).seconds
}

export function expect(what: string, found: unknown, wanted: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)]
  if (a !== b) throw new Error(`${what}: ${a}, not ${b}`)
}

export function expectBetween(what: string, value: number, least: number, most: number = Infinity): void {
  if (!(value >= least && value <= most))
    throw new Error(
      `${what}: ${value.toFixed(2)}, not ${least}${most === Infinity ? ' or more' : ` to ${most}`}`,
    )
}

export function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

function isEnd({ event, direction }: OffhookEvent): boolean {
  return event === 'ended' && direction === 'inbound'
}

function filesIn(folder: string): string {
  return readdirSync(folder)
    .map(name => readFileSync(join(folder, name), 'utf8'))
    .join('\n')
}
