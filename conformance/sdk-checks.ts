/**
 * Bots on the OpenAI Agents SDK behind `offhook serve`, called by real phones: a module with a session on our transport, and the same SDK on its
 * own Twilio transport behind a WebSocket, with nothing of ours.
 */

import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { findTone } from './audio.ts'
import type { Check } from './check.ts'
import type { Baresip } from './peers/baresip.ts'
import { OffhookProcess } from './peers/offhook.ts'
import { type OnDemand, fetchPackages } from './peers/on-demand.ts'
import { freePort } from './peers/ports.ts'
import { type Conversation, goodbyeHz, modelHz, type RealtimeModel } from './peers/realtime-model.ts'
import {
  callerHz,
  expect,
  expectBetween,
  heardSeconds,
  onServe,
  pause,
  type ServeStage,
} from './serve-stage.ts'
import { until } from './within.ts'

const deskHz = 1900
/** What was heard, as the phone has it and as the model is told, differ by the network, the phone's buffer and a piece of the measure. */
const toleranceMs = 300

/** The package that the Twilio transport is in. */
export function twilioSdkPackages(): OnDemand {
  return fetchPackages('openai-extensions', 90, [
    '@openai/agents-extensions@0.18.0',
    '@openai/agents@0.18.0',
    'ws@8.23.0',
    'zod@4.6.7',
  ])
}

/** A bot on the SDK. */
interface Bot {
  readonly how: string
  /** Of the call record. */
  readonly engine: string
  /** `offhook serve` with it; `desk`: whom it may transfer to. */
  readonly serve: (stage: ServeStage, model: RealtimeModel, desk?: string) => Promise<void>
}

const asModule: Bot = {
  how: 'OpenAI Agents SDK',
  engine: 'openai-agents',
  serve: (stage, { url }, desk) =>
    stage.serve(
      { bot: { module: program('openai-agents-bot') } },
      {},
      { MODEL_URL: url, ...(desk !== undefined && { DESK: desk }) },
    ),
}

function asTwilioHasIt(packages: string): Bot {
  return {
    how: 'OpenAI Agents SDK as Twilio has it',
    engine: 'twilio',
    serve: async (stage, { url }) => {
      const bot = new OffhookProcess(program('twilio-bot'), [packages, url])
      stage.finally(() => bot.stop())
      const { port } = await bot.event(({ event }) => event === 'listening', 15_000)
      await stage.serve({ bot: { url: `ws://127.0.0.1:${String(port)}/`, dialect: 'twilio' } })
    },
  }
}

interface Row extends Pick<Check, 'rfc' | 'what'> {
  /** What comes after the name of the bot. */
  readonly ending: string
  readonly play: (stage: ServeStage, bot: Bot) => Promise<void>
}

type Rows = Readonly<Record<'each' | 'withTools', readonly Row[]>>

const talk =
  'a bot is heard and hears, is told of keys, is cut off where it was heard, says goodbye and hangs up'
const leaves = 'tones both ways until the caller hangs up, which ends the session'

const fromSipp: Rows = {
  each: [
    { ending: '', rfc: 'RFC 3264 5.1, 6086 4.2.2', what: talk, play: sippTalks },
    { ending: '-caller', rfc: 'RFC 3261 15.1.2', what: leaves, play: sippHangsUp },
  ],
  withTools: [
    {
      ending: '-transfer',
      rfc: 'RFC 3515 2.4.4',
      what: 'keys, cut off where it was heard; the model transfers, by REFER',
      play: sippIsTransferred,
    },
  ],
}

const fromBaresip: Rows = {
  each: [
    { ending: '', rfc: 'RFC 4733 2.5', what: talk, play: baresipTalks },
    { ending: '-caller', rfc: 'RFC 3261 15.1.2', what: leaves, play: baresipHangsUp },
  ],
  withTools: [
    {
      ending: '-transfer',
      rfc: 'RFC 3515 2.4.4',
      what: 'keys, cut off where it was heard; the model transfers, desk and caller hear each other',
      play: baresipIsTransferred,
    },
  ],
}

export function sippSdkChecks(logs: string, twilio: OnDemand): readonly Check[] {
  return checksOf('SIPp', fromSipp, logs, twilio)
}

export function baresipSdkChecks(logs: string, twilio: OnDemand): readonly Check[] {
  return checksOf('baresip', fromBaresip, logs, twilio)
}

function checksOf(
  phone: string,
  { each, withTools }: Rows,
  logs: string,
  twilio: OnDemand,
): readonly Check[] {
  const check = (bot: Bot, name: string, { ending, rfc, what, play }: Row): Check => {
    const row = `sdk-${phone.toLowerCase()}-${name}${ending}`
    const how = `${phone} calls, offhook serve, ${bot.how}`
    return { name: row, rfc, what, how, run: () => onServe(join(logs, row), stage => play(stage, bot)) }
  }
  const own = [...each, ...withTools].map(row => check(asModule, 'openai-agents', row))
  if ('missing' in twilio) return own
  const theirs = asTwilioHasIt(twilio.folder)
  return [...own, ...each.map(row => check(theirs, 'twilio', row))]
}

async function sippTalks(stage: ServeStage, bot: Bot): Promise<void> {
  const model = await stage.model()
  await bot.serve(stage, model)
  const sipp = await stage.sipp('caller-keys-hung-up', { echo: true })
  await sipp.passed
  const conversation = await model.conversation()
  await conversation.end()
  expect('The keys that the model was told of', keysTold(conversation), '1#')
  expectCutOffAtSipp(conversation)
  expectBetween('Seconds of the goodbye', modelHeardSeconds(conversation, goodbyeHz), 0.2, 0.9)
  await expectRecord(stage, bot, { by: 'local', end: 'engine', digits: '1#' })
}

async function sippHangsUp(stage: ServeStage, bot: Bot): Promise<void> {
  const model = await stage.model()
  await bot.serve(stage, model)
  const sipp = await stage.sipp('caller-basic', { echo: true, talkMs: 3000 })
  await sipp.passed
  const conversation = await model.conversation()
  await conversation.end(3000)
  expectBetween('Seconds of the model that came back', modelHeardSeconds(conversation, modelHz), 1)
  await expectRecord(stage, bot, { by: 'remote', end: 'call', digits: '' })
}

async function sippIsTransferred(stage: ServeStage, bot: Bot): Promise<void> {
  const model = await stage.model()
  const desk = `sip:desk@127.0.0.1:${await freePort()}`
  await bot.serve(stage, model, desk)
  const sipp = await stage.sipp('caller-transferred', { echo: true })
  await sipp.passed
  const conversation = await model.conversation()
  await conversation.end()
  expect('The keys that the model was told of', keysTold(conversation), '12')
  expectCutOffAtSipp(conversation)
  await expectRecord(stage, bot, { by: 'local', end: 'call', digits: '12', transferredTo: desk })
}

async function baresipTalks(stage: ServeStage, bot: Bot): Promise<void> {
  const model = await stage.model()
  await bot.serve(stage, model)
  const [phone, conversation] = await callAndInterrupt(stage, model)
  await phone.command('sndcode', '#')
  await phone.says('session closed')
  // It finishes its files when it has said so.
  await phone.stop()
  await conversation.end()
  expect('The keys that the model was told of', keysTold(conversation), '1#')
  expectCutOff(conversation, heardSeconds(phone, modelHz), 'heard by baresip')
  expectBetween('Seconds of the goodbye', heardSeconds(phone, goodbyeHz), 0.3, 0.8)
  await expectRecord(stage, bot, { by: 'local', end: 'engine', digits: '1#' })
}

async function baresipHangsUp(stage: ServeStage, bot: Bot): Promise<void> {
  const model = await stage.model()
  await bot.serve(stage, model)
  const phone = await stage.phone('caller')
  const conversation = await model.conversation()
  await hearsTheCaller(conversation)
  await phone.stop()
  await conversation.end(3000)
  expectBetween('Seconds of the bot at the phone', heardSeconds(phone, modelHz), 1)
  await expectRecord(stage, bot, { by: 'remote', end: 'call', digits: '' })
}

async function baresipIsTransferred(stage: ServeStage, bot: Bot): Promise<void> {
  const model = await stage.model()
  const desk = await stage.desk(deskHz)
  await bot.serve(stage, model, desk.uri)
  const [phone, conversation] = await callAndInterrupt(stage, model)
  await phone.command('sndcode', '2')
  await conversation.end()
  await desk.says('Call established')
  await pause(3000)
  await phone.stop()
  await desk.stop()
  expect('The keys that the model was told of', keysTold(conversation), '12')
  expectCutOff(conversation, heardSeconds(phone, modelHz), 'heard by baresip')
  expectBetween('Seconds of the caller at the desk', heardSeconds(desk, callerHz), 1)
  expectBetween('Seconds of the desk at the caller', heardSeconds(phone, deskHz), 1)
  await expectRecord(stage, bot, { by: 'local', end: 'call', digits: '12', transferredTo: desk.uri })
}

/** The model hears the caller, who interrupts it by the key 1. */
async function callAndInterrupt(
  stage: ServeStage,
  model: RealtimeModel,
): Promise<readonly [Baresip, Conversation]> {
  const phone = await stage.phone('caller')
  const conversation = await model.conversation()
  await hearsTheCaller(conversation)
  await phone.command('sndcode', '1')
  await conversation.event('conversation.item.truncate')
  await pause(500)
  return [phone, conversation]
}

async function hearsTheCaller(conversation: Conversation): Promise<void> {
  await until(() => modelHeardSeconds(conversation, callerHz) > 1.5, 'the model hears the caller', 6000)
}

/** How the call is to have ended, by its record: who did, what became of the engine, the keys, and where it was transferred. */
interface Ended {
  readonly by: string
  readonly end: string
  readonly digits: string
  readonly transferredTo?: string
}

async function expectRecord(
  stage: ServeStage,
  { engine }: Bot,
  { by, end, digits, transferredTo }: Ended,
): Promise<void> {
  const { ended, engines = [], personal, transfers = [] } = await stage.record()
  expect('The record says that it was ended by', ended?.by, by)
  expect(
    'The engines of the record, and their ends',
    engines.map(entry => [entry.engine, entry.end]),
    [[engine, end]],
  )
  expect('The digits of the record', personal.digitsReceived, digits)
  expect(
    'The transfers of the record',
    transfers.map(({ outcome }, at) => [outcome, personal.transferTargets?.[at]]),
    transferredTo === undefined ? [] : [['transferred', `<${transferredTo}>`]],
  )
  expect(
    'Errors',
    stage.process.events.filter(({ event }) => event === 'error'),
    [],
  )
}

/** What the model was told of in text. */
function keysTold(conversation: Conversation): string {
  return conversation
    .all('conversation.item.create')
    .map(({ item }) => (item as { content?: { text?: string }[] }).content?.[0]?.text ?? '')
    .join('')
}

/** SIPp gives back what it hears as well as it can: a packet that is late leaves a hole of a piece. */
function expectCutOffAtSipp(conversation: Conversation): void {
  expectCutOff(conversation, modelHeardSeconds(conversation, modelHz), 'came back', 2 * toleranceMs)
}

/** What the model was told that the caller has heard, against what the phone has. */
function expectCutOff(
  conversation: Conversation,
  heardSeconds: number,
  how: string,
  within = toleranceMs,
): void {
  const told = conversation.all('conversation.item.truncate').map(event => Number(event['audio_end_ms']))
  const [toldMs = 0] = told
  if (told.length !== 1) throw new Error(`The model was told ${told.length} times of an interruption`)
  if (toldMs < 500 || Math.abs(toldMs - heardSeconds * 1000) > within)
    throw new Error(`${toldMs} ms are said to have been heard; ${Math.round(heardSeconds * 1000)} ms ${how}`)
}

/** How long a tone was there, give or take a tenth of a second. */
function modelHeardSeconds({ heard }: Conversation, hz: number): number {
  return findTone({ sampleRate: 8000, channels: [Float64Array.from(heard)] }, 0, hz).seconds
}

function program(name: string): string {
  return fileURLToPath(new URL(`bots/${name}.js`, import.meta.url))
}
