/** OpenAI's models over SIP, against a stand-in on real sockets that keeps the habits of the real one. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  admitTrunk,
  bridge,
  bridgeCodecs,
  type Call,
  createEndpoint,
  createNodeRuntime,
  createTrunk,
  type IncomingCall,
  TrunkCallError,
  trunkOf,
  trunks,
} from '../src/index.ts'
import { onceForEachCall, openAiSipCalls, openAiWebhook } from '../src/agent/index.ts'
import { goertzelDbfs } from '../src/media/audio/goertzel.ts'
import { SimulatedResolver } from '../src/testing/simulated-resolver.ts'
import { repositoryRoot } from '../test/support/repository.ts'
import { sine } from './audio.ts'
import type { Check } from './check.ts'
import { modelHz, OpenAiStandIn } from './peers/openai-stand-in.ts'
import { until } from './within.ts'

const callerHz = 700

export function openAiChecks(): readonly Check[] {
  return [
    {
      name: 'openai-sip',
      rfc: 'RFC 3261 12, 3515, 4568',
      what: 'a caller bridged to a model of OpenAI: webhooks of both interfaces, accept, reject, refer, hangup, audio both ways',
      how: 'a stand-in, TLS and SRTP',
      run,
    },
    {
      name: 'openai-live-trunk',
      rfc: 'RFC 3261 22.2, 4568, 7587',
      what: 'the trunk that OpenAI Live dials: its password, TLS, SRTP and Opus, a tone each way',
      how: 'a stand-in, TLS and SRTP',
      run: liveDials,
    },
  ]
}

/** Calls come with digest over TLS, in Opus and SRTP, and from no address that is known. */
async function liveDials(): Promise<void> {
  const tls = tlsOfTests()
  const account = { username: 'live', password: 'secret' }
  const trunk = trunks.openai({ account: 'proj_1', secure: true })
  const us = await createEndpoint({
    listen: ['tls://127.0.0.1:0'],
    tls,
    codecs: ['opus'],
    admission: admitTrunk(trunk, { digest: { ...account, realm: 'trunk.test' } }),
  })
  const live = await createEndpoint({ listen: ['tls://127.0.0.1:0'], tls, codecs: ['opus'] })
  const target = `sip:+15550100@localhost:${portOf(us.listening, 'tls')};transport=tls`
  const hears: number[] = []
  const names: (string | undefined)[] = []
  void us.serve(async call => {
    names.push(trunkOf(call))
    await call.answer({ srtp: 'required' })
    void call.media.output.at(8000).play(sine(callerHz, 10))
    for await (const { samples } of call.media.input.at(8000)) hears.push(...samples)
  })
  const dial = (password: string): Promise<Call> =>
    live.call(target, {
      srtp: 'required',
      trunk: { aor: 'sip:live@trunk.test', credentials: { ...account, password } },
    })
  try {
    const refused: unknown = await dial('wrong').catch((error: unknown) => error)
    expect((refused as { statusCode?: number }).statusCode, 403, 'the answer to a wrong password')
    const call = await dial(account.password)
    void call.media.output.at(8000).play(sine(modelHz, 10))
    const heard: number[] = []
    void (async () => {
      for await (const { samples } of call.media.input.at(8000)) heard.push(...samples)
    })()
    await until(() => heard.length > 16_000 && hears.length > 16_000, 'audio both ways')
    loud(heard, callerHz, modelHz, 'the model hears us')
    loud(hears, modelHz, callerHz, 'we hear the model')
    expect(call.media.codec.name, 'opus', 'the codec')
    expect(call.media.stats().srtp?.suite !== undefined, true, 'SRTP')
    expect(names.join(), 'openai', 'the trunk of its call')
    await call.hangup()
  } finally {
    await Promise.all([us.close(), live.close()])
  }
}

async function run(): Promise<void> {
  const tls = tlsOfTests()
  const resolver = new SimulatedResolver()
  const runtime = { ...createNodeRuntime(), resolver }
  // Decided about in the order of the calls.
  const decisions = ['accept', 'reject', 'accept'] as const
  const told: string[] = []
  const answers: string[] = []
  const once = onceForEachCall('realtime')
  let standIn: OpenAiStandIn | undefined
  const webhooks = await runtime.network.listenHttp({
    host: '127.0.0.1',
    port: 0,
    onRequest: async ({ headers, body }) => {
      if (standIn === undefined) return { status: 503 }
      const { secret, baseUrl } = standIn
      const call = openAiWebhook({ secret, headers: Object.fromEntries(headers), body, now: Date.now() })
      if (call === undefined) return { status: 200 }
      const api = openAiSipCalls({ dialect: call.dialect, apiKey: 'sk-test', baseUrl })
      told.push(`${call.dialect} ${call.header('x-order') ?? ''} ${call.mediaSecurity ?? ''}`.trim())
      const decision = once(call) ? decisions[answers.length / 2] : 'accept'
      answers.push(await (decision === 'reject' ? api.reject(call.id) : api.accept(call.id, { model: 'm' })))
      return { status: 200 }
    },
  })
  standIn = await OpenAiStandIn.open({ tls }, runtime, `http://127.0.0.1:${webhooks.local.port}/`)
  const us = await createEndpoint({ listen: ['udp://127.0.0.1:0', 'tls://127.0.0.1:0'], tls, runtime })
  const caller = await createEndpoint({ listen: ['udp://127.0.0.1:0'], codecs: ['PCMU'], runtime })
  const standInPort = portOf(standIn.endpoint.listening, 'tls')
  resolver.setSrv('_sips._tcp.sip.api.openai.com', [{ host: 'stand-in.test', port: standInPort }])
  resolver.setAddresses('stand-in.test', ['127.0.0.1'])
  const trunk = createTrunk(
    us,
    trunks.openai({ account: 'proj_1', caller: '+15550199', secure: true, headers: [['X-Order', '77']] }),
  )
  const transferred: IncomingCall[] = []
  void caller.serve(async call => {
    transferred.push(call)
    await call.answer()
    await call.ended
  })
  const refusals: number[] = []
  void us.serve(async call => {
    try {
      const model = await trunk.call('+15550100', { codecs: bridgeCodecs(call) })
      model.on('transfer', request => void request.accept({ ringTimeoutMs: 3000 }).catch(() => {}))
      await call.answer({ codecs: bridgeCodecs(model) })
      await (
        await bridge(call, model, { hangup: 'both' })
      ).ended
    } catch (error) {
      if (!(error instanceof TrunkCallError)) throw error
      refusals.push(error.statusCode ?? 0)
      call.reject(error.statusCode ?? 500)
    }
  })
  const target = `sip:+15550100@127.0.0.1:${portOf(us.listening, 'udp')}`
  try {
    const call = await caller.call(target)
    void call.media.output.play(sine(callerHz, 10))
    const heard: number[] = []
    void (async () => {
      for await (const { samples } of call.media.input.at(8000)) heard.push(...samples)
    })()
    const [first] = standIn.calls
    await until(() => heard.length > 16_000 && (first?.hears.length ?? 0) > 16_000, 'audio both ways')
    loud(heard, modelHz, callerHz, 'the caller hears the model')
    loud(first?.hears ?? [], callerHz, modelHz, 'the model hears the caller')
    await until(() => answers.length === 2, 'both webhooks')
    expect(told.join(), 'realtime 77 srtp,live 77', 'what the webhooks tell')
    expect(answers.join(), 'accepted,already-decided', 'the decisions')
    const api = openAiSipCalls({ dialect: 'realtime', apiKey: 'sk-test', baseUrl: standIn.baseUrl })
    await api.refer('rtc_1', `sip:desk@127.0.0.1:${portOf(caller.listening, 'udp')}`)
    await until(() => transferred.length === 1, 'the call to where the model refers')
    await call.hangup()
    await transferred[0]?.hangup()

    const refused: unknown = await caller.call(target).catch((error: unknown) => error)
    expect((refused as { statusCode?: number }).statusCode, 603, 'the status of a call that is rejected')
    expect(refusals.join(), '603', 'what the trunk told of it')

    const second = await caller.call(target)
    await api.hangup('rtc_3')
    const { by } = await second.ended
    expect(by, 'remote', 'who hung up')
  } finally {
    await trunk.close()
    await Promise.all([us.close(), caller.close(), standIn.close(), webhooks.close()])
  }
}

function tlsOfTests(): { cert: string; key: string; ca: string; servername: string } {
  return {
    cert: pem('localhost.pem'),
    key: pem('localhost.key'),
    ca: pem('authority.pem'),
    servername: 'localhost',
  }
}

function pem(name: string): string {
  return readFileSync(join(repositoryRoot, 'test', 'certificates', name), 'utf8')
}

function loud(samples: readonly number[], hz: number, otherHz: number, what: string): void {
  const last = Int16Array.from(samples.slice(-8000))
  const [level, other] = [goertzelDbfs(last, 8000, hz), goertzelDbfs(last, 8000, otherHz)]
  if (!(level > -25 && other < level - 20))
    throw new Error(`${what}: ${Math.round(level)} dBFS, and ${Math.round(other)} of the other`)
}

function portOf(listening: readonly string[], transport: string): number {
  return Number(
    listening
      .find(url => url.startsWith(`${transport}:`))
      ?.split(':')
      .at(-1),
  )
}

function expect(actual: unknown, expected: unknown, what: string): void {
  if (actual !== expected) throw new Error(`${what}: ${String(actual)} in place of ${String(expected)}`)
}
