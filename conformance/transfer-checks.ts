/** Transfers with SIPp as every party: transferor, transferee, target of a transfer, and the caller that takes a call over. */

import { join } from 'node:path'
import type { Call, Endpoint, IncomingCall, TransferOptions, TransferResult } from '../src/index.ts'
import { createEndpoint } from '../src/index.ts'
import type { Check } from './check.ts'
import { startSipp, type SippRun } from './peers/sipp.ts'
import { describe } from './sipp-checks.ts'

type Transport = 'udp' | 'tcp'
type Expected = Partial<Pick<TransferResult, 'outcome' | 'cause' | 'statusCode'>>

const credentials = { username: 'alice', password: 'wonderland' }
const notified = { cause: 'notified' } as const

/** What we make of each ending that SIPp, the transferee, plays. */
const transferees: Readonly<
  Record<string, { readonly expected: Expected; readonly options?: TransferOptions }>
> = {
  reaches: { expected: { outcome: 'transferred', statusCode: 200, ...notified } },
  200: { expected: { outcome: 'transferred', statusCode: 200, ...notified } },
  302: { expected: { outcome: 'failed', statusCode: 302, ...notified } },
  404: { expected: { outcome: 'failed', statusCode: 404, ...notified } },
  486: { expected: { outcome: 'failed', statusCode: 486, ...notified } },
  503: { expected: { outcome: 'failed', statusCode: 503, ...notified } },
  603: { expected: { outcome: 'failed', statusCode: 603, ...notified } },
  'refuses-405': { expected: { outcome: 'refused', statusCode: 405, cause: 'refer-refused' } },
  'refuses-603': { expected: { outcome: 'refused', statusCode: 603, cause: 'refer-refused' } },
  401: { expected: { outcome: 'transferred', statusCode: 200 }, options: { credentials } },
  407: { expected: { outcome: 'transferred', statusCode: 200 }, options: { credentials } },
  'notify-first': { expected: { outcome: 'transferred', statusCode: 200, ...notified } },
  'no-body': { expected: { outcome: 'unknown', cause: 'ended-without-word' } },
  'no-notify': { expected: { outcome: 'unknown', cause: 'silence' }, options: { timeoutMs: 1500 } },
  'bye-first': { expected: { outcome: 'unknown', cause: 'hung-up' } },
  'bye-then-notify': { expected: { outcome: 'transferred', statusCode: 200, ...notified } },
  norefersub: { expected: { outcome: 'unknown', cause: 'no-notify' }, options: { notify: false } },
}

/** Scenarios in which SIPp calls us and sends the REFER, and whether anybody here takes transfers. */
const transferors: Readonly<Record<string, { readonly takes?: false }>> = {
  reaches: {},
  rings: {},
  busy: {},
  norefersub: {},
  481: {},
  bye: {},
  declined: { takes: false },
  'no-refer-to': {},
  'two-refer-to': {},
  scheme: {},
  outside: {},
  'unknown-call': {},
}

const takeovers = ['confirmed', 'early-only', 'unknown', 'wrong-side', 'unreadable'] as const

export interface TransferSetting {
  readonly scenarios: string
  readonly logs: string
}

export function transferChecks(setting: TransferSetting): readonly Check[] {
  const both = ['udp', 'tcp'] as const
  const of = (
    name: string,
    how: string,
    run: (folder: string, transport: Transport) => Promise<void>,
  ): readonly Check[] => {
    const { title: what, rfc } = describe(join(setting.scenarios, `${name}.xml`))
    return both.map(transport => ({
      name: `${name}-${transport}`,
      rfc,
      what,
      how: `${how}, ${transport.toUpperCase()}`,
      run: () => run(join(setting.logs, `${name}-${transport}`), transport),
    }))
  }
  const { scenarios } = setting
  return [
    ...Object.entries(transferees).flatMap(([name, { expected, options }]) =>
      of(`transferee-${name}`, 'SIPp is transferred', (folder, transport) =>
        transfersSipp({ scenarios, folder, name: `transferee-${name}`, transport }, expected, options),
      ),
    ),
    ...Object.entries(transferors).flatMap(([name, { takes = true }]) =>
      of(`transferor-${name}`, 'SIPp transfers us', (folder, transport) =>
        isTransferred({ scenarios, folder, name: `transferor-${name}`, transport }, takes),
      ),
    ),
    ...takeovers.flatMap(name =>
      of(`replaces-${name}`, 'SIPp takes a call over', (folder, transport) =>
        isTransferred({ scenarios, folder, name: `replaces-${name}`, transport }, true),
      ),
    ),
    ...of('transferee-attended', 'SIPp is transferred to SIPp', (folder, transport) =>
      transfersToConsulted({ scenarios, folder, name: 'transferee-attended', transport }),
    ),
    ...of('transfer-target-no-replaces', 'SIPp is called', (folder, transport) =>
      refusesWithoutReplaces({ scenarios, folder, name: 'transfer-target-no-replaces', transport }),
    ),
    ...of('transferor-attended', 'SIPp transfers us to SIPp', (folder, transport) =>
      isTransferredToSipp({ scenarios, folder, name: 'transferor-attended', transport }),
    ),
  ]
}

interface Setup {
  readonly scenarios: string
  readonly folder: string
  readonly name: string
  readonly transport: Transport
}

async function called({ scenarios, folder, name, transport }: Setup): Promise<SippRun & { uri: string }> {
  const sipp = await startSipp({
    scenario: { file: join(scenarios, `${name}.xml`) },
    transport,
    folder: join(folder, name),
  })
  return { ...sipp, uri: `sip:sipp@127.0.0.1:${sipp.port}${transport === 'tcp' ? ';transport=tcp' : ''}` }
}

async function withEndpoint(transport: Transport, use: (endpoint: Endpoint) => Promise<void>): Promise<void> {
  const endpoint = await createEndpoint({ listen: [`${transport}://127.0.0.1:0`] })
  try {
    await use(endpoint)
  } finally {
    await endpoint.close()
  }
}

/** We call SIPp and transfer it; what we say of it is compared with what SIPp played. */
async function transfersSipp(setup: Setup, expected: Expected, options: TransferOptions = {}): Promise<void> {
  await withEndpoint(setup.transport, async endpoint => {
    const sipp = await called(setup)
    const call = await endpoint.call(sipp.uri)
    const result = await call.transfer('sip:desk@127.0.0.1:9', { hangupAfterMs: false, ...options })
    compare(result, expected)
    if (expected.cause === 'hung-up' || setup.name.includes('bye')) await call.ended
    // Whatever became of it, the call goes on until we end it.
    else await call.sleep(400)
    if (call.endedValue !== undefined && !setup.name.includes('bye')) {
      throw new Error('the transfer ended the call')
    }
    await call.hangup()
    await sipp.passed
  })
}

async function transfersToConsulted(setup: Setup): Promise<void> {
  await withEndpoint(setup.transport, async endpoint => {
    const target = await called({ ...setup, name: 'transfer-target-consulted' })
    const sipp = await called(setup)
    const call = await endpoint.call(sipp.uri)
    const consultation = await endpoint.call(target.uri)
    compare(await call.transfer(consultation, { hangupAfterMs: 200 }), { outcome: 'transferred' })
    await Promise.all([sipp.passed, target.passed])
  })
}

async function refusesWithoutReplaces(setup: Setup): Promise<void> {
  await withEndpoint(setup.transport, async endpoint => {
    const consulted = await called(setup)
    const sipp = await called({ ...setup, name: 'transfer-target-consulted' })
    const call = await endpoint.call(sipp.uri)
    const consultation = await endpoint.call(consulted.uri)
    compare(await call.transfer(consultation), { outcome: 'refused', cause: 'replaces-unsupported' })
    await Promise.all([call.hangup(), consultation.hangup()])
    await Promise.all([sipp.passed, consulted.passed])
  })
}

const desk: Readonly<Record<string, (call: IncomingCall) => Promise<void> | void>> = {
  busy: call => call.reject(486),
  rings: async call => {
    await call.sleep(300)
    call.ring()
    await call.sleep(300)
    await answers(call)
  },
}

async function answers(call: IncomingCall): Promise<void> {
  await call.answer()
  await call.ended
}

function takesTransfers(call: Call): void {
  call.on('transfer', request => {
    // SIPp may hang up, or the target may be busy: the NOTIFY has told.
    request.accept().then(
      next => setTimeout(() => void next.hangup(), 1500).unref(),
      () => {},
    )
  })
}

/** SIPp calls us; a second endpoint is the desk that it transfers us to. */
async function isTransferred(setup: Setup, takes: boolean): Promise<void> {
  const { transport } = setup
  await withEndpoint(transport, async desks =>
    withEndpoint(transport, async endpoint => {
      void desks.serve(call => (desk[userOf(call)] ?? answers)(call))
      void endpoint.serve(async call => {
        if (takes) takesTransfers(call)
        await answers(call)
      })
      const sipp = await callsUs(setup, endpoint, portOf(desks))
      await sipp.passed
    }),
  )
}

async function isTransferredToSipp(setup: Setup): Promise<void> {
  await withEndpoint(setup.transport, async endpoint => {
    void endpoint.serve(async call => {
      takesTransfers(call)
      await answers(call)
    })
    const target = await called({ ...setup, name: 'transfer-target-replaces' })
    const sipp = await callsUs(setup, endpoint, target.port)
    await Promise.all([sipp.passed, target.passed])
  })
}

function callsUs(setup: Setup, endpoint: Endpoint, deskPort: number): Promise<SippRun> {
  const { scenarios, folder, name, transport } = setup
  return startSipp({
    scenario: { file: join(scenarios, `${name}.xml`) },
    transport,
    target: { port: portOf(endpoint), user: 'agent' },
    folder,
    args: ['-key', 'desk', String(deskPort)],
  })
}

function portOf(endpoint: Endpoint): number {
  return Number(/:(\d+)$/.exec(endpoint.listening[0] ?? '')?.[1])
}

function userOf({ invite }: IncomingCall): string {
  return invite.uri.kind === 'sip' ? (invite.uri.user ?? '') : ''
}

function compare(result: TransferResult, expected: Expected): void {
  for (const key of ['outcome', 'cause', 'statusCode'] as const) {
    if (expected[key] === undefined || expected[key] === result[key]) continue
    throw new Error(`${key} is ${String(result[key])}, not ${String(expected[key])}: ${result.reason}`)
  }
}
