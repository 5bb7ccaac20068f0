import t from 'tap'
import { createRequest } from '../../../src/sip/message/build.ts'
import type { SipRequest } from '../../../src/sip/message/message.ts'
import { parseMessage } from '../../../src/sip/message/parser.ts'
import { serialise } from '../../../src/sip/message/serialiser.ts'
import type { Refusal } from '../../../src/sip/dialog/core-types.ts'
import { MemoryLocationStore } from '../../../src/sip/registration/location-store.ts'
import { Registrar } from '../../../src/sip/registration/registrar.ts'
import type { RegistrarEvent, RegistrarOptions } from '../../../src/sip/registration/registrar-options.ts'
import type { Flow } from '../../../src/sip/transport/flow.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

function flowFrom(address: string, port = 5060, transport: 'udp' | 'tcp' = 'udp'): Flow & { close(): void } {
  const listeners: (() => void)[] = []
  return {
    id: `${transport}|10.0.0.9|5060|${address}|${port}`,
    transport,
    reliable: transport === 'tcp',
    secure: false,
    local: { address: '10.0.0.9', port: 5060, family: 4 },
    remote: { address, port, family: 4 },
    bound: undefined,
    closed: false,
    send: () => {},
    hold: () => () => {},
    onClose: listener => {
      listeners.push(listener)
      return () => {}
    },
    close: () => {
      for (const listener of listeners) listener()
    },
  }
}

interface Sent {
  readonly to?: string
  readonly uri?: string
  readonly callId?: string
  readonly sequence?: number
  readonly headers?: readonly (readonly [string, string])[]
  readonly vias?: number
}

function register(contact: string | undefined, sent: Sent = {}): SipRequest {
  const { to = '<sip:alice@pbx.lab>', uri = 'sip:pbx.lab', callId = 'c1', sequence = 1, headers = [] } = sent
  const request = createRequest({
    method: 'REGISTER',
    uri,
    headers: [
      ...Array.from(
        { length: sent.vias ?? 1 },
        (_, index) => ['Via', `SIP/2.0/UDP 10.0.0.${index}:5060;branch=z9hG4bK${index}`] as const,
      ),
      ['Max-Forwards', '70'],
      ['From', `${to};tag=1`],
      ['To', to],
      ['Call-ID', callId],
      ['CSeq', `${sequence} REGISTER`],
      ...(contact === undefined ? [] : [['Contact', contact] as const]),
      ...headers,
    ],
  })
  return parseMessage(serialise(request)) as SipRequest
}

function world(options: Partial<RegistrarOptions> = {}) {
  const clock = new VirtualClock()
  const store = new MemoryLocationStore({ clock })
  const registrar = new Registrar({
    clock,
    store,
    domains: ['pbx.lab', '10.0.0.9'],
    random: seededRandom(1),
    ...options,
  })
  const events: RegistrarEvent[] = []
  registrar.onEvent = event => events.push(event)
  const phone = flowFrom('10.0.0.1')
  const send = (contact: string | undefined, sent?: Sent, flow: Flow = phone): Promise<Refusal> =>
    registrar.answer(register(contact, sent), flow)
  return { clock, store, registrar, events, send }
}

function valuesOf(answer: Refusal, name: string): string[] {
  return [...(answer.headers ?? [])].filter(([key]) => key === name).map(([, value]) => value)
}

t.test('a binding is made, asked for, refreshed, removed and told of (RFC 3261 10.3)', async t => {
  const { clock, events, send, registrar } = world()
  const first = await send('"Al" <sip:alice@10.0.0.1>;q=0.5;expires=100')
  t.equal(first.statusCode, 200)
  t.same(valuesOf(first, 'Contact'), ['"Al" <sip:alice@10.0.0.1>;q=0.5;expires=100'])
  await clock.advance(40_000)
  const asked = await send(undefined, { callId: 'other' })
  t.same(
    valuesOf(asked, 'Contact'),
    ['"Al" <sip:alice@10.0.0.1>;q=0.5;expires=60'],
    'a query changes nothing',
  )
  await send('<sip:alice@10.0.0.1>;expires=200', { sequence: 2 })
  t.same(valuesOf(await send(undefined), 'Contact'), ['<sip:alice@10.0.0.1>;expires=200'])
  const gone = await send('<sip:alice@10.0.0.1>;expires=0', { sequence: 3 })
  t.same(valuesOf(gone, 'Contact'), [])
  t.same(await registrar.lookup('sip:alice@pbx.lab'), [])
  t.same(
    events.map(({ kind }) => kind),
    ['added', 'refreshed', 'removed'],
  )
})

t.test('bindings run out by themselves, one timer for all', async t => {
  const { clock, events, send, store } = world()
  await send('<sip:alice@10.0.0.1>;expires=100, <sip:alice@10.0.0.2>;expires=300')
  await send('<sip:bob@10.0.0.3>;expires=200', { to: '<sip:bob@pbx.lab>' })
  t.equal(clock.pendingTimers, 1)
  await clock.advance(150_000)
  t.same(
    events.filter(({ kind }) => kind === 'expired').map(({ binding }) => binding.uri),
    ['sip:alice@10.0.0.1'],
  )
  await clock.advance(200_000)
  t.equal(store.size, 0)
  t.equal(clock.pendingTimers, 0)
})

const table: readonly (readonly [what: string, contact: string | undefined, sent: Sent, expected: number])[] =
  [
    ['a domain of somebody else', '<sip:a@10.0.0.1>', { uri: 'sip:else.lab' }, 404],
    ['an address of record of another domain', '<sip:a@10.0.0.1>', { to: '<sip:alice@else.lab>' }, 404],
    ['an address of record that names nobody', '<sip:a@10.0.0.1>', { to: '<sip:pbx.lab>' }, 404],
    ['one the registrar does not know', '<sip:a@10.0.0.1>', { to: '<sip:nobody@pbx.lab>' }, 404],
    ['one that is forbidden', '<sip:a@10.0.0.1>', { to: '<sip:mallory@pbx.lab>' }, 403],
    ['too short an expiry', '<sip:a@10.0.0.1>;expires=10', {}, 423],
    ['the same in the header', '<sip:a@10.0.0.1>', { headers: [['Expires', '59']] }, 423],
    ['* without Expires: 0', '*', {}, 400],
    ['* with another Expires', '*', { headers: [['Expires', '60']] }, 400],
    ['* with Expires: 0', '*', { headers: [['Expires', '0']] }, 200],
    ['a contact with headers in it', '<sip:a@10.0.0.1?Subject=x>', {}, 400],
    ['too many contacts', '<sip:a@10.0.0.1>, <sip:a@10.0.0.2>, <sip:a@10.0.0.3>', {}, 403],
    ['an Expires that cannot be read', '<sip:a@10.0.0.1>', { headers: [['Expires', 'soon']] }, 200],
    ['a contact that is no URI', '<sip:a@@>', {}, 400],
    ['a tel URI as contact', '<tel:+15550100>', {}, 200],
  ]

for (const [what, contact, sent, expected] of table) {
  t.test(`${what}: ${expected}`, async t => {
    const { send } = world({
      maxContacts: 2,
      knows: aor => aor !== 'sip:nobody@pbx.lab',
      mayRegister: ({ user }) => user !== 'eve',
      authorize: (_request, _flow, { aor }) => ({
        kind: 'admitted',
        by: 'test',
        user: aor === 'sip:mallory@pbx.lab' ? 'eve' : 'alice',
      }),
    })
    const answer = await send(contact, sent)
    t.equal(answer.statusCode, expected)
    if (expected === 423) t.same(valuesOf(answer, 'Min-Expires'), ['60'])
  })
}

t.test('an expiry is cut down, and given when none is named', async t => {
  const { send } = world({ maxExpires: 600, defaultExpires: 120 })
  t.match(valuesOf(await send('<sip:a@10.0.0.1>;expires=9999'), 'Contact')[0], /expires=600$/)
  t.match(valuesOf(await send('<sip:a@10.0.0.1>', { sequence: 2 }), 'Contact')[0], /expires=120$/)
})

t.test(
  'an older request of the same Call-ID changes nothing, not even beside a newer contact (RFC 3261 10.3)',
  async t => {
    const { send } = world()
    await send('<sip:a@10.0.0.1>', { sequence: 5 })
    t.equal((await send('<sip:a@10.0.0.1>;expires=0', { sequence: 5 })).statusCode, 500)
    t.equal((await send('<sip:b@10.0.0.1>, <sip:a@10.0.0.1>', { sequence: 4 })).statusCode, 500)
    t.equal((await send('*', { sequence: 3, headers: [['Expires', '0']] })).statusCode, 500)
    t.equal(valuesOf(await send(undefined), 'Contact').length, 1)
    t.equal(
      (await send('<sip:a@10.0.0.1>;expires=0', { callId: 'new' })).statusCode,
      200,
      'a phone that has started anew',
    )
  },
)

t.test('URIs that are equal are one binding (RFC 3261 19.1.4)', async t => {
  const { send } = world()
  await send('<sip:alice@10.0.0.1;transport=udp;x=1>')
  await send('<sip:%61lice@10.0.0.1;Transport=UDP>', { sequence: 2 })
  t.equal(valuesOf(await send(undefined), 'Contact').length, 1)
})

t.test('with outbound, instance and reg-id make the binding (RFC 5626 6)', async t => {
  const { send, registrar } = world()
  const device = ';+sip.instance="<urn:uuid:1>";reg-id=1'
  const headers = [['Supported', 'path, outbound, gruu']] as const
  const first = await send(`<sip:alice@192.168.0.1:5060>${device}`, { headers }, flowFrom('10.1.1.1', 4000))
  t.same(valuesOf(first, 'Require'), ['outbound'])
  t.same(valuesOf(first, 'Flow-Timer'), ['120'])
  t.match(valuesOf(first, 'Contact')[0], /;pub-gruu="sip:alice@pbx\.lab;gr=urn:uuid:1"/)
  await send(`<sip:alice@192.168.0.7:5060>${device}`, { headers, callId: 'c2' }, flowFrom('10.1.1.1', 4001))
  await send(`<sip:alice@192.168.0.9:5060>;+sip.instance="<urn:uuid:2>";reg-id=1`, { headers, callId: 'c3' })
  const [, other] = await registrar.lookup('sip:alice@pbx.lab')
  t.ok(other)
  const found = await registrar.lookup('sip:alice@pbx.lab;gr=urn:uuid:1')
  t.equal(found.length, 1)
  t.match(found[0], {
    target: 'sip:alice@192.168.0.7:5060',
    destination: { transport: 'udp', host: '10.1.1.1', port: 4001 },
  })
})

t.test(
  'a proxy between that keeps no flows: 439; one that does: Path and no Flow-Timer (RFC 5626 6, RFC 3327)',
  async t => {
    const { send, registrar } = world({ serviceRoute: ['<sip:edge.lab;lr>'] })
    const contact = '<sip:alice@10.0.0.1>;+sip.instance="<urn:uuid:1>";reg-id=1'
    const supported = ['Supported', 'path, outbound'] as const
    t.equal(
      (await send(contact, { vias: 2, headers: [supported, ['Path', '<sip:edge.lab;lr>']] })).statusCode,
      439,
    )
    const answer = await send(contact, { vias: 2, headers: [supported, ['Path', '<sip:edge.lab;lr;ob>']] })
    t.equal(answer.statusCode, 200)
    t.same(valuesOf(answer, 'Path'), ['<sip:edge.lab;lr;ob>'])
    t.same(valuesOf(answer, 'Service-Route'), ['<sip:edge.lab;lr>'])
    t.same(valuesOf(answer, 'Flow-Timer'), [])
    t.match(await registrar.lookup('sip:alice@pbx.lab'), [
      { route: ['<sip:edge.lab;lr;ob>'], destination: undefined },
    ])
  },
)

t.test('a Path for a device that does not know of it: stored, or 421 (RFC 3327 5.3)', async t => {
  const headers = [['Path', '<sip:edge.lab;lr>']] as const
  t.equal((await world().send('<sip:a@10.0.0.1>', { headers })).statusCode, 200)
  const refused = await world({ pathWithoutSupport: 'refuse' }).send('<sip:a@10.0.0.1>', { headers })
  t.equal(refused.statusCode, 421)
  t.same(valuesOf(refused, 'Require'), ['path'])
})

t.test('contacts are found best first, over the connection they registered by while it is open', async t => {
  const { send, registrar } = world()
  const tcp = flowFrom('10.0.0.5', 40_000, 'tcp')
  await send('<sip:a@10.0.0.5:5060;transport=tcp>;q=0.3', {}, tcp)
  await send('<sip:a@10.0.0.1>;q=0.9', { callId: 'c2' })
  const targets = async (): Promise<string[]> =>
    (await registrar.lookup('sip:alice@pbx.lab')).map(({ target }) => target)
  t.same(await targets(), ['sip:a@10.0.0.1', 'sip:a@10.0.0.5:5060;transport=tcp'])
  t.equal((await registrar.lookup('sip:alice@pbx.lab'))[1]?.destination?.flow, tcp)
  tcp.close()
  t.equal((await registrar.lookup('sip:alice@pbx.lab'))[1]?.destination, undefined)
  t.same(await registrar.lookup('sip:alice@else.lab'), [])
})

t.test('authorize: its answer is sent, what it does not decide is 403', async t => {
  const refused = { kind: 'refused', statusCode: 401, headers: [['WWW-Authenticate', 'Digest x']] } as const
  const answer = await world({ authorize: () => refused }).send('<sip:a@10.0.0.1>')
  t.equal(answer.statusCode, 401)
  t.same(valuesOf(answer, 'WWW-Authenticate'), ['Digest x'])
  const { send } = world({ authorize: () => Promise.resolve(undefined) })
  t.equal((await send('<sip:a@10.0.0.1>')).statusCode, 403)
  t.equal((await world({ authorize: () => ({ kind: 'dropped' }) }).send('<sip:a@10.0.0.1>')).statusCode, 403)
  t.throws(
    () =>
      new Registrar({
        clock: new VirtualClock(),
        store: world().store,
        domains: ['a'],
        authorize: () => refused,
      }),
    {
      code: 'SIP_OPTION',
    },
  )
})

t.test('a store that is full, slow or broken', async t => {
  const clock = new VirtualClock()
  const store = new MemoryLocationStore({ clock, maxAors: 1 })
  const { send } = world({ clock, store })
  t.equal((await send('<sip:a@10.0.0.1>')).statusCode, 200)
  await t.rejects(send('<sip:b@10.0.0.1>', { to: '<sip:bob@pbx.lab>' }), { code: 'SIP_LIMIT' })
  t.equal(store.refused, 1)
  const stuck = world({ knows: () => new Promise<boolean>(() => {}), maxPending: 1 })
  void stuck.send('<sip:a@10.0.0.1>')
  t.equal((await stuck.send('<sip:a@10.0.0.1>')).statusCode, 503)
})

t.test('options that cannot work are refused', t => {
  for (const wrong of [{ domains: [] }, { maxContacts: 0 }, { minExpires: 100, maxExpires: 50 }]) {
    t.throws(() => world(wrong), { code: 'SIP_OPTION' })
  }
  t.end()
})

t.test('20,000 bindings are refreshed and run out', async t => {
  const { clock, store, registrar } = world()
  const count = 20_000
  const phone = flowFrom('10.0.0.1')
  for (let round = 1; round <= 2; round++) {
    for (let user = 0; user < count; user++) {
      const request = register(`<sip:u${user}@10.0.0.1:5060>;expires=600`, {
        to: `<sip:u${user}@pbx.lab>`,
        callId: `c${user}`,
        sequence: round,
      })
      await registrar.answer(request, phone)
    }
    t.equal(store.size, count)
    await clock.advance(300_000)
  }
  t.equal(clock.pendingTimers, 1)
  await clock.advance(301_000)
  t.equal(store.size, 0)
  t.equal(clock.pendingTimers, 0)
})
