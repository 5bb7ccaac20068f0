/** Registration against Kamailio, and baresip against our registrar. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createEndpoint } from '../src/call/endpoint.ts'
import type { Endpoint } from '../src/call/endpoint.ts'
import type { Registration } from '../src/call/registration.ts'
import { createNodeRuntime } from '../src/runtime/node.ts'
import { SipAuthError } from '../src/sip/auth/client.ts'
import { UserAgentCore } from '../src/sip/dialog/core.ts'
import { SipResponseError } from '../src/sip/dialog/errors.ts'
import { MemoryLocationStore } from '../src/sip/registration/location-store.ts'
import { Registrar } from '../src/sip/registration/registrar.ts'
import { registrarExtensions } from '../src/sip/registration/registrar-options.ts'
import { TransactionLayer } from '../src/sip/transaction/transaction-layer.ts'
import { TransportLayer } from '../src/sip/transport/transport-layer.ts'
import { repositoryRoot } from '../test/support/repository.ts'
import type { TransportTlsOptions } from '../src/sip/transport/streams.ts'
import type { Check } from './check.ts'
import { Baresip } from './peers/baresip.ts'
import { Kamailio } from './peers/kamailio.ts'

type Transport = 'udp' | 'tcp' | 'tls'
type Algorithm = 'MD5' | 'SHA-256'

const transports: readonly Transport[] = ['udp', 'tcp', 'tls']
const password = 'wonderland'

export function kamailioRegistrationChecks(logs: string): readonly Check[] {
  const calls = transports.flatMap(transport =>
    (['MD5', 'SHA-256'] as const).map(algorithm => {
      const name = `kamailio-register-${transport}-${algorithm}`
      return {
        name,
        rfc: 'RFC 3261 10.2, 16.12, 22',
        what: `registers, calls and is called with Record-Route, challenged with ${algorithm}`,
        how: `Kamailio, ${transport.toUpperCase()}`,
        run: () => callsThroughKamailio(join(logs, name), transport, algorithm),
      }
    }),
  )
  return [
    ...calls,
    {
      name: 'kamailio-register-brief',
      rfc: 'RFC 3261 10.2.8',
      what: 'an interval that is too brief is made longer',
      how: 'Kamailio, UDP',
      run: () => tooBrief(join(logs, 'kamailio-register-brief')),
    },
    {
      name: 'kamailio-register-wrong-password',
      rfc: 'RFC 3261 22.2',
      what: 'a wrong password is told once and not tried again',
      how: 'Kamailio, UDP',
      run: () => wrongPassword(join(logs, 'kamailio-register-wrong-password')),
    },
    {
      name: 'kamailio-register-restart',
      rfc: 'RFC 5626 4.4, 4.5',
      what: 'registers again when the registrar has gone and come back',
      how: 'Kamailio, TCP',
      run: () => restart(join(logs, 'kamailio-register-restart')),
    },
  ]
}

interface Setting {
  readonly kamailio: Kamailio
  readonly open: (transport: Transport) => Promise<Endpoint>
}

/** Starts Kamailio, and ends it and every endpoint afterwards. */
async function withKamailio(
  folder: string,
  algorithm: Algorithm,
  transport: Transport,
  work: (setting: Setting) => Promise<void>,
): Promise<void> {
  const kamailio = await startKamailio(folder, algorithm, transport)
  const endpoints: Endpoint[] = []
  try {
    await work({
      kamailio,
      open: async transport => {
        const endpoint = await createEndpoint({
          listen: [`${transport}://127.0.0.1:0`],
          ...(transport === 'tls' && { tls: tlsOfEndpoints() }),
        })
        endpoints.push(endpoint)
        return endpoint
      },
    })
  } finally {
    await Promise.all(endpoints.map(endpoint => endpoint.close({ giveUpMs: 1000 })))
    await kamailio.stop()
  }
}

function startKamailio(
  folder: string,
  algorithm: Algorithm,
  transport: Transport,
  port?: number,
): Promise<Kamailio> {
  return Kamailio.start({
    ...(transport === 'tls'
      ? { config: 'registrar-tls.cfg', listens: ['tcp'] as const }
      : { config: 'registrar.cfg' }),
    words: {
      ALGORITHM: algorithm,
      CERTIFICATE: certificate('localhost.pem'),
      KEY: certificate('localhost.key'),
    },
    folder,
    timeoutMs: 30_000,
    ...(port === undefined ? {} : { port }),
  })
}

function certificate(name: string): string {
  return join(repositoryRoot, 'test', 'certificates', name)
}

function tlsOfEndpoints(): TransportTlsOptions {
  const [cert, key, ca] = ['localhost.pem', 'localhost.key', 'authority.pem'].map(name =>
    readFileSync(certificate(name), 'utf8'),
  )
  return { ...(cert && { cert }), ...(key && { key }), ...(ca && { ca }) }
}

function register(endpoint: Endpoint, user: string, port: number, transport: Transport): Registration {
  return endpoint.register({
    aor: `sip:${user}@127.0.0.1`,
    registrar: `sip:127.0.0.1:${port};transport=${transport}`,
    credentials: { username: user, password },
    backOff: { baseMs: 1000 },
  })
}

async function callsThroughKamailio(
  folder: string,
  transport: Transport,
  algorithm: Algorithm,
): Promise<void> {
  await withKamailio(folder, algorithm, transport, async ({ kamailio: { port }, open }) => {
    const [alice, bob] = await Promise.all([open(transport), open(transport)])
    const registrations = {
      alice: register(alice, 'alice', port, transport),
      bob: register(bob, 'bob', port, transport),
    }
    await within(5000, Promise.all([registrations.alice.ready, registrations.bob.ready]), 'registered')
    await callsAndHangsUp(alice, registrations.alice, bob, `sip:bob@127.0.0.1:${port}`, 'caller')
    await callsAndHangsUp(bob, registrations.bob, alice, `sip:alice@127.0.0.1:${port}`, 'callee')
    await within(5000, registrations.bob.unregister(), 'unregistered')
    const called = alice.call(`sip:bob@127.0.0.1:${port}`, { registration: registrations.alice })
    const error: unknown = await called.then(
      () => undefined,
      (refused: unknown) => refused,
    )
    if (!(error instanceof SipResponseError && error.statusCode === 404))
      throw new Error(`After unregister a call was not answered 404: ${String(error)}`)
  })
}

async function callsAndHangsUp(
  caller: Endpoint,
  registration: Registration,
  callee: Endpoint,
  target: string,
  whoHangsUp: 'caller' | 'callee',
): Promise<void> {
  const stop = new AbortController()
  let recorded: string | undefined
  const ended = new Promise<string>((resolve, reject) => {
    void callee.serve(
      async call => {
        recorded = call.headers.get('Record-Route')
        await call.answer()
        if (whoHangsUp === 'callee') await call.hangup()
        resolve((await call.ended).cause)
      },
      { signal: stop.signal },
    )
    callee.once('error', reject)
  })
  try {
    const call = await within(5000, caller.call(target, { registration }), 'answered')
    if (whoHangsUp === 'caller') await call.hangup()
    const causes = await within(5000, Promise.all([call.ended, ended]), 'hung up')
    if (causes[0].cause !== 'hangup' || causes[1] !== 'hangup')
      throw new Error(`The call ended with ${causes[0].cause} and ${causes[1]}`)
    if (recorded === undefined) throw new Error('The INVITE came without Record-Route: not through Kamailio')
  } finally {
    stop.abort()
  }
}

async function tooBrief(folder: string): Promise<void> {
  await withKamailio(folder, 'MD5', 'udp', async ({ kamailio: { port }, open }) => {
    const endpoint = await open('udp')
    const registration = endpoint.register({
      aor: 'sip:alice@127.0.0.1',
      registrar: `sip:127.0.0.1:${port}`,
      credentials: { username: 'alice', password },
      expiresSeconds: 5,
    })
    await within(5000, registration.ready, 'registered')
    if (registration.expiresSeconds !== 20)
      throw new Error(`It was granted ${registration.expiresSeconds} seconds, not the 20 Kamailio asks for`)
  })
}

async function wrongPassword(folder: string): Promise<void> {
  await withKamailio(folder, 'MD5', 'udp', async ({ kamailio: { port }, open }) => {
    const endpoint = await open('udp')
    const registration = endpoint.register({
      aor: 'sip:alice@127.0.0.1',
      registrar: `sip:127.0.0.1:${port}`,
      credentials: { username: 'alice', password: 'nonsense' },
    })
    const error: unknown = await within(5000, registration.ready, 'refused').catch(
      (refused: unknown) => refused,
    )
    if (!(error instanceof SipAuthError))
      throw new Error(`It was not refused for its password: ${String(error)}`)
    if (registration.state !== 'failed') throw new Error(`It is ${registration.state}`)
  })
}

async function restart(folder: string): Promise<void> {
  const endpoint = await createEndpoint({ listen: ['tcp://127.0.0.1:0'] })
  let kamailio = await startKamailio(join(folder, 'first'), 'MD5', 'tcp')
  try {
    const registration = register(endpoint, 'alice', kamailio.port, 'tcp')
    await within(5000, registration.ready, 'registered')
    const lost = new Promise<void>(resolve => registration.once('failed', () => resolve()))
    await kamailio.stop()
    await within(5000, lost, 'told of the lost connection')
    const back = new Promise<void>(resolve => registration.once('registered', () => resolve()))
    kamailio = await startKamailio(join(folder, 'second'), 'MD5', 'tcp', kamailio.port)
    await within(15_000, back, 'registered again')
  } finally {
    await endpoint.close({ giveUpMs: 1000 })
    await kamailio.stop()
  }
}

export function baresipRegistrationChecks(logs: string): readonly Check[] {
  const name = 'baresip-registers'
  return [
    {
      name,
      rfc: 'RFC 3261 10.3',
      what: 'registers with our registrar, is called where it registered, and unregisters',
      how: 'baresip, UDP',
      run: () => baresipRegisters(join(logs, name)),
    },
  ]
}

async function baresipRegisters(folder: string): Promise<void> {
  const runtime = createNodeRuntime()
  const { clock, random } = runtime
  const transport = new TransportLayer({
    runtime,
    listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }],
  })
  const transactions = new TransactionLayer({ transport, clock, random })
  const core = new UserAgentCore({ transactions, transport, runtime, supported: registrarExtensions })
  const store = new MemoryLocationStore({ clock })
  const registrar = new Registrar({ clock, store, domains: ['127.0.0.1'] })
  core.onRequest = request => registrar.take(request)
  const added = new Promise<void>(resolve => {
    registrar.onEvent = ({ kind }) => {
      if (kind === 'added') resolve()
    }
  })
  await transport.open()
  const registrarPort = transport.bound[0]?.local.port ?? 0
  const endpoint = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  let baresip: Baresip | undefined
  try {
    baresip = await Baresip.start({ folder, toneHz: 1000, codec: 'PCMU', registrarPort, timeoutMs: 20_000 })
    await within(8000, added, 'registered')
    const [contact] = await registrar.lookup('sip:baresip@127.0.0.1')
    const call = await within(5000, endpoint.call(contact?.target ?? ''), 'answered')
    const { cause } = await call.hangup()
    if (cause !== 'hangup') throw new Error(`The call ended with ${cause}`)
    await baresip.stop()
    baresip = undefined
    if (store.size > 0) throw new Error('It has not taken its binding away')
  } finally {
    await baresip?.stop()
    await endpoint.close({ giveUpMs: 1000 })
    store.clear()
    transactions.close()
    await transport.close()
  }
}

async function within<T>(ms: number, work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Not ${what} within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
