/** Carriers bring calls over WebSockets to `offhook serve`, beside phones that call the same agent by SIP. */

import { join } from 'node:path'
import { once } from 'node:events'
import twilio from 'twilio'
import { WebSocket } from 'ws'
import type { Check } from './check.ts'
import { type Carrier, PlayedCarrier, carriers, publicUrl } from './peers/stream-carrier.ts'
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
import type { BotCall } from './peers/media-streams-bot.ts'

/** What the carrier waits for: the first until its key, the second until the end. */
const firstHz = 700
const secondHz = 1300
const otherHz = 1900

const plays = {
  call: {
    rfc: 'RFC 6455 5',
    what: 'a signed stream in Twilio’s dialect and a SIP call, one bot: tones both ways, a key, the bot hangs up',
    how: 'a ws client as the carrier, baresip calls, offhook serve',
    play: calls,
  },
  signature: {
    rfc: 'RFC 9110 15.5.4',
    what: 'a stream that is signed by another token gets 403, one without a signature 401',
    how: 'a ws client, the package twilio signs, offhook serve',
    play: refuses,
  },
  reload: {
    rfc: 'RFC 6455 5',
    what: 'another agent for new streams; the one under way goes on with its own',
    how: 'a ws client as the carrier twice, offhook serve, SIGHUP',
    play: reloads,
  },
} as const

export function serveStreamsChecks(logs: string): readonly Check[] {
  return Object.entries(plays).map(([key, { rfc, what, how, play }]) => {
    const name = `serve-streams-${key}`
    return { name, rfc, what, how, run: () => onServe(join(logs, name), play) }
  })
}

const carrier: Carrier = {
  ...carriers.find(({ dialect }) => dialect === 'twilio')!,
  headers: () => ({ 'x-twilio-signature': signatureBy(authToken) }),
}

function signatureBy(token: string): string {
  return twilio.getExpectedTwilioSignature(token, `${publicUrl}/twilio`, {})
}

/** The section of the configuration. */
function streamsTo(agent: string): Readonly<Record<string, unknown>> {
  // eslint-disable-next-line no-template-curly-in-string
  const auth = { kind: 'twilio', authToken: '${file:token}' }
  return { streams: { port: 0, publicUrl, paths: { '/twilio': { dialect: 'twilio', auth, agent } } } }
}

/** Where they are taken. */
async function placeOf({ process }: ServeStage): Promise<string> {
  const { streams } = await process.event(({ event }) => event === 'listening')
  return `${String(streams)}/twilio`
}

async function converse(call: BotCall): Promise<void> {
  call.say(firstHz, 20)
  await call.message('dtmf', '5')
  call.clear()
  call.say(secondHz, 1)
  call.mark('goodbye')
  await call.message('mark', 'goodbye')
  call.close()
}

async function calls(stage: ServeStage): Promise<void> {
  const bot = await stage.bot(converse)
  await stage.serve({ bot: twilioBot(bot.url) }, streamsTo('bot'))
  const phone = await stage.phone('caller')
  const called = await bot.call()
  const place = await placeOf(stage)
  const stream = new PlayedCarrier(carrier, new WebSocket(place, { headers: carrier.headers() }))
  const talking = stream.talk()
  const streamed = await bot.call()
  await talking
  await phone.command('sndcode', '5')
  await phone.says('session closed')
  await phone.stop()
  expect('Not as Twilio has it', [...called.faults, ...streamed.faults], [])
  expect('Keys', [called.keys, streamed.keys], [['5'], ['5']])
  expectBetween('Seconds of the carrier at the bot', botHeardSeconds(streamed, 1000), 0.3)
  expectBetween('Seconds of the phone at the bot', botHeardSeconds(called, callerHz), 0.3)
  expectBetween('Seconds of the bot at the phone', heardSeconds(phone, firstHz), 0.5)
  const [first, second] = [await stage.record(0), await stage.record(1)]
  expect('Ended', [first.ended?.by, second.ended?.by], ['local', 'local'])
  expect('The carrier’s id', first.callId.endsWith('CA1'), true)
  const { text } = await stage.page('/metrics')
  expect('Counted', text.includes('offhook_calls_taken_total{direction="inbound"} 2\n'), true)
}

async function refuses(stage: ServeStage): Promise<void> {
  const bot = await stage.bot(call => call.say(firstHz, 5))
  await stage.serve({ bot: twilioBot(bot.url) }, streamsTo('bot'))
  const place = await placeOf(stage)
  const answered = async (headers: Record<string, string>): Promise<number> => {
    const [, { statusCode }] = (await once(new WebSocket(place, { headers }), 'unexpected-response')) as [
      unknown,
      { readonly statusCode: number },
    ]
    return statusCode
  }
  expect('Another token', await answered({ 'x-twilio-signature': signatureBy('guess') }), 403)
  expect('No signature', await answered({}), 401)
  const { text } = await stage.page('/metrics')
  expect('Counted', text.includes('offhook_streams_refused_total{reason="signature"} 2\n'), true)
}

async function reloads(stage: ServeStage): Promise<void> {
  const [bot, other] = await Promise.all([stage.bot(converse), stage.bot(call => call.say(otherHz, 20))])
  const agents = { bot: twilioBot(bot.url), other: twilioBot(other.url) }
  await stage.serve(agents, streamsTo('bot'))
  const place = await placeOf(stage)
  const open = (): PlayedCarrier =>
    new PlayedCarrier(carrier, new WebSocket(place, { headers: carrier.headers() }))
  const talking = open().talk()
  await bot.call()
  stage.write(agents, streamsTo('other'))
  stage.process.signal('SIGHUP')
  const { needRestart } = await stage.process.event(({ event }) => event === 'reloaded')
  expect('Only after a restart', needRestart, [])
  const late = new WebSocket(place, { headers: carrier.headers() })
  await once(late, 'open')
  for (const message of carrier.start) late.send(JSON.stringify(message))
  const running = await other.call()
  // The first hears its own bot's goodbye, and is hung up by it.
  await talking
  await pause(300)
  late.close()
  await running.message('stop')
}
