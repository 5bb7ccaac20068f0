/** Session timers, redirections, reasons, limits and requests of calls: SIPp against an endpoint made for each scenario. */

import { join } from 'node:path'
import {
  createEndpoint,
  type Call,
  type CallEnded,
  type Endpoint,
  type EndpointOptions,
  type IncomingCall,
} from '../src/index.ts'
import type { Check } from './check.ts'
import { freePort } from './peers/ports.ts'
import { startSipp } from './peers/sipp.ts'
import { describe } from './sipp-checks.ts'

type Transport = 'udp' | 'tcp'

type Dial = (endpoint: Endpoint, target: string) => Promise<void>

interface Scenario {
  readonly options?: EndpointOptions
  readonly transports?: readonly Transport[]
  readonly timeoutMs?: number
  /** SIPp calls: the handler. Default: answer and wait for the end. */
  readonly serve?: (call: IncomingCall) => Promise<void> | void
  /** SIPp is called: what to do with its address. Default of a `callee-` scenario: call, talk for half a second, hang up. */
  readonly dial?: Dial
  /** The endpoint takes no new calls. */
  readonly draining?: boolean
  /** How calls ended that SIPp made. */
  readonly ended?: Partial<CallEnded>
}

const longCall = 75_000

async function answer(call: IncomingCall): Promise<void> {
  await call.answer()
  await call.ended
}

/** Calls, does that, and hangs up. */
function during(act: (call: Call) => Promise<void>): Dial {
  return async (endpoint, target) => {
    const call = await endpoint.call(target)
    await act(call)
    await call.hangup()
  }
}

/** The call must fail like this. */
function failing(expected: Partial<CallEnded> & { readonly targets?: readonly string[] }): Dial {
  return async (endpoint, target) => {
    const calling = endpoint.call(target)
    const made = endpoint.calls[0]
    await calling.then(
      () => Promise.reject(new Error('the call was answered')),
      () => undefined,
    )
    if (made !== undefined) mustMatch(await made.ended, expected)
  }
}

function mustMatch(ended: CallEnded, expected: Partial<CallEnded>): void {
  for (const [name, value] of Object.entries(expected)) {
    const found = ended[name as keyof CallEnded]
    if (JSON.stringify(found) !== JSON.stringify(value)) {
      throw new Error(`the call ended with ${name} ${JSON.stringify(found)}, not ${JSON.stringify(value)}`)
    }
  }
}

async function must(response: Promise<{ readonly statusCode: number }>, statusCode: number): Promise<void> {
  const found = (await response).statusCode
  if (found !== statusCode) throw new Error(`${found} came, not ${statusCode}`)
}

const wait = during(call => call.sleep(500))
/** Until a refresh at half of 90 s has gone by. */
const waitLong = during(call => call.sleep(46_000))
const requests: EndpointOptions['requests'] = {
  INFO: ({ request }) => ({
    statusCode: 200,
    headers: [['X-Signal', /Signal=(\d)/.exec(Buffer.from(request.body).toString())?.[1] ?? 'none']],
  }),
  MESSAGE: () => undefined,
}
const text = { contentType: 'text/plain', body: 'hello' }

const scenarios: Readonly<Record<string, Scenario>> = {
  'caller-session-timer': {},
  'caller-session-timer-reinvite': {},
  'caller-session-timer-422': {},
  'caller-session-timer-unknown': {},
  'caller-session-timer-change': {},
  'caller-session-timer-uas': { timeoutMs: longCall },
  'caller-session-expires': { timeoutMs: longCall, ended: { by: 'timeout', cause: 'session-expired' } },
  'caller-info': { options: { requests } },
  'caller-info-unhandled': {},
  'caller-message': { options: { requests } },
  'caller-message-in-dialog': { options: { requests } },
  'caller-message-unhandled': {},
  'caller-bye-reason': { ended: { by: 'remote', cause: 'hangup', q850: 31 } },
  'caller-rejected-cause': { serve: call => call.reject({ q850: 17 }), ended: { statusCode: 486, q850: 17 } },
  'caller-rings-out': {
    options: { ringTimeoutMs: 1_000 },
    serve: async call => {
      call.ring()
      await call.ended
    },
    ended: { cause: 'no-answer', statusCode: 480, q850: 19 },
  },
  'caller-not-handled': {
    options: { ringTimeoutMs: 1_000 },
    serve: async call => void (await call.ended),
    ended: { cause: 'no-answer', statusCode: 408 },
  },
  'caller-max-duration': { options: { maxDurationMs: 700 }, ended: { cause: 'max-duration', by: 'local' } },
  'caller-long-uri': {},
  'caller-bad-header': {},
  'caller-overloaded': { draining: true },
  'callee-session-timer': { dial: waitLong, timeoutMs: longCall },
  'callee-session-timer-reinvite': { dial: waitLong, timeoutMs: longCall },
  'callee-session-timer-405': { dial: waitLong, timeoutMs: longCall },
  'callee-session-timer-422': {},
  'callee-session-timer-unknown': {},
  'callee-session-timer-refreshed': { dial: during(call => call.sleep(1_000)) },
  'callee-redirect-followed': { options: { followRedirects: { max: 1 } } },
  'callee-redirect-q': { options: { followRedirects: { max: 3 } } },
  'callee-redirect-loop': {
    options: { followRedirects: { max: 3 } },
    dial: failing({ cause: 'refused', statusCode: 302 }),
  },
  'callee-refused-reason': { dial: failing({ cause: 'refused', statusCode: 480, q850: 20 }) },
  'callee-bye-cause': {
    dial: async (endpoint, target) => {
      const call = await endpoint.call(target)
      await call.hangup({ reason: { protocol: 'Q.850', cause: 27 } })
    },
  },
  'callee-requests': {
    dial: during(async call => {
      await must(
        call.request('INFO', { body: { contentType: 'application/dtmf-relay', body: 'Signal=5' } }),
        200,
      )
      await must(call.request('MESSAGE', { body: text }), 202)
      await must(call.request('OPTIONS'), 200)
    }),
  },
  'callee-options': { dial: (endpoint, target) => must(endpoint.request('OPTIONS', target), 200) },
  'callee-message': {
    dial: (endpoint, target) => must(endpoint.request('MESSAGE', target, { body: text }), 202),
  },
}

export function callControlChecks(setting: {
  readonly scenarios: string
  readonly logs: string
}): readonly Check[] {
  return Object.entries(scenarios).flatMap(([name, scenario]) => {
    const { title, rfc } = describe(join(setting.scenarios, `${name}.xml`))
    return (scenario.transports ?? (['udp', 'tcp'] as const)).map(transport => ({
      name: `${name}-${transport}`,
      rfc,
      what: title,
      how: `SIPp ${name.startsWith('callee-') ? 'is called' : 'calls'}, ${transport.toUpperCase()}`,
      run: () => run(setting, name, scenario, transport),
    }))
  })
}

async function run(
  setting: { readonly scenarios: string; readonly logs: string },
  name: string,
  scenario: Scenario,
  transport: Transport,
): Promise<void> {
  const port = await freePort()
  const endpoint = await createEndpoint({
    listen: [`${transport}://127.0.0.1:${port}`],
    rtp: { timeoutMs: 0 },
    ...scenario.options,
  })
  const sipp = {
    scenario: { file: join(setting.scenarios, `${name}.xml`) },
    transport,
    timeoutMs: scenario.timeoutMs ?? 30_000,
    folder: join(setting.logs, `${name}-${transport}`),
  }
  try {
    if (name.startsWith('callee-')) {
      const { port: calleePort, passed } = await startSipp(sipp)
      const target = `sip:sipp@127.0.0.1:${calleePort}${transport === 'tcp' ? ';transport=tcp' : ''}`
      await Promise.all([passed, (scenario.dial ?? wait)(endpoint, target)])
      return
    }
    const ends: Promise<CallEnded>[] = []
    void endpoint.serve(async call => {
      ends.push(call.ended)
      await (scenario.serve ?? answer)(call)
    })
    if (scenario.draining === true) await endpoint.drain()
    const { passed } = await startSipp({ ...sipp, target: { port } })
    await passed
    if (scenario.ended === undefined) return
    const [ended] = await Promise.all(ends)
    if (ended === undefined) throw new Error('no call came')
    mustMatch(ended, scenario.ended)
  } finally {
    await endpoint.close({ giveUpMs: 500 })
  }
}
