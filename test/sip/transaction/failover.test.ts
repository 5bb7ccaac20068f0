import {
  array,
  assert,
  asyncProperty,
  boolean,
  constantFrom,
  integer,
  option,
  record,
  tuple,
} from 'fast-check'
import t from 'tap'
import { requestWithFailover } from '../../../src/sip/transaction/failover.ts'
import type { ClientRequest, FailoverOptions } from '../../../src/sip/transaction/failover.ts'
import { failoverChannel } from '../../../src/sip/transaction/diagnostics.ts'
import type { FailoverEvent } from '../../../src/sip/transaction/diagnostics.ts'
import type { SipTransportError } from '../../../src/sip/transport/errors.ts'
import type { TransportOptions } from '../../../src/sip/transport/options.ts'
import { World, header, responseText, startLine } from '../transport/world.ts'
import type { RawUdp } from '../transport/world.ts'
import { assertClean, bench, request } from './fixture.ts'
import type { Bench } from './fixture.ts'

const METHODS = ['INVITE', 'BYE', 'REGISTER', 'OPTIONS'] as const

/** The domain `trunk.test`: servers at 10.0.0.2, .3 and .4, in this order; `slow.test`, the same by SRV and TCP. */
interface Farm extends Bench {
  readonly servers: readonly RawUdp[]
  send(method: string, options?: Partial<FailoverOptions> & { host?: string }): Sending
}

interface Sending {
  readonly sending: ClientRequest
  /** What its user is told, with times. */
  readonly lines: string[]
  readonly errors: Error[]
}

async function farm(transport: Partial<TransportOptions> = {}): Promise<Farm> {
  const world = new World()
  const b = await bench({ world, transport })
  const servers = [b.peer]
  for (const address of ['10.0.0.3', '10.0.0.4']) servers.push(await world.rawUdp(world.host(address)))
  for (const server of ['2', '3', '4']) world.resolver.setAddresses(`s${server}.test`, [`10.0.0.${server}`])
  const records = ['2', '3', '4'].map(server => ({
    host: `s${server}.test`,
    port: 5060,
    priority: Number(server),
  }))
  world.resolver.setSrv('_sip._udp.trunk.test', records)
  world.resolver.setSrv('_sip._tcp.slow.test', records)
  return {
    ...b,
    servers,
    send: (method, { host = 'trunk.test', ...options } = {}) => {
      const sending = requestWithFailover(b.layer, request(method, { uri: `sip:u@${host}` }), {
        destination: { host },
        ...options,
      })
      const lines: string[] = []
      const errors: Error[] = []
      const note = (text: string): void => void lines.push(`${world.clock.now()} ${text}`)
      sending.onResponse = response => note(`${response.statusCode}`)
      sending.onTimeout = error => {
        errors.push(error)
        note(`timeout ${error.timer}`)
      }
      sending.onTransportError = error => {
        errors.push(error)
        note(`transport ${error.failure}`)
      }
      sending.onTerminated = () => note('terminated')
      return { sending, lines, errors }
    },
  }
}

/** The first request of that method which came to the server. */
function asked(server: RawUdp | undefined, method: string): string {
  return server?.heard.find(({ text }) => text.startsWith(`${method} `))?.text ?? ''
}

/** Everything of it that RFC 3263 §4.3 wants to be the same at every server. */
function lasting(text: string): string[] {
  return ['Call-ID', 'CSeq', 'From', 'To', 'Max-Forwards'].map(name => header(text, name) ?? '')
}

function branchOf(text: string): string {
  return /branch=([^;]+)/.exec(header(text, 'Via') ?? '')?.[1] ?? ''
}

for (const method of METHODS) {
  t.test(
    `${method}: a silent server is left after Timer B or F, and tried last for a minute (RFC 3263 §4.3)`,
    async t => {
      const f = await farm()
      const { lines } = f.send(method)
      await f.world.clock.advance(31_999)
      t.equal(asked(f.servers[1], method), '')
      await f.world.clock.advance(2)
      const [first, second] = [asked(f.servers[0], method), asked(f.servers[1], method)]
      t.same(lasting(second), lasting(first))
      t.not(branchOf(second), branchOf(first), 'a new transaction')
      t.equal(second.match(/^Via:/gm)?.length, 1)
      f.servers[1]?.say(responseText(second, '200 OK'))
      await f.world.clock.advance(10)
      t.same(lines, ['32001 200'])
      const next = f.send(method)
      await f.world.clock.advance(1)
      t.equal(f.servers[1]?.heard.filter(({ text }) => text.startsWith(method)).length, 2, 'the next request')
      f.servers[1]?.say(responseText(f.servers[1].heard.at(-1)?.text ?? '', '200 OK'))
      await f.world.clock.advance(1)
      t.match(next.lines[0], /200$/)
      await assertClean(t, f)
    },
  )

  t.test(`${method}: 503 goes to the next server, and the last one's is passed on`, async t => {
    const f = await farm()
    const { lines, sending } = f.send(method)
    for (const [i, server] of f.servers.entries()) {
      await f.world.clock.advance(1)
      server.say(responseText(asked(server, method), '503 Service Unavailable', { tag: `${i}` }))
    }
    await f.world.clock.advance(100)
    t.same(lines, ['3 503'])
    t.equal(new Set(f.servers.map(server => branchOf(asked(server, method)))).size, 3)
    if (method === 'INVITE') {
      for (const [i, server] of f.servers.entries()) {
        const ack = asked(server, 'ACK')
        t.equal(branchOf(ack), branchOf(asked(server, method)), 'each 503 has its ACK, where the INVITE went')
        t.match(header(ack, 'To'), `tag=${i}`)
      }
    }
    t.same(
      sending.left?.map(({ statusCode, avoidedMs }) => [statusCode, avoidedMs]),
      [
        [503, 0],
        [503, 0],
        [503, 0],
      ],
    )
    await assertClean(t, f)
  })

  t.test(`${method}: a server that refuses the connection is left at once`, async t => {
    const f = await farm()
    const listener = await f.world.rawListener(f.world.host('10.0.0.5'))
    f.world.resolver.setAddresses('s3.test', ['10.0.0.5'])
    const { lines } = f.send(method, { host: 'slow.test' })
    await f.world.clock.advance(100)
    const [connection] = listener.connections
    const text = connection?.take() ?? ''
    t.match(startLine(text), method)
    t.match(header(text, 'Via'), /^SIP\/2\.0\/TCP/)
    connection?.say(responseText(text, '200 OK'))
    await f.world.clock.advance(100)
    t.match(lines[0], / 200$/)
    await listener.close()
    await assertClean(t, f)
  })
}

t.test(
  'Retry-After: the server is tried last for so long, at most for an hour (RFC 3261 §21.5.4)',
  async t => {
    for (const [value, avoided] of [
      ['120', 120_000],
      ['120 (maintenance);duration=60', 120_000],
      ['999999', 3_600_000],
      ['soon', 0],
    ] as const) {
      const f = await farm()
      const { sending } = f.send('OPTIONS')
      await f.world.clock.advance(1)
      const [server] = f.servers
      server?.say(responseText(asked(server, 'OPTIONS'), '503 Busy', { headers: [`Retry-After: ${value}`] }))
      await f.world.clock.advance(1)
      t.same(
        sending.left?.map(({ reason, avoidedMs }) => [reason, avoidedMs]),
        [['503 Busy', avoided]],
      )
      const first = async (): Promise<string | undefined> => {
        const found = f.transport.locate({ host: 'trunk.test' })
        return ('then' in found ? await f.world.clock.runFor(found) : found)[0]?.address
      }
      if (avoided > 0) {
        t.equal(await first(), '10.0.0.3')
        await f.world.clock.advance(avoided - 100)
        t.equal(await first(), '10.0.0.3')
        await f.world.clock.advance(100)
      }
      t.equal(await first(), '10.0.0.2')
      await assertClean(t, f)
    }
  },
)

t.test('an INVITE that a server has answered with 100 goes to no other, whatever follows', async t => {
  for (const after of ['503', 'nothing', 'connection lost'] as const) {
    const f = await farm()
    const tcp = after === 'connection lost'
    const listener = await f.world.rawListener(f.world.host('10.0.0.5'))
    if (tcp) f.world.resolver.setAddresses('s2.test', ['10.0.0.5'])
    const { lines, sending } = f.send('INVITE', tcp ? { host: 'slow.test' } : {})
    await f.world.clock.advance(20)
    const [server] = f.servers
    const invite = tcp ? (listener.connections[0]?.take() ?? '') : asked(server, 'INVITE')
    const peer = tcp ? listener.connections[0] : server
    peer?.say(responseText(invite, '100 Trying'))
    await f.world.clock.advance(20)
    if (after === '503') peer?.say(responseText(invite, '503 Service Unavailable'))
    if (tcp) listener.connections[0]?.connection.destroy()
    await f.world.clock.advance(40_000)
    sending.cancel()
    await f.world.clock.advance(100_000)
    t.equal(asked(f.servers[1], 'INVITE'), '', after)
    t.match(lines[0], / 100$/)
    if (after === '503') t.match(lines[1], / 503$/)
    await listener.close()
    await assertClean(t, f)
  }
})

t.test('other requests go on after 100 and 503, but not when there was only a 100', async t => {
  const f = await farm()
  f.send('OPTIONS')
  await f.world.clock.advance(1)
  const [first, second] = f.servers
  first?.say(responseText(asked(first, 'OPTIONS'), '100 Trying'))
  await f.world.clock.advance(1)
  first?.say(responseText(asked(first, 'OPTIONS'), '503 Busy'))
  await f.world.clock.advance(1)
  t.not(asked(second, 'OPTIONS'), '')
  second?.say(responseText(asked(second, 'OPTIONS'), '100 Trying'))
  await f.world.clock.advance(40_000)
  t.equal(asked(f.servers[2], 'OPTIONS'), '')
  await assertClean(t, f)
})

t.test('given up: no further server is tried (RFC 3261 §9.1)', async t => {
  const f = await farm()
  const unasked = f.send('INVITE')
  t.equal(unasked.sending.cancel(), 'abandoned', 'while the domain is looked up')
  await f.world.clock.advance(1)
  t.same(unasked.lines, ['0 transport cancelled', '0 terminated'])
  for (const server of f.servers) t.equal(server.heard.length, 0)

  const silent = f.send('INVITE')
  await f.world.clock.advance(1)
  t.equal(silent.sending.cancel(), 'held')
  await f.world.clock.advance(32_000)
  t.equal(asked(f.servers[1], 'INVITE'), '')
  t.match(silent.lines[0], /timeout B/)
  f.servers[0]?.take()

  f.transport.locator.health.recovered({
    transport: 'udp',
    address: '10.0.0.2',
    port: 5060,
    family: 4,
    host: '',
  })
  const busy = f.send('INVITE')
  await f.world.clock.advance(1)
  t.equal(busy.sending.cancel(), 'held')
  f.servers[0]?.say(responseText(asked(f.servers[0], 'INVITE'), '503 Busy'))
  await f.world.clock.advance(1)
  t.equal(asked(f.servers[1], 'INVITE'), '')
  t.match(busy.lines[0], / 503$/)
  await assertClean(t, f)
})

t.test('during failover CANCEL goes where the INVITE is now', async t => {
  const f = await farm()
  const { sending, lines } = f.send('INVITE')
  await f.world.clock.advance(1)
  const [first, second] = f.servers
  first?.say(responseText(asked(first, 'INVITE'), '503 Busy'))
  await f.world.clock.advance(1)
  const invite = asked(second, 'INVITE')
  second?.say(responseText(invite, '180 Ringing'))
  await f.world.clock.advance(1)
  t.equal(sending.cancel(), 'sent')
  await f.world.clock.advance(1)
  t.equal(branchOf(asked(second, 'CANCEL')), branchOf(invite))
  t.equal(asked(first, 'CANCEL'), '')
  second?.say(responseText(asked(second, 'CANCEL'), '200 OK'))
  second?.say(responseText(invite, '487 Request Terminated'))
  await f.world.clock.advance(1)
  t.same(
    lines.map(line => line.split(' ')[1]),
    ['180', '487'],
  )
  await assertClean(t, f)
})

t.test(
  'when no server takes it, the error lists each with its reason, and diagnostics tell as it happens',
  async t => {
    const f = await farm({ timers: { connect: 1_000 } })
    const events: FailoverEvent[] = []
    const stop = failoverChannel.subscribe(event => events.push(event))
    const mine = f.send('OPTIONS', { host: 'slow.test' })
    await f.world.clock.advance(40_000)
    stop()
    const error = mine.errors[0] as SipTransportError
    t.equal(error.code, 'SIP_TRANSPORT')
    for (const server of ['2', '3', '4'])
      t.match(error.message, `tcp 10.0.0.${server}:5060 (slow.test): cannot connect`)
    t.equal(error.left.length, 3)
    t.same(
      events.map(({ method, left, next }) => [method, left.target.address, next?.address]),
      [
        ['OPTIONS', '10.0.0.2', '10.0.0.3'],
        ['OPTIONS', '10.0.0.3', '10.0.0.4'],
        ['OPTIONS', '10.0.0.4', undefined],
      ],
    )
    await assertClean(t, f)
  },
)

t.test('a domain nobody knows, and one that is known, are told by callback', async t => {
  const f = await farm()
  const { lines } = f.send('OPTIONS', { host: 'nowhere.test' })
  t.same(lines, [])
  await f.world.clock.advance(1)
  t.same(lines, ['0 transport unresolved', '0 terminated'])
  await assertClean(t, f)
})

t.test('numeric hosts, and domains in memory, leave in the same turn', async t => {
  const f = await farm()
  f.send('OPTIONS')
  await f.world.clock.advance(1)
  f.servers[0]?.say(responseText(asked(f.servers[0], 'OPTIONS'), '200 OK'))
  await f.world.clock.advance(1)
  for (const host of ['trunk.test', '10.0.0.2']) {
    const { sending } = f.send('OPTIONS', { host })
    t.not(sending.flow, undefined, host)
  }
  f.layer.close()
  await assertClean(t, f)
})

t.test('no double dial: after any provisional response an INVITE reaches no further server', async () => {
  const behaviour = record({
    provisionals: array(constantFrom(100, 180, 183), { maxLength: 2 }),
    final: constantFrom(undefined, 200, 486, 503),
    afterMs: integer({ min: 1, max: 50_000 }),
    lostRequests: integer({ min: 0, max: 7 }),
    lossyAnswers: boolean(),
  })
  await assert(
    asyncProperty(
      tuple(behaviour, behaviour, behaviour),
      option(integer({ min: 1, max: 100_000 })),
      async (behaviours, cancelAt) => {
        const f = await farm()
        const dialled: { server: number; at: number }[] = []
        const answered: number[] = []
        for (const [index, server] of f.servers.entries()) {
          const { provisionals, final, afterMs, lostRequests, lossyAnswers } =
            behaviours[index] ?? behaviours[0]
          let seen = 0
          const { socket } = server
          socket.onMessage = data => {
            const text = Buffer.from(data).toString('latin1')
            if (text.startsWith('CANCEL ')) server.say(responseText(text, '200 OK'))
            if (!text.startsWith('INVITE ')) return
            if (seen++ === 0) dialled.push({ server: index, at: f.world.clock.now() })
            if (seen !== lostRequests + 1) return
            for (const status of provisionals) {
              if (!lossyAnswers) server.say(responseText(text, `${status} Progress`))
            }
            if (final === undefined) return
            f.world.clock.setTimer(f.world.clock.now() + afterMs, () =>
              server.say(responseText(text, `${final} End`)),
            )
          }
        }
        const { sending } = f.send('INVITE')
        sending.onResponse = response => {
          if (response.statusCode >= 200) return
          answered.push(f.world.clock.now())
        }
        if (cancelAt !== null) f.world.clock.setTimer(cancelAt, () => void sending.cancel())
        await f.world.clock.advance(400_000)
        const firstSign = answered[0] ?? Infinity
        const late = dialled.filter(({ at }) => at > firstSign)
        const unwanted = cancelAt === null ? [] : dialled.filter(({ at }) => at > cancelAt)
        f.layer.close()
        await f.transport.close()
        return late.length === 0 && unwanted.length === 0 && f.layer.size === 0
      },
    ),
    { numRuns: 60 },
  )
})
