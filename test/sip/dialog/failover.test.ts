import t from 'tap'
import type { Test } from 'tap'
import { UserAgentCore } from '../../../src/sip/dialog/core.ts'
import { TransactionLayer } from '../../../src/sip/transaction/transaction-layer.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { World, header, responseText, startLine } from '../transport/world.ts'
import type { RawTcp, RawUdp } from '../transport/world.ts'
import { recorder, sdp } from './world.ts'

/** A core at 10.0.0.1 and the servers of `trunk.test` at 10.0.0.2 and 10.0.0.3, drawn anew for each request. */
interface Trunk {
  readonly world: World
  readonly core: UserAgentCore
  readonly servers: readonly RawUdp[]
  readonly close: (t: Test) => Promise<void>
}

async function trunk(records: 'in order' | 'drawn' = 'in order'): Promise<Trunk> {
  const world = new World()
  const transport = await world.layer(world.host('10.0.0.1'), {
    listen: [
      { transport: 'udp', host: '10.0.0.1' },
      { transport: 'tcp', host: '10.0.0.1' },
    ],
  })
  const { clock, resolver } = world
  const random = seededRandom(5)
  const transactions = new TransactionLayer({ transport, clock, random })
  const core = new UserAgentCore({
    transactions,
    transport,
    runtime: { clock, random },
  })
  const servers = [await world.rawUdp(world.host('10.0.0.2')), await world.rawUdp(world.host('10.0.0.3'))]
  resolver.setSrv(
    '_sip._udp.trunk.test',
    ['2', '3'].map((name, i) => ({
      host: `s${name}.test`,
      port: 5060,
      priority: records === 'drawn' ? 0 : i,
      weight: 10,
    })),
  )
  for (const name of ['2', '3']) resolver.setAddresses(`s${name}.test`, [`10.0.0.${name}`])
  return {
    world,
    core,
    servers,
    close: async t => {
      await clock.advance(600_000)
      t.equal(core.size, 0)
      t.equal(transactions.size, 0)
      await core.close()
      transactions.close()
      await transport.close()
    },
  }
}

function asked(server: RawUdp | undefined, method: string): string {
  return server?.heard.findLast(({ text }) => text.startsWith(`${method} `))?.text ?? ''
}

function ok(invite: string, contact: string, tag: string): string {
  const text = responseText(invite, '200 OK', {
    tag,
    headers: [`Contact: <${contact}>`, 'Content-Type: application/sdp'],
  })
  return text.replace('Content-Length: 0\r\n\r\n', 'Content-Length: 12\r\n\r\nv=0\r\ns=one\r\n')
}

const from = '<sip:us@10.0.0.1>'

t.test(
  'the server that was silent answers late: its call is taken, and the other server gets CANCEL',
  async t => {
    const { world, core, servers, close } = await trunk()
    const [first, second] = servers
    const handlers = recorder()
    const session = core.invite({ target: 'sip:u@trunk.test', from, offer: sdp('offer'), handlers })
    await world.clock.advance(32_010)
    const [one, two] = [asked(first, 'INVITE'), asked(second, 'INVITE')]
    second?.say(responseText(two, '180 Ringing', { tag: 'second' }))
    await world.clock.advance(10)
    first?.say(ok(one, 'sip:first@10.0.0.2', 'first'))
    await world.clock.advance(10)
    t.match(startLine(asked(first, 'ACK')), 'ACK sip:first@10.0.0.2')
    t.not(asked(second, 'CANCEL'), '')
    second?.say(responseText(asked(second, 'CANCEL'), '200 OK'))
    second?.say(responseText(two, '487 Request Terminated', { tag: 'second' }))
    await world.clock.advance(10)
    t.not(asked(second, 'ACK'), '')
    t.same(handlers.ended, [], 'the call goes on')
    session.hangup()
    await world.clock.advance(10)
    first?.say(responseText(asked(first, 'BYE'), '200 OK'))
    await close(t)
  },
)

t.test('both servers answer: one call, and ACK and BYE for the other (RFC 3261 §13.2.2.4)', async t => {
  const { world, core, servers, close } = await trunk()
  const [first, second] = servers
  const handlers = recorder()
  const session = core.invite({ target: 'sip:u@trunk.test', from, offer: sdp('offer'), handlers })
  await world.clock.advance(32_010)
  second?.say(ok(asked(second, 'INVITE'), 'sip:second@10.0.0.3', 'second'))
  await world.clock.advance(10)
  first?.say(ok(asked(first, 'INVITE'), 'sip:first@10.0.0.2', 'first'))
  await world.clock.advance(10)
  t.match(startLine(asked(second, 'ACK')), 'ACK sip:second@10.0.0.3')
  t.match(startLine(asked(first, 'ACK')), 'ACK sip:first@10.0.0.2')
  const bye = asked(first, 'BYE')
  t.match(startLine(bye), 'BYE sip:first@10.0.0.2')
  first?.say(responseText(bye, '200 OK'))
  t.equal(asked(second, 'BYE'), '')
  t.same(handlers.ended, [])
  session.hangup()
  await world.clock.advance(10)
  second?.say(responseText(asked(second, 'BYE'), '200 OK'))
  await world.clock.advance(10)
  await close(t)
})

t.test('a challenge is answered at the server that made it, whatever the draw', async t => {
  for (const method of ['INVITE', 'REGISTER'] as const) {
    const { world, core, servers, close } = await trunk('drawn')
    const credentials = { username: 'us', password: 'secret' }
    for (let round = 0; round < 6; round++) {
      for (const server of servers) server.take()
      const common = { target: 'sip:u@trunk.test', from, credentials }
      if (method === 'INVITE') core.invite({ ...common, offer: sdp('offer') })
      else void core.request({ ...common, method })
      await world.clock.advance(10)
      const server = servers.find(candidate => asked(candidate, method) !== '')
      server?.say(
        responseText(asked(server, method), '401 Unauthorized', {
          headers: ['WWW-Authenticate: Digest realm="r", nonce="n"'],
        }),
      )
      await world.clock.advance(10)
      const again = asked(server, method)
      t.match(header(again, 'Authorization'), /nonce="n"/)
      t.match(header(again, 'CSeq'), /^2 /)
      server?.say(responseText(again, '404 Not Found'))
      await world.clock.advance(10)
    }
    await close(t)
  }
})

t.test(
  'Via and Contact follow the transport of the server that takes the INVITE, and so do ACK and BYE',
  async t => {
    const { world, core, servers, close } = await trunk()
    world.resolver.setNaptr('trunk.test', [
      { order: 1, preference: 1, service: 'SIP+D2U', replacement: '_sip._udp.one.test' },
      { order: 1, preference: 2, service: 'SIP+D2T', replacement: '_sip._tcp.two.test' },
    ])
    world.resolver.setSrv('_sip._udp.one.test', [{ host: 's2.test', port: 5060 }])
    world.resolver.setSrv('_sip._tcp.two.test', [{ host: 's5.test', port: 5070 }])
    world.resolver.setAddresses('s5.test', ['10.0.0.5'])
    const listener = await world.rawListener(world.host('10.0.0.5'), 5070)
    const session = core.invite({ target: 'sip:u@trunk.test', from, offer: sdp('offer') })
    await world.clock.advance(10)
    const [first] = servers
    t.match(header(asked(first, 'INVITE'), 'Contact'), '<sip:us@10.0.0.1:5060>')
    first?.say(responseText(asked(first, 'INVITE'), '503 Service Unavailable'))
    await world.clock.advance(10)
    const connection: RawTcp | undefined = listener.connections[0]
    const invite = connection?.take() ?? ''
    t.match(header(invite, 'Via'), /^SIP\/2\.0\/TCP 10\.0\.0\.1/)
    t.match(header(invite, 'Contact'), '<sip:us@10.0.0.1:5060;transport=tcp>')
    t.match(invite, 's=offer', 'the body too')
    connection?.say(ok(invite, 'sip:far@trunk.test', 'far'))
    await world.clock.advance(10)
    t.match(startLine(connection?.take() ?? ''), 'ACK sip:far@trunk.test')
    session.hangup()
    await world.clock.advance(10)
    const bye = connection?.take() ?? ''
    t.match(startLine(bye), 'BYE sip:far@trunk.test')
    connection?.say(responseText(bye, '200 OK'))
    await world.clock.advance(10)
    await listener.close()
    await close(t)
  },
)

t.test(
  'in a dialog by UDP, ACK and BYE go to the server that took the INVITE; silent, it is left for the next',
  async t => {
    const { world, core, servers, close } = await trunk('drawn')
    for (let round = 0; round < 4; round++) {
      for (const server of servers) server.take()
      const session = core.invite({ target: 'sip:u@trunk.test', from, offer: sdp('offer') })
      await world.clock.advance(10)
      const server = servers.find(candidate => asked(candidate, 'INVITE') !== '')
      const other = servers.find(candidate => candidate !== server)
      server?.say(ok(asked(server, 'INVITE'), 'sip:far@trunk.test', `far-${round}`))
      await world.clock.advance(10)
      t.not(asked(server, 'ACK'), '')
      session.hangup()
      await world.clock.advance(10)
      t.not(asked(server, 'BYE'), '')
      if (round < 3) {
        server?.say(responseText(asked(server, 'BYE'), '200 OK'))
        await world.clock.advance(10)
        continue
      }
      await world.clock.advance(32_000)
      t.not(asked(other, 'BYE'), '')
      other?.say(responseText(asked(other, 'BYE'), '200 OK'))
      await world.clock.advance(10)
    }
    await close(t)
  },
)

t.test('an outbound proxy and further routes are followed by name (RFC 3261 §8.1.2)', async t => {
  const { world, core, servers, close } = await trunk()
  const [first, second] = servers
  core.invite({
    target: 'sip:u@elsewhere.test',
    from,
    offer: sdp('offer'),
    route: ['<sip:trunk.test;lr>', '<sip:inner.test;lr>'],
  })
  await world.clock.advance(10)
  first?.say(responseText(asked(first, 'INVITE'), '503 Service Unavailable'))
  await world.clock.advance(10)
  const invite = asked(second, 'INVITE')
  t.equal(startLine(invite), 'INVITE sip:u@elsewhere.test SIP/2.0')
  t.same(invite.match(/^Route: .*$/gm), ['Route: <sip:trunk.test;lr>', 'Route: <sip:inner.test;lr>'])
  second?.say(responseText(invite, '486 Busy Here'))
  await world.clock.advance(10)
  await close(t)
})

t.test('a call that no server takes ends with each server and its reason', async t => {
  const { world, core, close } = await trunk()
  const handlers = recorder()
  core.invite({ target: 'sip:u@trunk.test', from, offer: sdp('offer'), handlers })
  await world.clock.advance(70_000)
  const [end] = handlers.ended
  t.equal(end?.by, 'timeout')
  t.equal(
    end?.error?.message,
    'no server took the INVITE: udp 10.0.0.2:5060 (trunk.test): no response (Timer B); ' +
      'udp 10.0.0.3:5060 (trunk.test): no response (Timer B)',
  )
  await close(t)
})
