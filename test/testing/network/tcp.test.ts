import * as fc from 'fast-check'
import t from 'tap'
import type { StreamConnection } from '../../../src/runtime/runtime.ts'
import type { SimulatedNetworkOptions } from '../../../src/testing/simulated-network.ts'
import { type Lab, makeLab, text } from './support.ts'

/** What one end of a connection saw. */
interface End {
  readonly connection: StreamConnection
  readonly pieces: string[]
  /** One entry per call of `onClose`: the code of the error, or `in order`. */
  readonly closes: string[]
  closedAt: number
}

function watch(lab: Lab, connection: StreamConnection): End {
  const end: End = { connection, pieces: [], closes: [], closedAt: -1 }
  connection.onData = data => {
    end.pieces.push(end.closes.length > 0 ? 'AFTER CLOSE' : Buffer.from(data).toString('latin1'))
  }
  connection.onClose = error => {
    end.closes.push(error === undefined ? 'in order' : (error as NodeJS.ErrnoException).code!)
    end.closedAt = lab.clock.now()
  }
  return end
}

async function makePair(
  options: Partial<SimulatedNetworkOptions> & { seed?: number } = {},
): Promise<Lab & { client: End; server: End }> {
  const lab = makeLab(options)
  const listener = await lab.network.host('10.0.0.2').listenTcp({ host: '0.0.0.0', port: 5060 })
  let server: End | undefined
  listener.onConnection = connection => {
    server = watch(lab, connection)
  }
  const connecting = lab.network.host('10.0.0.1').connectTcp({ host: '10.0.0.2', port: 5060 })
  const client = watch(lab, await lab.clock.runFor(connecting))
  return { ...lab, client, server: server! }
}

t.test('a connection stands after one round trip and knows both addresses', async t => {
  const { clock, client, server } = await makePair({ conditions: { delayMs: 25 } })
  t.equal(clock.now(), 50)
  t.same(client.connection.remote, { address: '10.0.0.2', port: 5060, family: 4 })
  t.same(server.connection.remote, client.connection.local)
  t.same(server.connection.local, client.connection.remote)
})

t.test('every octet arrives once and in order, under any writes, seed and conditions', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer(),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 30 })), {
        maxLength: 40,
      }),
      fc.record({
        delayMs: fc.integer({ min: 0, max: 100 }),
        jitterMs: fc.integer({ min: 0, max: 100 }),
        loss: fc.constantFrom(0, 0.05, 0.5),
      }),
      async (seed, writes, conditions) => {
        const { clock, client, server } = await makePair({ seed, conditions })
        let sent = ''
        for (const [length, pauseMs] of writes) {
          const piece = Array.from({ length }, (_, index) =>
            String.fromCodePoint(33 + ((sent.length + index) % 90)),
          )
          const chunk = Buffer.from(piece.join(''), 'latin1')
          client.connection.write(chunk)
          server.connection.write(chunk)
          sent += piece.join('')
          await clock.advance(pauseMs)
        }
        client.connection.end()
        await clock.runUntilIdle()
        return (
          server.pieces.join('') === sent &&
          client.pieces.join('') === sent &&
          client.closes.join() === 'in order' &&
          server.closes.join() === 'in order'
        )
      },
    ),
    { numRuns: 150 },
  )
})

t.test('octets arrive cut and joined where the writes were not', async t => {
  const { clock, client, server } = await makePair({ conditions: { delayMs: 5 } })
  for (let round = 0; round < 200; round++) {
    client.connection.write(text('0123456789'))
    client.connection.write(text('abcdefghij'))
    await clock.advance(20)
  }
  const lengths = new Set(server.pieces.map(({ length }) => length))
  t.ok(lengths.has(20), 'two writes in one piece')
  t.ok(lengths.size > 10, `pieces of ${lengths.size} lengths`)
  t.equal(server.pieces.join('').length, 4000)
})

t.test('the same seed cuts at the same places', async t => {
  const pieces = await Promise.all(
    [7, 7, 8].map(async seed => {
      const { clock, client, server } = await makePair({ seed, conditions: { delayMs: 5, jitterMs: 10 } })
      for (let round = 0; round < 50; round++) client.connection.write(text(`message ${round}\r\n`))
      await clock.runUntilIdle()
      return server.pieces
    }),
  )
  t.same(pieces[1], pieces[0])
  t.notSame(pieces[2], pieces[0])
})

t.test('end sends what is buffered, closes both ends once, and still hears the peer', async t => {
  const { clock, client, server } = await makePair({ conditions: { delayMs: 10 } })
  client.connection.write(text('last words'))
  client.connection.end()
  client.connection.end()
  client.connection.write(text('too late'))
  server.connection.write(text('answer'))
  await clock.runUntilIdle()
  t.equal(server.pieces.join(''), 'last words')
  t.equal(client.pieces.join(''), 'answer')
  t.same([client.closes, server.closes], [['in order'], ['in order']])
  t.equal(clock.pendingTimers, 0)
})

t.test('destroy closes this end at once and hears nothing more; the peer sees an orderly end', async t => {
  const { clock, client, server } = await makePair({ conditions: { delayMs: 10 } })
  const at = clock.now()
  client.connection.destroy()
  client.connection.destroy()
  t.same(client.closes, [], 'not synchronously')
  await clock.runUntilIdle()
  t.equal(client.closedAt, at)
  t.ok(server.closedAt >= at + 10)
  t.same([client.closes, server.closes], [['in order'], ['in order']])
})

t.test('data for a destroyed end comes back as a reset', async t => {
  const { clock, client, server } = await makePair({ conditions: { delayMs: 10 } })
  server.connection.write(text('crossing'))
  client.connection.destroy()
  await clock.runUntilIdle()
  t.same(client.pieces, [])
  t.same(client.closes, ['in order'])
  t.equal(server.closes.length, 1)
})

t.test('a port without a listener refuses; after close it does too', async t => {
  const { clock, network } = makeLab({ conditions: { delayMs: 15 } })
  const server = network.host('10.0.0.2')
  const client = network.host('10.0.0.1')
  const refused = { code: 'SIP_TRANSPORT', message: /nobody listens there/, cause: { code: 'ECONNREFUSED' } }
  await t.rejects(clock.runFor(client.connectTcp({ host: '10.0.0.2', port: 5060 })), refused)
  t.equal(clock.now(), 30)
  const listener = await server.listenTcp({ host: '0.0.0.0', port: 5060 })
  await t.rejects(server.listenTcp({ host: '0.0.0.0', port: 5060 }), { cause: { code: 'EADDRINUSE' } })
  await clock.runFor(client.connectTcp({ host: '10.0.0.2', port: 5060 }))
  await listener.close()
  await t.rejects(clock.runFor(client.connectTcp({ host: '10.0.0.2', port: 5060 })), refused)
})

t.test('a host that is unknown cannot be reached; one that does not answer times out', async t => {
  const { clock, network } = makeLab({ tcpTimeoutMs: 60_000 })
  const client = network.host('10.0.0.1')
  await t.rejects(clock.runFor(client.connectTcp({ host: '10.9.9.9', port: 5060 })), {
    code: 'SIP_TRANSPORT',
    cause: { code: 'EHOSTUNREACH' },
  })
  const server = network.host('10.0.0.2')
  await server.listenTcp({ host: '0.0.0.0', port: 5060 })
  server.down()
  await t.rejects(clock.runFor(client.connectTcp({ host: '10.0.0.2', port: 5060 })), {
    code: 'SIP_TRANSPORT',
    cause: { code: 'ETIMEDOUT' },
  })
  t.ok(clock.now() >= 60_000)
  t.equal(clock.pendingTimers, 0)
})

t.test('an abort gives up the attempt with its reason and leaves nothing behind', async t => {
  const { clock, network } = makeLab({ conditions: { delayMs: 100 } })
  const accepted: End[] = []
  const lab = { clock, network }
  const listener = await network.host('10.0.0.2').listenTcp({ host: '0.0.0.0', port: 5060 })
  listener.onConnection = connection => accepted.push(watch(lab, connection))
  const client = network.host('10.0.0.1')
  for (const afterMs of [50, 150]) {
    const abort = new AbortController()
    clock.setTimer(clock.now() + afterMs, () => abort.abort(new Error('changed my mind')))
    const attempt = client.connectTcp({ host: '10.0.0.2', port: 5060, signal: abort.signal })
    await t.rejects(clock.runFor(attempt), /changed my mind/)
  }
  await clock.runUntilIdle()
  t.same(
    accepted.map(({ closes }) => closes),
    [['in order']],
    'the one that was accepted was closed',
  )
  await t.rejects(
    client.connectTcp({ host: '10.0.0.2', port: 5060, signal: AbortSignal.abort(new Error('before')) }),
    /before/,
  )
})

t.test('a connection survives a short partition and gives up on a long one', async t => {
  const { clock, network, client, server } = await makePair({ tcpTimeoutMs: 30_000 })
  network.partition('10.0.0.1', '10.0.0.2')
  client.connection.write(text('held up'))
  await clock.advance(10_000)
  t.same(server.pieces, [])
  network.heal()
  await clock.advance(20_000)
  t.equal(server.pieces.join(''), 'held up')
  network.partition('10.0.0.1', '10.0.0.2')
  client.connection.write(text('lost'))
  await clock.runUntilIdle()
  t.same(client.closes, ['ETIMEDOUT'])
  t.equal(server.pieces.join(''), 'held up')
})

t.test('who speaks on a connection that the other end has given up gets a reset', async t => {
  const { clock, network, client, server } = await makePair({ tcpTimeoutMs: 30_000 })
  network.partition('10.0.0.1', '10.0.0.2')
  client.connection.write(text('lost'))
  await clock.runUntilIdle()
  t.same([client.closes, server.closes], [['ETIMEDOUT'], []], 'half open')
  network.heal()
  server.connection.write(text('anybody there?'))
  await clock.runUntilIdle()
  t.same(server.closes, ['ECONNRESET'])
  t.same(client.pieces, [])
})

t.test('a connection that nobody takes is closed', async t => {
  const lab = makeLab()
  await lab.network.host('10.0.0.2').listenTcp({ host: '0.0.0.0', port: 5060 })
  const connecting = lab.network.host('10.0.0.1').connectTcp({ host: '10.0.0.2', port: 5060 })
  const client = watch(lab, await lab.clock.runFor(connecting))
  await lab.clock.runUntilIdle()
  t.same(client.closes, ['in order'])
})

t.test('a host that goes down resets its connections at both ends', async t => {
  const { clock, network, client, server } = await makePair({ conditions: { delayMs: 10 } })
  network.host('10.0.0.2').down()
  await clock.runUntilIdle()
  t.same([client.closes, server.closes], [['ECONNRESET'], ['ECONNRESET']])
  t.equal(clock.pendingTimers, 0)
})

t.test(
  'octets beyond the send buffer are counted as buffered; far too many break the connection',
  async t => {
    const { clock, network, client } = await makePair({
      maxStreamBytes: 200_000,
      conditions: { delayMs: 10 },
    })
    client.connection.write(new Uint8Array(100_000))
    t.equal(client.connection.bufferedBytes, 100_000 - 65_536)
    await clock.runUntilIdle()
    t.equal(client.connection.bufferedBytes, 0)
    network.partition('10.0.0.1', '10.0.0.2')
    client.connection.write(new Uint8Array(150_000))
    client.connection.write(new Uint8Array(100_000))
    await clock.advance(1)
    t.same(client.closes, ['ENOBUFS'])
    t.equal(network.counters.streamsOverflowed, 1)
  },
)

t.test('a listener on one address is not reached at another', async t => {
  const { clock, network } = makeLab()
  const server = network.host(['10.0.0.2', '2001:db8::2'])
  await server.listenTcp({ host: '2001:db8::2', port: 5060 })
  const client = network.host(['10.0.0.1', '2001:db8::1'])
  const connection = await clock.runFor(client.connectTcp({ host: '2001:DB8::2', port: 5060 }))
  t.equal(connection.local.address, '2001:db8::1')
  await t.rejects(clock.runFor(client.connectTcp({ host: '10.0.0.2', port: 5060 })), {
    cause: { code: 'ECONNREFUSED' },
  })
})
