import { createSocket, type Socket } from 'node:dgram'
import dns from 'node:dns'
import { once } from 'node:events'
import t from 'tap'
import { NodeResolver } from '../../../src/runtime/node/resolver.ts'

/** Answers of a name server on loopback: record data by type and name, or a response code. */
const RECORDS: Record<string, { rcode: number } | { type: number; data: Buffer[] }> = {
  '33 _sip._udp.example.test': {
    type: 33,
    data: [
      Buffer.concat([u16(10, 60, 5060), name('a.example.test')]),
      Buffer.concat([u16(20, 0, 5080), name('b.example.test')]),
    ],
  },
  '35 example.test': {
    type: 35,
    data: [Buffer.concat([u16(50, 51), ...['s', 'SIP+D2U', ''].map(label), name('_sip._udp.example.test')])],
  },
  '33 _sip._udp.broken.test': { rcode: 2 },
  '33 _sip._udp.empty.test': { rcode: 0 },
}

function u16(...values: number[]): Buffer {
  const buffer = Buffer.alloc(2 * values.length)
  for (const [index, value] of values.entries()) buffer.writeUInt16BE(value, 2 * index)
  return buffer
}

function label(text: string): Buffer {
  return Buffer.concat([Buffer.from([text.length]), Buffer.from(text)])
}

function name(text: string): Buffer {
  return Buffer.concat([...text.split('.').map(label), Buffer.from([0])])
}

function answer(query: Buffer): Buffer {
  let offset = 12
  const labels: string[] = []
  while (query[offset] !== 0) {
    labels.push(query.toString('latin1', offset + 1, offset + 1 + query[offset]!))
    offset += 1 + query[offset]!
  }
  const question = query.subarray(12, offset + 5)
  const found = RECORDS[`${query.readUInt16BE(offset + 1)} ${labels.join('.').toLowerCase()}`] ?? { rcode: 3 }
  const data = 'data' in found ? found.data : []
  const rcode = 'rcode' in found ? found.rcode : 0
  const header = Buffer.concat([query.subarray(0, 2), u16(0x8180 | rcode, 1, data.length, 0, 0)])
  const records = data.map(bytes =>
    Buffer.concat([u16(0xc00c, 'type' in found ? found.type : 0, 1, 0, 300, bytes.length), bytes]),
  )
  return Buffer.concat([header, question, ...records])
}

let server: Socket
const usual = dns.getServers()

t.before(async () => {
  server = createSocket('udp4')
  server.on('message', (query, { port, address }) => server.send(answer(query), port, address))
  server.bind(0, '127.0.0.1')
  await once(server, 'listening')
  dns.setServers([`127.0.0.1:${server.address().port}`])
})

t.teardown(() => {
  dns.setServers(usual)
  server.close()
})

t.test('a numeric host resolves to itself, for ever', async t => {
  const resolver = new NodeResolver()
  t.match(await resolver.address('127.0.0.1'), [{ address: '127.0.0.1', family: 4 }])
  const [six] = await resolver.address('2001:db8::1')
  t.match(six, { address: '2001:db8::1', family: 6 })
  t.ok(six!.ttlSeconds > 1e9)
})

t.test('the hosts file counts', async t => {
  const found = await new NodeResolver().address('localhost')
  t.ok(found.length > 0)
  for (const { address, ttlSeconds } of found) {
    t.ok(['127.0.0.1', '::1'].includes(address))
    t.equal(ttlSeconds, 60)
  }
})

t.test('SRV and NAPTR records come as DNS has them', async t => {
  const resolver = new NodeResolver()
  const srv = await resolver.srv('_sip._udp.example.test')
  t.same(
    srv.toSorted((a, b) => a.priority - b.priority),
    [
      { host: 'a.example.test', port: 5060, priority: 10, weight: 60, ttlSeconds: 60 },
      { host: 'b.example.test', port: 5080, priority: 20, weight: 0, ttlSeconds: 60 },
    ],
  )
  t.same(await resolver.naptr('example.test'), [
    {
      order: 50,
      preference: 51,
      flags: 's',
      service: 'SIP+D2U',
      replacement: '_sip._udp.example.test',
      ttlSeconds: 60,
    },
  ])
})

t.test('what does not exist gives an empty list', async t => {
  const resolver = new NodeResolver()
  t.same(await resolver.srv('_sip._udp.nobody.test'), [], 'no such name')
  t.same(await resolver.srv('_sip._udp.empty.test'), [], 'no such record')
  t.same(await resolver.naptr('nobody.test'), [])
})

t.test('a server that fails is an error that says what to do', async t => {
  await t.rejects(new NodeResolver().srv('_sip._udp.broken.test'), {
    code: 'SIP_RESOLVE',
    message: /SRV query for '_sip\._udp\.broken\.test' \(ESERVFAIL\): check the name/,
    cause: { code: 'ESERVFAIL' },
  })
})
