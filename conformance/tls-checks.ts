/** Scenarios of `sipp/` over TLS, with stunnel before SIPp, and certificates that do not fit. */

import { join } from 'node:path'
import type { Check } from './check.ts'
import { type OffhookProcess, startCall, startTlsAnswer } from './peers/offhook.ts'
import { freePort } from './peers/ports.ts'
import { startSipp } from './peers/sipp.ts'
import { type Stunnel, startStunnel } from './peers/stunnel.ts'
import { calleeScenarios } from './scenarios.ts'
import { describe, late } from './sipp-checks.ts'

export interface TlsSetting {
  /** The folder with the scenario files. */
  readonly scenarios: string
  /** The folder with the certificates of test/certificates. */
  readonly certificates: string
  /** Where logs go, a folder for each check. */
  readonly logs: string
}

/** SIPp calls `offhook answer --agent echo`. */
const callers: readonly string[] = [
  'caller-basic',
  'caller-compact',
  'caller-spelling',
  'caller-large',
  'caller-cancel-late',
  'caller-late-offer',
  'caller-hold',
  'caller-reinvite-codec',
  'caller-options',
  'caller-options-in-dialog',
  'caller-unknown-dialog',
]

/** `offhook call` calls SIPp. */
const callees: readonly string[] = [
  'callee-basic',
  'callee-hangs-up',
  'callee-401',
  'callee-407',
  'callee-busy',
  'callee-early-media',
  'callee-hold',
  'callee-cancelled',
]

export function tlsChecks(setting: TlsSetting): readonly Check[] {
  const { scenarios } = setting
  const scenario = (name: string, how: string, run: () => Promise<void>): Check => {
    const { title, rfc } = describe(join(scenarios, `${name}.xml`))
    return { name: `${name}-tls`, rfc, what: title, how, run }
  }
  return [
    ...callers.map(name => scenario(name, 'SIPp calls, TLS by stunnel', () => runCaller(setting, name))),
    ...callees.map(name =>
      scenario(name, 'SIPp is called, TLS by stunnel', () => runCallee(setting, name, {})),
    ),
    {
      name: 'tls-server-name',
      rfc: 'RFC 5922 7.1',
      what: 'a server that is reached by number is known by the domain in its certificate',
      how: 'SIPp is called, TLS by stunnel',
      run: () =>
        runCallee(setting, 'callee-basic', {
          party: 'sip-domain',
          args: ['--tls-servername', 'sip.example'],
        }),
    },
    {
      name: 'tls-client-certificate',
      rfc: 'RFC 5922 7.2',
      what: 'a server that demands a client certificate gets ours',
      how: 'SIPp is called, TLS by stunnel',
      run: () =>
        runCallee(setting, 'callee-basic', {
          lines: [`CAfile = ${file(setting, 'authority.pem')}`, 'verifyChain = yes'],
          args: ['--tls-cert', file(setting, 'client.pem'), '--tls-key', file(setting, 'client.key')],
        }),
    },
    {
      name: 'tls-wrong-name',
      rfc: 'RFC 5922 7.3',
      what: 'a certificate for another domain is refused, and the error names both',
      how: 'stunnel is called',
      run: () =>
        refused(setting, 'sip-domain', /the certificate is for sip\.example.*localhost was expected/),
    },
    {
      name: 'tls-untrusted',
      rfc: 'RFC 3261 26.3.1',
      what: 'a certificate nobody vouches for is refused',
      how: 'stunnel is called',
      run: () => refused(setting, 'stranger', /issued by nobody we trust/),
    },
  ]
}

async function runCaller(setting: TlsSetting, name: string): Promise<void> {
  const keys = ['--tls-cert', file(setting, 'localhost.pem'), '--tls-key', file(setting, 'localhost.key')]
  const { process, port } = await startTlsAnswer(await freePort(), ['--agent', 'echo', ...keys])
  let stunnel: Stunnel | undefined
  try {
    stunnel = await startStunnel({
      role: 'client',
      to: port,
      lines: [
        `CAfile = ${file(setting, 'authority.pem')}`,
        'verifyChain = yes',
        'checkHost = localhost',
        'sni = localhost',
      ],
    })
    const { passed } = await startSipp({
      scenario: { file: join(setting.scenarios, `${name}.xml`) },
      transport: 'tcp',
      target: { port: stunnel.port },
      folder: join(setting.logs, `${name}-tls`),
    })
    await passed
  } finally {
    await stunnel?.stop()
    await process.stop()
  }
}

interface CalleeTlsOptions {
  /** Whose certificate stunnel shows. Default `localhost`. */
  readonly party?: string
  /** For stunnel. */
  readonly lines?: readonly string[]
  /** For `offhook call`. */
  readonly args?: readonly string[]
}

async function runCallee(
  setting: TlsSetting,
  name: string,
  { party = 'localhost', lines = [], args = [] }: CalleeTlsOptions,
): Promise<void> {
  const { args: ownArgs = ['--duration', '1'], exit = 0, interruptAfterMs } = calleeScenarios[name] ?? {}
  const sipp = await startSipp({
    scenario: { file: join(setting.scenarios, `${name}.xml`) },
    transport: 'tcp',
    folder: join(setting.logs, `${name}-${party}-tls${args.length}`),
  })
  const stunnel = await startStunnel({
    role: 'server',
    to: sipp.port,
    lines: [...shows(setting, party), ...lines],
  })
  let call: OffhookProcess | undefined
  let timer: NodeJS.Timeout | undefined
  try {
    call = dial(setting, `127.0.0.1:${stunnel.port}`, [...ownArgs, ...args])
    if (interruptAfterMs !== undefined) {
      await call.event(({ event }) => event === 'calling')
      timer = setTimeout(() => call?.interrupt(), interruptAfterMs)
    }
    await Promise.race([sipp.passed, endedFirst(call)])
    const code = await Promise.race([call.exit, late(5000)])
    if (code !== exit) {
      throw new Error(`offhook call ended with ${code ?? 'a signal'}, not ${exit}: ${call.errors}`)
    }
  } finally {
    clearTimeout(timer)
    await call?.stop()
    await stunnel.stop()
  }
}

/** A call that fails leaves SIPp waiting. */
async function endedFirst(call: OffhookProcess): Promise<void> {
  await call.exit
  await new Promise(resolve => setTimeout(resolve, 3000).unref())
}

/** The call must fail before a message is sent, and say why. */
async function refused(setting: TlsSetting, party: string, why: RegExp): Promise<void> {
  const stunnel = await startStunnel({ role: 'server', to: await freePort(), lines: shows(setting, party) })
  const call = dial(setting, `localhost:${stunnel.port}`, [])
  try {
    const code = await Promise.race([call.exit, late(10_000)])
    const said = `${JSON.stringify(call.events)}\n${call.errors}`
    if (code !== 1) throw new Error(`offhook call ended with ${code ?? 'a signal'}, not 1`)
    if (!why.test(said)) throw new Error(`offhook call did not say why: ${said}`)
  } finally {
    await call.stop()
    await stunnel.stop()
  }
}

function dial(setting: TlsSetting, where: string, args: readonly string[]): OffhookProcess {
  const trust = ['--tls-ca', file(setting, 'authority.pem')]
  return startCall(`sip:sipp@${where};transport=tls`, ['--listen', 'tcp://127.0.0.1:0', ...trust, ...args])
}

function shows(setting: TlsSetting, party: string): readonly string[] {
  return [`cert = ${file(setting, `${party}.pem`)}`, `key = ${file(setting, `${party}.key`)}`]
}

function file({ certificates }: TlsSetting, name: string): string {
  return join(certificates, name)
}
