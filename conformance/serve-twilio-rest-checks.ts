/** Bots of Twilio's dialect that hang up and transfer over Twilio's HTTP interface, by the package `twilio`, through `offhook serve`. */

import { join } from 'node:path'
import twilio from 'twilio'
import type { Check } from './check.ts'
import type { BotCall } from './peers/media-streams-bot.ts'
import { freePort } from './peers/ports.ts'
import {
  authToken,
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
const deskHz = 1900
const accountSid = `AC${'7'.repeat(32)}`

const how = (caller: string): string => `${caller}, offhook serve, a ws bot on the package twilio`

const plays = {
  'hangs-up': {
    rfc: 'RFC 3261 15.1.1',
    what: 'the bot asks over HTTP for its call, and for its end; a wrong password gets 401',
    how: how('baresip calls'),
    play: hangsUp,
  },
  'sipp-hung-up': {
    rfc: 'RFC 3261 15.1.1',
    what: 'the bot asks over HTTP for the end of its call',
    how: how('SIPp calls'),
    play: sippIsHungUp,
  },
  'sipp-transferred': {
    rfc: 'RFC 3515 2.4.4',
    what: 'the bot sends TwiML with <Dial><Sip> at a key: REFER, and stop when the caller has gone there',
    how: how('SIPp calls'),
    play: sippIsTransferred,
  },
  transfers: {
    rfc: 'RFC 3515 2.4.2',
    what: 'the bot sends TwiML with <Dial><Sip>; the desk hears the caller',
    how: how('baresip calls, baresip is the desk'),
    play: transfers,
  },
  dials: {
    rfc: 'RFC 7092 3.1',
    what: 'the bot sends TwiML with <Dial> and a number: by the trunk, bridged',
    how: how('baresip calls, baresip is behind the trunk'),
    play: dials,
  },
  'takes-back': {
    rfc: 'RFC 7092 3.1',
    what: 'the bot sends other TwiML while the two talk: the desk is hung up, the caller has keys, then its end',
    how: how('baresip calls, baresip is behind the trunk'),
    play: takesBack,
  },
} as const

export function serveTwilioRestChecks(logs: string): readonly Check[] {
  return Object.entries(plays).map(([key, { rfc, what, how: by, play }]) => {
    const name = `serve-twilio-rest-${key}`
    return { name, rfc, what, how: by, run: () => onServe(join(logs, name), play) }
  })
}

/** As its HTTP client gets it. */
interface TwilioRequest {
  readonly method: string
  readonly uri: string
  readonly username?: string
  readonly password?: string
  readonly data?: Record<string, string>
}

type Client = ReturnType<typeof twilio>
type RestException = InstanceType<typeof twilio.RestException>

/** The package, which knows only Twilio's own address, asks where the bot was told to. */
function clientAt(port: number, password = authToken): Client {
  const httpClient = {
    async request({ method, uri, username = '', password: pass = '', data }: TwilioRequest) {
      const login = Buffer.from(`${username}:${pass}`).toString('base64')
      const response = await fetch(uri.replace('https://api.twilio.com', `http://127.0.0.1:${port}`), {
        method: method.toUpperCase(),
        headers: {
          Authorization: `Basic ${login}`,
          'Content-Type': 'application/x-www-form-urlencoded',
        },
        ...(data !== undefined && { body: new URLSearchParams(data) }),
      })
      return { statusCode: response.status, body: await response.text(), headers: {} }
    },
  }
  return twilio(accountSid, password, { httpClient: httpClient as never })
}

/** Serves a bot that speaks until it is stopped; gives its client. */
async function serveBot(
  stage: ServeStage,
  more: { readonly trunks?: object; readonly trunk?: string } = {},
): Promise<{ readonly client: Client; readonly port: number; readonly call: () => Promise<BotCall> }> {
  const bot = await stage.bot(call => call.say(botHz, 20))
  const port = await freePort()
  const { trunks, trunk } = more
  await stage.serve(
    { bot: twilioBot(bot.url) },
    {
      // eslint-disable-next-line no-template-curly-in-string
      twilioRest: { port, accountSid, authToken: '${file:token}', ...(trunk !== undefined && { trunk }) },
      ...(trunks !== undefined && { trunks }),
    },
  )
  return { client: clientAt(port), port, call: () => bot.call() }
}

/** What `start` says of it. */
async function idsOf(call: BotCall): Promise<{ readonly callSid: string; readonly accountSid: string }> {
  const { start } = await call.message('start')
  return start as { readonly callSid: string; readonly accountSid: string }
}

async function hangsUp(stage: ServeStage): Promise<void> {
  const { client, port, call } = await serveBot(stage)
  const phone = await stage.phone('caller')
  const ids = await idsOf(await call())
  expect('The account in start', ids.accountSid, accountSid)
  await pause(1000)
  const found = await client.calls(ids.callSid).fetch()
  expect('The call as the package reads it', [found.sid, found.status], [ids.callSid, 'in-progress'])
  const refusal = await clientAt(port, 'guess')
    .calls(ids.callSid)
    .update({ status: 'completed' })
    .then(
      () => [200],
      ({ status, code, message }: RestException) => [status, code, message],
    )
  expect('With a wrong password', refusal, [401, 20_003, 'Authenticate'])
  await client.calls(ids.callSid).update({ status: 'completed' })
  await phone.says('session closed')
  await phone.stop()
  expectBetween('Seconds of the bot at the phone', heardSeconds(phone, botHz), 0.8)
  expect('Ended', (await stage.record()).ended?.by, 'local')
  expect('Afterwards', (await client.calls(ids.callSid).fetch()).status, 'completed')
}

async function sippIsHungUp(stage: ServeStage): Promise<void> {
  const { client, call } = await serveBot(stage)
  const sipp = await stage.sipp('caller-hung-up')
  const { callSid } = await idsOf(await call())
  await client.calls(callSid).update({ status: 'completed' })
  await sipp.passed
  expect('Ended', (await stage.record()).ended?.by, 'local')
}

async function sippIsTransferred(stage: ServeStage): Promise<void> {
  const { client, call } = await serveBot(stage)
  const sipp = await stage.sipp('caller-transferred')
  const running = await call()
  const { callSid } = await idsOf(running)
  await running.message('dtmf', '2')
  const response = new twilio.twiml.VoiceResponse()
  response.dial().sip(`sip:desk@127.0.0.1:${await freePort()}`)
  await client.calls(callSid).update({ twiml: response.toString() })
  await sipp.passed
  await running.message('stop')
  const { ended, personal, transfers: [transfer] = [] } = await stage.record()
  expect('The transfer', [transfer?.outcome, ended?.by], ['transferred', 'local'])
  expect('The digits of the record', personal.digitsReceived, '12')
}

async function transfers(stage: ServeStage): Promise<void> {
  const desk = await stage.desk(deskHz)
  const { client, call } = await serveBot(stage)
  const phone = await stage.phone('caller')
  const running = await call()
  const { callSid } = await idsOf(running)
  const response = new twilio.twiml.VoiceResponse()
  response.dial().sip(desk.uri)
  await client.calls(callSid).update({ twiml: response.toString() })
  await desk.says('Call established')
  await running.message('stop')
  await talk(stage, phone, desk)
  const { transfers: [transfer] = [] } = await stage.record()
  expect('The transfer', transfer?.outcome, 'transferred')
}

async function dials(stage: ServeStage): Promise<void> {
  const { phone, desk } = await dialled(stage)
  await talk(stage, phone, desk)
}

async function takesBack(stage: ServeStage): Promise<void> {
  const { phone, desk, update } = await dialled(stage)
  await pause(1500)
  const response = new twilio.twiml.VoiceResponse()
  response.play({ digits: '7' })
  await update(response.toString())
  await desk.says('session closed')
  await phone.says('session closed')
  await Promise.all([phone.stop(), desk.stop()])
  expectBetween('Seconds of the desk at the caller', heardSeconds(phone, deskHz), 0.8)
  const { ended, personal } = await stage.record()
  expect('Pressed, and ended', [personal.digitsSent, ended?.by], ['7', 'local'])
}

type Phone = Awaited<ReturnType<ServeStage['phone']>>

/** A caller whom the bot had put through to the desk, by a trunk; `update` gives the call other TwiML. */
async function dialled(stage: ServeStage): Promise<{
  readonly phone: Phone
  readonly desk: Phone
  readonly update: (twiml: string) => Promise<unknown>
}> {
  const desk = await stage.desk(deskHz, '+15550100')
  const [, host = ''] = /@([\d.:]+)/.exec(desk.uri) ?? []
  const carrier = { preset: 'generic', hosts: [host], transport: 'udp', auth: 'none', health: false }
  const { client, call } = await serveBot(stage, {
    trunks: { carrier: { ...carrier, caller: '+15550199' } },
    trunk: 'carrier',
  })
  const phone = await stage.phone('caller')
  const { callSid } = await idsOf(await call())
  const update = (twiml: string): Promise<unknown> => client.calls(callSid).update({ twiml })
  const response = new twilio.twiml.VoiceResponse()
  response.dial('+15550100')
  await update(response.toString())
  await desk.says('Call established')
  return { phone, desk, update }
}

/** Caller and desk hear each other until the caller hangs up. */
async function talk(stage: ServeStage, phone: Phone, desk: Phone): Promise<void> {
  await pause(2000)
  await phone.stop()
  await desk.stop()
  await stage.record()
  expectBetween('Seconds of the caller at the desk', heardSeconds(desk, callerHz), 1)
  expectBetween('Seconds of the desk at the caller', heardSeconds(phone, deskHz), 1)
}
