/** Phones call a bot through `offhook serve`: a plain `ws` server in Twilio's dialect; reload and drain. */

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'
import { findTone } from './audio.ts'
import type { Check } from './check.ts'
import type { BotCall, StreamMessage } from './peers/media-streams-bot.ts'
import { modelHz } from './peers/realtime-model.ts'
import {
  authToken,
  botHeardSeconds,
  callerHz,
  expect,
  expectBetween,
  heardSeconds,
  onServe,
  pause,
  type ServeStage,
  twilioBot,
} from './serve-stage.ts'

const botHz = 1250
const goodbyeHz = 1600
const otherHz = 1900
/** The phone's own buffers, and the pieces in which a tone is measured. */
const toleranceSeconds = 0.4

type Play = (stage: ServeStage) => Promise<void>
type Plays = Readonly<Record<string, Pick<Check, 'rfc' | 'what' | 'how'> & { readonly play: Play }>>

const plays: Plays = {
  sipp: {
    rfc: 'RFC 3264 5.1',
    what: 'a bot is heard and hears; keys; marks in order; barge-in; the bot hangs up',
    how: 'SIPp calls, offhook serve, a ws bot for Media Streams',
    play: sippCalls,
  },
  baresip: {
    rfc: 'RFC 4733 2.5',
    what: 'a bot is heard and hears; keys; marks in order; barge-in; the caller hangs up',
    how: 'baresip calls, offhook serve, a ws bot for Media Streams',
    play: baresipCalls,
  },
  'sipp-hangs-up': {
    rfc: 'RFC 3261 15.1.1',
    what: 'the caller hangs up: the bot gets stop, and the connection is closed',
    how: 'SIPp calls, offhook serve, a ws bot for Media Streams',
    play: sippHangsUp,
  },
  'bot-hangs-up': {
    rfc: 'RFC 3261 15.1.1',
    what: 'the bot closes when its goodbye has been heard',
    how: 'baresip calls, offhook serve, a ws bot for Media Streams',
    play: botHangsUp,
  },
  transfer: {
    rfc: 'RFC 3515 2.4.2',
    what: 'the bot transfers, the desk hears the caller',
    how: 'baresip calls, offhook serve, a ws bot',
    play: transfers,
  },
  openai: {
    rfc: 'RFC 3551 4.5.14',
    what: 'a model is heard and hears, PCMU all the way; the caller hangs up, which ends the session',
    how: 'baresip calls, offhook serve, a stand-in for OpenAI Realtime',
    play: openAiModel,
  },
  reload: {
    rfc: 'RFC 3261 13.3.1',
    what: 'another configuration under a running call; a bad one is refused',
    how: 'baresip calls twice, offhook serve, SIGHUP',
    play: reloads,
  },
  drain: {
    rfc: 'RFC 3261 21.5.4',
    what: 'not ready, 503 with Retry-After, the running call goes on to its end',
    how: 'baresip and SIPp call, offhook serve, SIGTERM',
    play: drains,
  },
}

export function serveChecks(logs: string): readonly Check[] {
  return Object.entries(plays).map(([key, { rfc, what, how, play }]) => {
    const name = `serve-${key}`
    return { name, rfc, what, how, run: () => onServe(join(logs, name), play) }
  })
}

/** Speaks with marks between, is cut off by the key 1, says goodbye, and closes at `#`. */
async function converse(call: BotCall): Promise<void> {
  call.say(botHz, 0.25)
  call.mark('first')
  call.say(botHz, 0.25)
  call.mark('second')
  call.say(botHz, 8)
  call.mark('third')
  call.mark('fourth')
  await call.message('dtmf', '1')
  call.clear()
  call.say(goodbyeHz, 1)
  call.mark('goodbye')
  await call.message('dtmf', '#')
  await call.message('mark', 'goodbye')
  call.close()
}

/** Of a whole such conversation, marks and what was cleared in their order. */
function expectConversation(call: BotCall, keys: readonly string[]): void {
  expect('Not as Twilio has it', call.faults, [])
  expect('The bot got first', call.events.slice(0, 2), ['connected', 'start'])
  // How far it came before the key, the machine decides.
  const [key, cleared] = [call.events.indexOf('dtmf'), call.messages.findIndex(isThird)]
  if (!(key < cleared))
    throw new Error(`What it cleared at the key came back before: ${call.events.join(' ')}`)
  expect('Marks', call.marks, ['first', 'second', 'third', 'fourth', 'goodbye'])
  expect('Keys', call.keys, keys)
}

function isThird({ event, mark }: StreamMessage): boolean {
  return event === 'mark' && (mark as { readonly name: string }).name === 'third'
}

async function sippCalls(stage: ServeStage): Promise<void> {
  const bot = await stage.bot(converse)
  await stage.serve({ bot: twilioBot(bot.url) })
  const sipp = await stage.sipp('caller-keys-hung-up', { echo: true })
  const call = await bot.call()
  await call.end(12_000)
  await sipp.passed
  expectConversation(call, ['1', '#'])
  // Two seconds pass before the key.
  expectBetween('Seconds of the bot that came back', botHeardSeconds(call, botHz), 0.3, 2 + toleranceSeconds)
  expectBetween('Seconds of its goodbye', botHeardSeconds(call, goodbyeHz), 0.6, 1.1)
  const record = await stage.record()
  expect('Ended', [record.ended?.by, record.engines?.[0]?.end], ['local', 'engine'])
  expect('Digits of the record', record.personal.digitsReceived, '1#')
}

async function sippHangsUp(stage: ServeStage): Promise<void> {
  const bot = await stage.bot(call => call.say(botHz, 10))
  await stage.serve({ bot: twilioBot(bot.url) })
  // Not before the bot is there, however slow the machine is.
  const sipp = await stage.sipp('caller-basic', { talkMs: 2500 })
  const call = await bot.call()
  await call.end()
  await sipp.passed
  expect('Not as Twilio has it', call.faults, [])
  expect('The bot got', call.events, ['connected', 'start', 'stop'])
  const record = await stage.record()
  expect('Ended', [record.ended?.by, record.engines?.[0]?.end], ['remote', 'call'])
}

async function baresipCalls(stage: ServeStage): Promise<void> {
  const bot = await stage.bot(converse)
  await stage.serve({ bot: twilioBot(bot.url) })
  const phone = await stage.phone('caller')
  const call = await bot.call()
  await pause(2000)
  await phone.command('sndcode', '1')
  await call.message('mark', 'goodbye')
  await pause(300)
  await phone.stop()
  await call.message('stop')
  await call.end()
  expectConversation(call, ['1'])
  expect('The last message', call.events.at(-1), 'stop')
  expectBetween('Seconds of the caller at the bot', botHeardSeconds(call, callerHz), 2)
  expectBetween('Seconds of the bot at the phone', heardSeconds(phone, botHz), 1.4, 2.4 + toleranceSeconds)
  expectBetween('Seconds of its goodbye', heardSeconds(phone, goodbyeHz), 0.6, 1.1)
  const record = await stage.record()
  expect('Ended', [record.ended?.by, record.engines?.[0]?.end], ['remote', 'call'])
}

async function botHangsUp(stage: ServeStage): Promise<void> {
  const bot = await stage.bot(async call => {
    call.say(goodbyeHz, 1)
    call.mark('goodbye')
    await call.message('mark', 'goodbye')
    call.close()
  })
  await stage.serve({ bot: twilioBot(bot.url) })
  const phone = await stage.phone('caller')
  await phone.says('session closed')
  // It finishes its files when it has said so.
  await phone.stop()
  const { ended, engines } = await stage.record()
  expect('Ended', [ended?.by, engines?.[0]?.end], ['local', 'engine'])
  expectBetween('Seconds of the goodbye', heardSeconds(phone, goodbyeHz), 0.6, 1.1)
}

async function transfers(stage: ServeStage): Promise<void> {
  const desk = await stage.desk(otherHz)
  const messages: string[] = []
  const bot = new WebSocketServer({ host: '127.0.0.1', port: 0 })
  await once(bot, 'listening')
  bot.on('connection', socket =>
    socket.on('message', (data, isBinary) => {
      if (isBinary) return
      const { type } = JSON.parse((data as Buffer).toString()) as { type: string }
      messages.push(type)
      if (type === 'start') socket.send(JSON.stringify({ type: 'transfer', target: desk.uri }))
    }),
  )
  try {
    const url = `ws://127.0.0.1:${(bot.address() as AddressInfo).port}/`
    await stage.serve({ bot: { url, dialect: 'offhook' } })
    const phone = await stage.phone('caller')
    await desk.says('Call established')
    await pause(3000)
    await phone.stop()
    await desk.stop()
    const { transfers: [transfer] = [] } = await stage.record()
    expect('The transfer', transfer?.outcome, 'transferred')
    if (!messages.includes('transferred')) throw new Error(`The bot was told ${messages.join(', ')}`)
    expectBetween('Seconds of the caller at the desk', heardSeconds(desk, callerHz), 1)
    expectBetween('Seconds of the desk at the caller', heardSeconds(phone, otherHz), 1)
  } finally {
    bot.close()
  }
}

async function openAiModel(stage: ServeStage): Promise<void> {
  const model = await stage.model()
  // eslint-disable-next-line no-template-curly-in-string
  const key = '${file:token}'
  const openai = { apiKey: key, dialect: 'realtime', model: 'm', url: model.url, greeting: true }
  await stage.serve({ desk: { openai } })
  const phone = await stage.phone('caller')
  const conversation = await model.conversation()
  await pause(2500)
  await phone.stop()
  await conversation.end()
  expect('Who it is', conversation.authorization === `Bearer ${authToken}`, true)
  expect('The audio', conversation.format, 'audio/pcmu')
  expectBetween('Seconds of the model at the phone', heardSeconds(phone, modelHz), 1)
  const heard = { sampleRate: 8000, channels: [Float64Array.from(conversation.heard)] }
  expectBetween('Seconds of the caller at the model', findTone(heard, 0, callerHz).seconds, 1)
  const record = await stage.record()
  expect('Ended', [record.ended?.by, record.engines?.[0]?.end], ['remote', 'call'])
}

async function reloads(stage: ServeStage): Promise<void> {
  const [bot, other] = await Promise.all([
    stage.bot(call => call.say(botHz, 30)),
    stage.bot(call => call.say(otherHz, 30)),
  ])
  await stage.serve({ bot: twilioBot(bot.url) })
  const first = await stage.phone('first')
  const running = await bot.call()
  stage.write({ other: twilioBot(other.url) })
  stage.process.signal('SIGHUP')
  await stage.process.event(({ event }) => event === 'reloaded')
  const { process, folder, port } = stage
  writeFileSync(
    join(folder, 'serve.yaml'),
    `endpoint:\n  listen: ['udp://127.0.0.1:${port}']\n  admit: everybody\nagents:\n  bot: { builtIn: parrot }\n`,
  )
  process.signal('SIGHUP')
  const refused = await process.event(({ event }) => event === 'reload-refused')
  const [problem] = refused['problems'] as { line: number; field: string }[]
  expect('What is wrong', [problem?.line, problem?.field], [5, 'agents.bot.builtIn'])
  const second = await stage.phone('second')
  await other.call()
  await pause(1500)
  await second.stop()
  expect('The running call', running.closed, undefined)
  const soFar = botHeardSeconds(running, callerHz)
  await pause(1000)
  expectBetween('Seconds it hears in a second', botHeardSeconds(running, callerHz) - soFar, 0.7, 1.4)
  await first.stop()
  await running.end()
  expectBetween('Seconds of the new bot at the second', heardSeconds(second, otherHz), 1)
  expectBetween('Seconds of the old bot at the second', heardSeconds(second, botHz), 0, 0)
  expectBetween('Seconds of the old bot at the first', heardSeconds(first, botHz), 2)
}

async function drains(stage: ServeStage): Promise<void> {
  const bot = await stage.bot(call => call.say(botHz, 30))
  await stage.serve({ bot: twilioBot(bot.url) })
  const phone = await stage.phone('caller')
  const call = await bot.call()
  const pages = async (): Promise<readonly number[]> => [
    (await stage.page('/healthz')).status,
    (await stage.page('/readyz')).status,
  ]
  expect('Health and readiness before', await pages(), [200, 200])
  stage.process.signal('SIGTERM')
  await stage.process.event(({ event }) => event === 'draining')
  expect('Health and readiness while it is drained', await pages(), [200, 503])
  const stranger = await stage.sipp('caller-overloaded')
  await stranger.passed
  const soFar = botHeardSeconds(call, callerHz)
  await pause(1500)
  expectBetween('Seconds the running call is heard', botHeardSeconds(call, callerHz) - soFar, 1, 2)
  await phone.stop()
  await call.message('stop')
  expect('The exit status', await stage.process.exit, 0)
  expectBetween('Seconds of the bot at the phone', heardSeconds(phone, botHz), 2)
}
