/**
 * Bots on the SDKs of others, called by real phones: sessions of `@openai/agents-realtime` on our transport, the same SDK on its own Twilio
 * transport behind our Media Streams client, and sessions of `@livekit/agents`.
 */

import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { RealtimeAgent } from '@openai/agents-realtime'
import { openAiAgentsAgent, phoneTools } from '../src/agent/sdk/openai-agents/index.ts'
import { type Agent, streamAgent } from '../src/agent/index.ts'
import { type Endpoint, createEndpoint, runAgent } from '../src/index.ts'
import { findTone, readWav } from './audio.ts'
import type { Check } from './check.ts'
import { Baresip } from './peers/baresip.ts'
import { OffhookProcess } from './peers/offhook.ts'
import { type OnDemand, fetchPackages } from './peers/on-demand.ts'
import { freePort, freeUdpPort } from './peers/ports.ts'
import { type Conversation, RealtimeModel, goodbyeHz, modelHz, until } from './peers/realtime-model.ts'
import { startSipp } from './peers/sipp.ts'

const callerHz = 1000
/** What was heard, as the phone has it and as the model is told, differ by the network, the phone's buffer and a piece of the measure. */
const toleranceMs = 300

export interface SdkSetting {
  readonly scenarios: string
  readonly logs: string
}

/** The packages that the checks below need and no other part does. */
export function sdkPackages(): { readonly twilio: OnDemand; readonly livekit: OnDemand } {
  return {
    twilio: fetchPackages('openai-extensions', 90, [
      '@openai/agents-extensions@0.18.0',
      '@openai/agents@0.18.0',
      'ws@8.23.0',
      'zod@4.6.7',
    ]),
    livekit: fetchPackages('livekit', 290, [
      '@livekit/agents@1.9.0',
      '@livekit/rtc-node@0.13.35',
      'zod@4.6.7',
    ]),
  }
}

export function sippSdkChecks({ scenarios, logs }: SdkSetting, twilio: OnDemand): readonly Check[] {
  const scenario = join(scenarios, 'caller-keys-hung-up.xml')
  return bots(twilio).map(({ name, how, start }) => ({
    name: `sdk-sipp-${name}`,
    rfc: 'RFC 3264 5.1',
    what: 'a bot is heard and hears, is cut off where it was heard, says goodbye and hangs up',
    how: `SIPp calls, ${how}`,
    run: () => fromSipp(scenario, join(logs, `sdk-sipp-${name}`), start),
  }))
}

export function baresipSdkChecks(logs: string, twilio: OnDemand): readonly Check[] {
  return [
    {
      name: 'sdk-baresip-transfer',
      rfc: 'RFC 3515 2.4.4',
      what: 'tones both ways, keys, cut off where it was heard; the model transfers, the desk hears the caller',
      how: 'baresip calls, OpenAI Agents SDK',
      run: () => transferred(join(logs, 'sdk-baresip-transfer')),
    },
    ...bots(twilio).map(({ name, how, start }) => ({
      name: `sdk-baresip-${name}`,
      rfc: 'RFC 3261 15.1.2',
      what: 'tones both ways until the caller hangs up, which ends the session',
      how: `baresip calls, ${how}`,
      run: () => callerHangsUp(join(logs, `sdk-baresip-${name}`), start),
    })),
  ]
}

export function livekitChecks(logs: string, { folder }: { readonly folder: string }): readonly Check[] {
  return [
    {
      name: 'sdk-baresip-livekit',
      rfc: 'RFC 3264 5.1',
      what: 'tones both ways, pause and resume, cut off where it was heard, hung up by the session',
      how: 'baresip calls, LiveKit Agents',
      run: () => livekit(join(logs, 'sdk-baresip-livekit'), folder),
    },
  ]
}

/** A bot that talks to that model. */
type StartBot = (
  modelUrl: string,
) => Promise<{ readonly agent: Agent; readonly stop: () => Promise<unknown> }>

function bots(twilio: OnDemand): readonly { name: string; how: string; start: StartBot }[] {
  const direct = {
    name: 'openai-agents',
    how: 'OpenAI Agents SDK',
    start: (url: string) => Promise.resolve({ agent: sdkAgent(url, ''), stop: () => Promise.resolve() }),
  }
  if ('missing' in twilio) return [direct]
  const start: StartBot = async url => {
    const bot = new OffhookProcess(program('twilio-bot'), [twilio.folder, url])
    const { port } = await bot.event(({ event }) => event === 'listening', 15_000)
    const agent = streamAgent({ url: `ws://127.0.0.1:${String(port)}/`, dialect: 'twilio' })
    return { agent, stop: () => bot.stop() }
  }
  return [direct, { name: 'twilio', how: 'OpenAI Agents SDK as Twilio has it', start }]
}

/** Greets, passes keys on to the model, and has the tools that the call has. */
function sdkAgent(url: string, desk: string): Agent {
  return openAiAgentsAgent({
    url,
    apiKey: 'key',
    greeting: true,
    agent: phone =>
      new RealtimeAgent({
        name: 'Desk',
        instructions: 'Be brief.',
        tools: phoneTools(phone, desk === '' ? {} : { transfer: { desk } }),
      }),
    onSession: (session, phone) =>
      phone.on('dtmf', key => session.sendMessage((key as { digit: string }).digit)),
  })
}

function program(name: string): string {
  return fileURLToPath(new URL(`bots/${name}.js`, import.meta.url))
}

async function withBot(
  start: StartBot,
  run: (model: RealtimeModel, port: number) => Promise<void>,
): Promise<void> {
  const model = await RealtimeModel.start()
  const { agent, stop } = await start(model.url)
  const endpoint = await createEndpoint({ listen: ['udp://127.0.0.1:0'], codecs: ['PCMU'] })
  const errors: string[] = []
  endpoint.on('error', error => errors.push(error.message))
  try {
    void runAgent(endpoint, agent)
    await run(model, portOf(endpoint))
    if (errors.length > 0) throw new Error(errors.join('; '))
  } finally {
    await endpoint.close()
    await stop()
    await model.stop()
  }
}

async function fromSipp(scenario: string, folder: string, start: StartBot): Promise<void> {
  await withBot(start, async (model, port) => {
    const sipp = await startSipp({
      scenario: { file: scenario },
      transport: 'udp',
      target: { port, user: 'bot' },
      folder,
      // It gives back what it hears, so that the model hears itself as the phone did.
      args: ['-rtp_echo', '-mp', String(await freeUdpPort())],
    })
    await sipp.passed
    const conversation = await model.conversation()
    await conversation.end()
    // SIPp gives back what it hears as well as it can: a packet that is late leaves a hole of a piece.
    expectCutOff(conversation, toneMs(conversation.heard, modelHz), 'came back from SIPp', 2 * toleranceMs)
    const goodbye = toneMs(conversation.heard, goodbyeHz)
    if (goodbye < 200) throw new Error(`Of 600 ms of goodbye ${goodbye} ms were heard`)
  })
}

async function callerHangsUp(folder: string, start: StartBot): Promise<void> {
  await withBot(start, async (model, port) => {
    const baresip = await dial(folder, port)
    const conversation = await model.conversation()
    try {
      await until(
        () => toneMs(conversation.heard, callerHz) > 1500,
        6000,
        'the model does not hear the caller',
      )
    } finally {
      await baresip.stop()
    }
    await conversation.end(3000)
    const { seconds } = findTone(readWav(baresip.audio().heard), 0, modelHz)
    if (seconds < 1) throw new Error(`baresip heard the bot for ${seconds} s`)
  })
}

async function transferred(folder: string): Promise<void> {
  const file = join(folder, 'desk.wav')
  const desk = await createEndpoint({ listen: ['udp://127.0.0.1:0'], codecs: ['PCMU'] })
  let over: (() => void) | undefined
  const served = new Promise<void>(resolve => (over = resolve))
  void desk.serve(async call => {
    await call.answer()
    await call.record(file)
    await call.sleep(2000)
    over?.()
  })
  const start: StartBot = url =>
    Promise.resolve({
      agent: sdkAgent(url, `sip:desk@127.0.0.1:${portOf(desk)}`),
      stop: () => Promise.resolve(),
    })
  try {
    await withBot(start, async (model, port) => {
      const baresip = await dial(folder, port, await freePort())
      try {
        const conversation = await model.conversation()
        await until(
          () => toneMs(conversation.heard, callerHz) > 1500,
          6000,
          'the model does not hear the caller',
        )
        await baresip.command('sndcode', '1')
        await conversation.event('conversation.item.truncate')
        await pause(500)
        await baresip.command('sndcode', '2')
        await conversation.end()
        const keys = conversation.all('conversation.item.create').flatMap(({ item }) => {
          const { content } = item as { content?: { text?: string }[] }
          return content?.[0]?.text ?? []
        })
        if (keys.join('') !== '12')
          throw new Error(`The model was told of the keys ${keys.join('')}, not of 12`)
        await served
        const [first = ''] = baresip.heard().toSorted()
        expectCutOff(
          conversation,
          findTone(readWav(first), 0, modelHz).seconds * 1000,
          'was heard by baresip',
        )
      } finally {
        await baresip.stop()
      }
    })
  } finally {
    await desk.close()
  }
  const { seconds } = findTone(readWav(file), 0, callerHz)
  if (seconds < 1) throw new Error(`The desk heard the caller for ${seconds} s`)
}

async function livekit(folder: string, packages: string): Promise<void> {
  const bot = new OffhookProcess(program('livekit-bot'), [packages])
  try {
    const { port } = await bot.event(({ event }) => event === 'listening', 30_000)
    const baresip = await dial(folder, Number(port), await freePort())
    try {
      await bot.event(({ event }) => event === 'playbackStarted')
      await pause(1500)
      await baresip.command('sndcode', '*')
      await pause(1000)
      await baresip.command('sndcode', '0')
      await pause(1000)
      await baresip.command('sndcode', '1')
      const finished = await bot.event(({ event }) => event === 'playbackFinished')
      if (finished['interrupted'] !== true) throw new Error('What was interrupted counts as heard')
      await pause(500)
      await baresip.command('sndcode', '#')
      await baresip.says('session closed')
      const { heard } = await bot.event(({ event }) => event === 'over')
      await baresip.stop()
      const octets = Buffer.from(String(heard), 'base64')
      const samples = Array.from(
        { length: octets.length / 2 },
        (_, at) => octets.readInt16LE(2 * at) / 32_768,
      )
      const hears = toneMs(samples, callerHz)
      if (hears < 2000) throw new Error(`The session heard the caller for ${hears} ms`)
      const heardMs = findTone(readWav(baresip.audio().heard), 0, modelHz).seconds * 1000
      expectClose(Number(finished['playbackPosition']) * 1000, heardMs, 'was heard by baresip')
      const failed = bot.events.find(({ event }) => event === 'error')
      if (failed !== undefined) throw new Error(String(failed['message']))
    } finally {
      await baresip.stop()
    }
  } finally {
    await bot.stop()
  }
}

async function dial(folder: string, port: number, controlPort?: number): Promise<Baresip> {
  const baresip = await Baresip.start({
    folder,
    toneHz: callerHz,
    codec: 'PCMU',
    dial: `sip:bot@127.0.0.1:${port}`,
    timeoutMs: 40_000,
    ...(controlPort !== undefined && { controlPort }),
  })
  await baresip.says('Call established')
  return baresip
}

/** What the model was told that the caller has heard, against what the phone has. */
function expectCutOff(conversation: Conversation, heardMs: number, how: string, within = toleranceMs): void {
  const [cut, ...more] = conversation.all('conversation.item.truncate')
  if (cut === undefined || more.length > 0)
    throw new Error(`The model was told ${1 + more.length} times of an interruption`)
  expectClose(Number(cut['audio_end_ms']), heardMs, how, within)
}

function expectClose(toldMs: number, heardMs: number, how: string, within = toleranceMs): void {
  if (toldMs < 500 || Math.abs(toldMs - heardMs) > within)
    throw new Error(`${Math.round(toldMs)} ms are said to have been heard; ${Math.round(heardMs)} ms ${how}`)
}

/** How long a tone is there, give or take a tenth of a second. */
function toneMs(samples: readonly number[], hz: number): number {
  return findTone({ sampleRate: 8000, channels: [Float64Array.from(samples)] }, 0, hz).seconds * 1000
}

function portOf(endpoint: Endpoint): number {
  return Number(endpoint.listening[0]?.split(':').at(-1))
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
