/** Models of OpenAI as agents over their WebSocket, behind a stand-in of the API: called by SIPp, and octet for octet. */

import { join } from 'node:path'
import { type Agent, openAiAgent } from '../src/agent/index.ts'
import { createEndpoint, runAgent } from '../src/index.ts'
import { findTone } from './audio.ts'
import type { Check } from './check.ts'
import { freeUdpPort } from './peers/ports.ts'
import { goodbyeHz, modelHz, RealtimeModel } from './peers/realtime-model.ts'
import { hasSipp, startSipp } from './peers/sipp.ts'
import { until } from './within.ts'

/** What was heard, as SIPp gives it back and as the model is told: a late packet leaves a hole of a piece. */
const toleranceMs = 600
const how = 'the Realtime API on a WebSocket'

export function openAiEngineChecks({
  scenarios,
  logs,
}: {
  readonly scenarios: string
  readonly logs: string
}): readonly Check[] {
  const octets: Check = {
    name: 'openai-octets',
    rfc: 'RFC 3551 4.5.14',
    what: 'a model of OpenAI hears and speaks G.711 as it is, octet for octet',
    how,
    run: octetForOctet,
  }
  if (!hasSipp()) return [octets]
  const sipp: Check = {
    name: 'openai-sipp',
    rfc: 'RFC 4733 2.3, 3264 5.1',
    what: 'a model of OpenAI is heard, told of keys, cut off where it was heard, says goodbye and hangs up',
    how: `SIPp calls, ${how}`,
    run: () => fromSipp(join(scenarios, 'caller-keys-hung-up.xml'), join(logs, 'openai-sipp')),
  }
  return [octets, sipp]
}

/** The model of the stand-in does what it is told in text: 1 interrupts it, # has it hang up. */
function agentAt(url: string): Agent {
  return openAiAgent({
    apiKey: 'sk-test',
    dialect: 'realtime',
    model: 'gpt-realtime',
    url,
    greeting: true,
    endCall: true,
    dtmf: ({ digit }, talk) => {
      talk.tell(digit)
      if (digit !== '1') talk.respond()
    },
  })
}

async function withModel(run: (model: RealtimeModel, port: number) => Promise<void>): Promise<void> {
  const model = await RealtimeModel.start()
  const endpoint = await createEndpoint({ listen: ['udp://127.0.0.1:0'], codecs: ['PCMU'] })
  const errors: string[] = []
  endpoint.on('error', error => errors.push(error.message))
  try {
    void runAgent(endpoint, agentAt(model.url))
    await run(model, Number(endpoint.listening[0]?.split(':').at(-1)))
    if (errors.length > 0) throw new Error(errors.join('; '))
  } finally {
    await endpoint.close()
    await model.stop()
  }
}

async function fromSipp(scenario: string, folder: string): Promise<void> {
  await withModel(async (model, port) => {
    const sipp = await startSipp({
      scenario: { file: scenario },
      transport: 'udp',
      target: { port, user: 'model' },
      folder,
      // It gives back what it hears, so that the model hears itself as the phone did.
      args: ['-rtp_echo', '-mp', String(await freeUdpPort())],
    })
    await sipp.passed
    const conversation = await model.conversation()
    await conversation.end()
    const [cut, ...more] = conversation.all('conversation.item.truncate')
    if (cut === undefined || more.length > 0)
      throw new Error(`The model was told ${1 + more.length} times of an interruption`)
    const toldMs = Number(cut['audio_end_ms'])
    const heardMs = toneMs(conversation.heard, modelHz)
    if (toldMs < 500 || Math.abs(toldMs - heardMs) > toleranceMs)
      throw new Error(`${toldMs} ms are said to have been heard; ${heardMs} ms came back from SIPp`)
    const goodbyeMs = toneMs(conversation.heard, goodbyeHz)
    if (goodbyeMs < 200) throw new Error(`Of 600 ms of goodbye ${goodbyeMs} ms were heard`)
  })
}

async function octetForOctet(): Promise<void> {
  await withModel(async (model, port) => {
    const phone = await createEndpoint({ listen: ['udp://127.0.0.1:0'], codecs: ['PCMU'] })
    try {
      const call = await phone.call(`sip:model@127.0.0.1:${port}`)
      const heard: number[] = []
      void (async () => {
        for await (const { samples } of call.media.input) heard.push(...samples)
      })()
      const conversation = await model.conversation()
      await conversation.event('response.create')
      // Every value of G.711 but its second zero, in an order that does not repeat.
      const said = Int16Array.from({ length: 16_000 }, (_, at) => valueOf((at * at + 7 * at) % 251))
      await call.media.output.play(said)
      await until(() => conversation.heard.length > 16_000, 'the model hears the caller', 5000)
      const toModel = conversation.heard.map(sample => Math.round(sample * 32_768))
      if (!holds(toModel, said.subarray(8000, 9600)))
        throw new Error('What the model hears is not what the caller says')
      // The tone of the stand-in, which has a period of 200 samples.
      const periods = heard.slice(8000, 8400)
      const [first, second] = [periods.slice(0, 200), periods.slice(200)]
      if (first.every(sample => sample === 0) || first.some((sample, at) => sample !== second[at]))
        throw new Error('What the caller hears is not what the model says')
      await call.hangup()
      await conversation.end()
    } finally {
      await phone.close()
    }
  })
}

/** Of a code of μ-law, without any of our own code. */
function valueOf(code: number): number {
  const bits = ~code & 0xff
  const magnitude = ((((bits & 0x0f) << 3) + 0x84) << ((bits & 0x70) >> 4)) - 0x84
  return (bits & 0x80) === 0 ? magnitude : -magnitude
}

function holds(all: readonly number[], piece: Int16Array): boolean {
  return all.some((_, from) => piece.every((sample, at) => all[from + at] === sample))
}

/** How long a tone is there, give or take a tenth of a second. */
function toneMs(samples: readonly number[], hz: number): number {
  return findTone({ sampleRate: 8000, channels: [Float64Array.from(samples)] }, 0, hz).seconds * 1000
}
