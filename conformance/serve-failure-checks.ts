/** Bots that fail behind `offhook serve`: what the caller hears, what the record says, and that nothing grows. */

import { join } from 'node:path'
import type { Check } from './check.ts'
import type { BotCall, BotPart } from './peers/media-streams-bot.ts'
import { freePort } from './peers/ports.ts'
import {
  expect,
  expectBetween,
  heardSeconds,
  onServe,
  pause,
  type ServeStage,
  twilioBot,
} from './serve-stage.ts'

const botHz = 1250
const otherHz = 1900

/** What goes wrong at the bot, and what the caller hears of it. */
interface Failure {
  readonly what: string
  /** Undefined: nobody listens there. */
  readonly part: BotPart | undefined
  readonly options?: object
  /** How long the caller listens, milliseconds, and for how many seconds it hears the bot and the other one at least. */
  readonly listenMs: number
  readonly bot?: number
  readonly other?: number
  /** Of the record: who ended the bot, and in what words. */
  readonly end: 'engine' | 'call' | 'failed'
  readonly says?: RegExp
  readonly counter?: readonly [name: string, atLeast: number]
}

const failures: Readonly<Record<string, Failure>> = {
  dead: {
    what: 'a dead bot: the other one takes over',
    part: undefined,
    options: { fallback: 'other' },
    listenMs: 2000,
    other: 1,
    end: 'failed',
    says: /cannot be reached/,
  },
  silent: {
    what: 'a bot that connects and says nothing: the other one takes over',
    part: () => {},
    options: { fallback: 'other', firstAudioTimeoutMs: 1000 },
    listenMs: 3000,
    other: 1,
    end: 'failed',
  },
  floods: {
    what: 'a bot that sends 20 times real time: heard, and bounded',
    part: floods,
    options: { maxBufferedMs: 5000 },
    listenMs: 5000,
    bot: 3.5,
    end: 'call',
    counter: ['droppedMs', 30_000],
  },
  halves: {
    what: 'a bot that sends half frames: one sound',
    part: call => call.say(botHz, 10, 80),
    listenMs: 3000,
    bot: 2.3,
    end: 'call',
  },
  closes: {
    what: 'a bot that closes in mid-word: the other one takes over',
    part: call => void closesInMidWord(call, () => call.close()),
    options: { onEngineEnd: 'other' },
    listenMs: 3500,
    bot: 1,
    other: 1,
    end: 'engine',
  },
  breaks: {
    what: 'a bot that is killed in mid-word: the other one takes over',
    part: call => void closesInMidWord(call, () => call.kill()),
    options: { fallback: 'other' },
    listenMs: 3500,
    bot: 1,
    other: 1,
    end: 'failed',
  },
}

export function serveFailureChecks(logs: string): readonly Check[] {
  return Object.entries(failures).map(([key, failure]) => {
    const name = `serve-${key}`
    return {
      name,
      rfc: 'RFC 6455 7',
      what: failure.what,
      how: 'baresip calls, offhook serve, a ws bot for Media Streams',
      run: () => onServe(join(logs, name), stage => fails(stage, failure)),
    }
  })
}

/** A second of sound every 50 ms, as long as the call lasts. */
function floods(call: BotCall): void {
  const timer = setInterval(() => {
    if (call.closed === undefined) call.say(botHz, 1, 4000)
    else clearInterval(timer)
  }, 50)
}

async function closesInMidWord(call: BotCall, close: () => void): Promise<void> {
  call.say(botHz, 10)
  await pause(1600)
  close()
}

async function fails(stage: ServeStage, failure: Failure): Promise<void> {
  const { part, options, listenMs, end, says, counter } = failure
  const bot = part && (await stage.bot(part))
  const other = await stage.bot(call => call.say(otherHz, 30))
  const url = bot?.url ?? `ws://127.0.0.1:${await freePort()}/`
  await stage.serve({ bot: twilioBot(url, options), other: twilioBot(other.url) })
  const phone = await stage.phone('caller')
  await pause(listenMs / 2)
  const before = await stage.residentBytes()
  await pause(listenMs / 2)
  const grownMiB = ((await stage.residentBytes()) - before) / 2 ** 20
  await phone.stop()
  const { engines = [] } = await stage.record()
  expect('The record says that the bot was ended by', engines[0]?.end, end)
  if (says !== undefined && !says.test(engines[0]?.detail ?? ''))
    throw new Error(`The record says: ${engines[0]?.detail ?? 'nothing'}`)
  const [name = '', least = 0] = counter ?? []
  if (counter !== undefined) expectBetween(name, engines[0]?.counters?.[name] ?? 0, least)
  expectBetween('Seconds of the bot', heardSeconds(phone, botHz), failure.bot ?? 0)
  expectBetween('Seconds of the other', heardSeconds(phone, otherHz), failure.other ?? 0)
  expectBetween('MiB of memory it grew by', grownMiB, -Infinity, 40)
}
