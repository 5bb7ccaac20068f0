import t from 'tap'
import { header, responseText, startLine } from '../transport/world.ts'
import { assertClean, bench, request, watch } from './fixture.ts'

t.test(
  'an INVITE nobody answers is sent at 0, 500, 1500 … and given up at 32 s, octet for octet the same (§17.1.1.2)',
  async t => {
    const b = await bench()
    const lines = watch(b.world, b.layer.request(request('INVITE')))
    await b.world.clock.advance(40_000)
    t.same(
      b.peer.heard.map(({ at }) => at),
      [0, 500, 1_500, 3_500, 7_500, 15_500, 31_500],
    )
    t.equal(new Set(b.peer.take()).size, 1)
    t.same(lines, ['32000 timeout B, 0 provisional', '32000 terminated'])
    await assertClean(t, b)
  },
)

t.test('a lost request is made good by its retransmission', async t => {
  const b = await bench()
  b.world.network.partition('10.0.0.1', '10.0.0.2')
  const lines = watch(b.world, b.layer.request(request('OPTIONS')))
  await b.world.clock.advance(600)
  b.world.network.heal()
  await b.world.clock.advance(1_000)
  const [heard] = b.peer.take()
  b.peer.say(responseText(heard ?? '', '200 OK'))
  await b.world.clock.advance(10_000)
  t.same(lines, ['1600 200', '6600 terminated'])
  await assertClean(t, b)
})

t.test(
  'a request carries one Via of ours with a new branch and an empty rport (RFC 3261 §8.1.1.7, RFC 3581 §3)',
  async t => {
    const b = await bench()
    b.layer.request(request('OPTIONS'))
    b.layer.request(request('OPTIONS'))
    await b.world.clock.settle()
    const vias = b.peer.take().map(text => header(text, 'Via') ?? '')
    for (const via of vias) t.match(via, /^SIP\/2\.0\/UDP 10\.0\.0\.1:5060;rport;branch=z9hG4bK[0-9a-z]{14}$/)
    t.equal(new Set(vias).size, 2)
    await assertClean(t, b)
  },
)

t.test(
  'the ACK for a refusal: same branch, Route and CSeq number, To of the response, no body (§17.1.1.3)',
  async t => {
    const b = await bench()
    const invite = request('INVITE', {
      uri: 'sip:peer@example.test',
      headers: [
        ['Route', '<sip:10.0.0.2;lr>'],
        ['Route', '<sip:next.example.test;lr>'],
        ['Subject', 'not for the ACK'],
      ],
      body: 'not for the ACK either',
    })
    const lines = watch(b.world, b.layer.request(invite))
    await b.world.clock.settle()
    const [sent = ''] = b.peer.take()
    const busy = responseText(sent, '486 Busy Here', { tag: 'busy' })
    b.peer.say(busy)
    await b.world.clock.settle()
    const [ack = ''] = b.peer.take()
    t.equal(startLine(ack), 'ACK sip:peer@example.test SIP/2.0')
    for (const name of ['Via', 'From', 'Call-ID']) t.equal(header(ack, name), header(sent, name), name)
    t.match(header(ack, 'To'), /;tag=busy$/)
    t.equal(header(ack, 'CSeq'), '1 ACK')
    t.same(ack.match(/^Route: .*$/gm), ['Route: <sip:10.0.0.2;lr>', 'Route: <sip:next.example.test;lr>'])
    t.equal(header(ack, 'Subject'), undefined)
    t.equal(header(ack, 'Content-Length'), '0')

    b.peer.say(busy)
    await b.world.clock.advance(1_000)
    t.same(b.peer.take(), [ack], 'a repeated refusal gets the same octets')
    await b.world.clock.advance(40_000)
    t.same(lines, ['0 486', '32000 terminated'])
    await assertClean(t, b)
  },
)

t.test(
  'every 2xx of a forked INVITE reaches the user, and no ACK is made for it (RFC 6026 §7.2)',
  async t => {
    const b = await bench()
    const transaction = b.layer.request(request('INVITE'))
    const tags: (string | undefined)[] = []
    transaction.onResponse = response => tags.push(response.to.tag)
    await b.world.clock.settle()
    const [sent = ''] = b.peer.take()
    for (const tag of ['a', 'b', 'a']) b.peer.say(responseText(sent, '200 OK', { tag }))
    await b.world.clock.advance(1_000)
    t.same(tags, ['a', 'b', 'a'])
    t.same(b.peer.take(), [])
    t.equal(transaction.state, 'accepted')
    await assertClean(t, b)
  },
)

t.test('a 2xx after Timer M is a stray response, which the user core can still acknowledge', async t => {
  const b = await bench()
  b.layer.request(request('INVITE'))
  const stray: number[] = []
  b.layer.onStrayResponse = response => stray.push(response.statusCode)
  await b.world.clock.settle()
  const [sent = ''] = b.peer.take()
  b.peer.say(responseText(sent, '200 OK'))
  await b.world.clock.advance(33_000)
  t.equal(b.layer.size, 0)
  b.peer.say(responseText(sent, '200 OK'))
  await b.world.clock.settle()
  t.same(stray, [200])
  t.equal(b.layer.stats().strayResponses, 1)
  await assertClean(t, b)
})

t.test('a response is matched by branch and CSeq method (§17.1.3)', async t => {
  const b = await bench()
  const lines = watch(b.world, b.layer.request(request('OPTIONS')))
  const stray: string[] = []
  b.layer.onStrayResponse = response => stray.push(response.cseq.method)
  await b.world.clock.settle()
  const [sent = ''] = b.peer.take()
  b.peer.say(responseText(sent, '200 OK').replace('CSeq: 1 OPTIONS', 'CSeq: 1 INVITE'))
  b.peer.say(responseText(sent, '200 OK').replace(/branch=z9hG4bK/, 'branch=z9hG4bKx'))
  await b.world.clock.settle()
  t.same(lines, [])
  t.same(stray, ['INVITE', 'OPTIONS'])
  b.peer.say(responseText(sent, '200 OK'))
  await b.world.clock.settle()
  t.same(lines, ['0 200'])
  await assertClean(t, b)
})

t.test('a CANCEL waits for a provisional response (§9.1)', async t => {
  const b = await bench()
  const transaction = b.layer.request(request('INVITE', { headers: [['Route', '<sip:10.0.0.2;lr>']] }))
  const lines = watch(b.world, transaction)
  t.equal(transaction.cancel({ headers: [['Reason', 'SIP;cause=200;text="elsewhere"']] }), 'held')
  await b.world.clock.advance(400)
  const [invite = '', ...rest] = b.peer.take()
  t.same(rest, [], 'nothing but the INVITE')
  b.peer.say(responseText(invite, '100 Trying'))
  await b.world.clock.settle()
  const [cancel = ''] = b.peer.take()
  t.equal(startLine(cancel), 'CANCEL sip:peer@10.0.0.2 SIP/2.0')
  for (const name of ['Via', 'From', 'To', 'Call-ID', 'Route'])
    t.equal(header(cancel, name), header(invite, name), name)
  t.equal(header(cancel, 'CSeq'), '1 CANCEL')
  t.equal(header(cancel, 'Reason'), 'SIP;cause=200;text="elsewhere"')
  t.equal(transaction.cancel(), 'sent', 'a second wish changes nothing')
  b.peer.say(responseText(cancel, '200 OK'))
  b.peer.say(responseText(invite, '487 Request Terminated'))
  await b.world.clock.advance(1_000)
  t.same(b.peer.take().map(startLine), ['ACK sip:peer@10.0.0.2 SIP/2.0'])
  t.same(lines, ['400 100', '400 487'])
  await assertClean(t, b)
})

t.test('a 2xx that crosses the CANCEL reaches the user (§9.1)', async t => {
  const b = await bench()
  const transaction = b.layer.request(request('INVITE'))
  const lines = watch(b.world, transaction)
  await b.world.clock.settle()
  const [invite = ''] = b.peer.take()
  b.peer.say(responseText(invite, '180 Ringing'))
  await b.world.clock.settle()
  b.peer.say(responseText(invite, '200 OK'))
  t.equal(transaction.cancel(), 'sent')
  await b.world.clock.settle()
  t.same(lines, ['0 180', '0 200'])
  t.equal(transaction.cancel(), 'late')
  await assertClean(t, b)
})

t.test('a CANCEL that nobody heeds ends the INVITE after 64*T1 (§9.1)', async t => {
  const b = await bench()
  const transaction = b.layer.request(request('INVITE'))
  const lines = watch(b.world, transaction)
  await b.world.clock.settle()
  b.peer.say(responseText(b.peer.take()[0] ?? '', '180 Ringing'))
  await b.world.clock.advance(1_000)
  transaction.cancel()
  await b.world.clock.advance(33_000)
  t.same(lines, ['0 180', '33000 timeout cancelled, 1 provisional', '33000 terminated'])
  t.equal(b.peer.take().length, 11, 'the CANCEL is repeated like any request')
  await assertClean(t, b)
})

t.test('Timer C sends the CANCEL by itself (§16.8)', async t => {
  const b = await bench({ layer: { timers: { c: 181_000 } } })
  const lines = watch(b.world, b.layer.request(request('INVITE')))
  await b.world.clock.settle()
  const [invite = ''] = b.peer.take()
  b.peer.say(responseText(invite, '180 Ringing'))
  await b.world.clock.advance(181_000)
  const [cancel = ''] = b.peer.take()
  t.equal(startLine(cancel), 'CANCEL sip:peer@10.0.0.2 SIP/2.0')
  b.peer.say(responseText(cancel, '200 OK'))
  b.peer.say(responseText(invite, '487 Request Terminated'))
  await b.world.clock.advance(1_000)
  t.same(lines, ['0 180', '181000 487'])
  await assertClean(t, b)
})

t.test('cancelled while its name is looked up, an INVITE is never sent (§17.1.4)', async t => {
  const b = await bench()
  b.world.resolver.setAddresses('peer.test', ['10.0.0.2'])
  const transaction = b.layer.request(request('INVITE', { uri: 'sip:peer@peer.test' }))
  const lines = watch(b.world, transaction)
  t.equal(transaction.state, 'sending')
  t.equal(transaction.cancel(), 'abandoned')
  await b.world.clock.advance(1_000)
  t.same(b.peer.take(), [])
  t.same(lines, ['0 transport cancelled', '0 terminated'])
  await assertClean(t, b)
})

t.test('what the network cannot take is told by callback, never by throwing (§17.1.4)', async t => {
  const b = await bench()
  for (const [uri, failure] of [
    ['sip:peer@nowhere.test', 'unresolved'],
    ['sip:peer@[2001:db8::1]', 'no-route'],
    ['sip:peer@10.0.0.2:5099;transport=tcp', 'connect'],
  ] as const) {
    const transaction = b.layer.request(request('OPTIONS', { uri }))
    const lines = watch(b.world, transaction)
    t.same(lines, [], 'not before request() has returned')
    await b.world.clock.advance(6_000)
    t.same(
      lines.map(line => line.replace(/^\d+ /, '')),
      [`transport ${failure}`, 'terminated'],
      uri,
    )
  }
  t.equal(b.layer.stats().transportErrors, 3)
  await assertClean(t, b)
})

t.test('a mistake of the caller throws and leaves nothing behind', async t => {
  const b = await bench()
  t.throws(() => b.layer.request(request('ACK')), { code: 'SIP_STATE' })
  const bad = request('OPTIONS')
  bad.requestUri = 'sip:peer@10.0.0.2\r\nX: y'
  t.throws(() => b.layer.request(bad, { destination: { host: '10.0.0.2' } }), { code: 'SIP_SERIALISE' })
  t.equal(b.layer.size, 0)
  t.equal(bad.headers.has('Via'), false)
  await assertClean(t, b)
})

t.test('a provisional response counts in the verdict of a timeout', async t => {
  const b = await bench()
  const lines = watch(b.world, b.layer.request(request('OPTIONS')))
  await b.world.clock.settle()
  b.peer.say(responseText(b.peer.take()[0] ?? '', '100 Trying'))
  await b.world.clock.advance(40_000)
  t.same(lines, ['0 100', '32000 timeout F, 1 provisional', '32000 terminated'])
  await assertClean(t, b)
})

t.test('beyond limits.client a request is refused and counted', async t => {
  const b = await bench({ layer: { limits: { client: 2 } } })
  b.layer.request(request('OPTIONS'))
  b.layer.request(request('OPTIONS'))
  t.throws(() => b.layer.request(request('OPTIONS')), { code: 'SIP_LIMIT' })
  t.equal(b.layer.stats().refusedClient, 1)
  await assertClean(t, b)
})

t.test('closing the layer ends what is under way, and says so', async t => {
  const b = await bench()
  const open = watch(b.world, b.layer.request(request('INVITE')))
  const answered = b.layer.request(request('OPTIONS'))
  const done = watch(b.world, answered)
  await b.world.clock.settle()
  b.peer.say(responseText(b.peer.take()[1] ?? '', '200 OK'))
  await b.world.clock.settle()
  b.layer.close()
  t.same(open, ['0 transport shutdown', '0 terminated'])
  t.same(done, ['0 200', '0 terminated'])
  t.throws(() => b.layer.request(request('OPTIONS')), { code: 'SIP_TRANSPORT' })
  await assertClean(t, b)
})

t.test(
  'on TCP: no retransmission, the transaction ends with its response, ACK and CANCEL use the connection',
  async t => {
    const b = await bench()
    const listener = await b.world.rawListener(b.world.host('10.0.0.3'))
    const uri = 'sip:peer@10.0.0.3;transport=tcp'
    const transaction = b.layer.request(request('INVITE', { uri }))
    const lines = watch(b.world, transaction)
    await b.world.clock.advance(20_000)
    t.equal(listener.connections.length, 1)
    const [connection] = listener.connections
    const invite = connection?.take() ?? ''
    t.equal(invite.match(/INVITE sip:/g)?.length, 1)
    t.match(header(invite, 'Via'), /^SIP\/2\.0\/TCP 10\.0\.0\.1:5060;/)
    connection?.say(responseText(invite, '180 Ringing'))
    await b.world.clock.settle()
    t.equal(transaction.cancel(), 'sent')
    await b.world.clock.settle()
    const cancel = connection?.take() ?? ''
    t.match(startLine(cancel), /^CANCEL /)
    connection?.say(responseText(cancel, '200 OK') + responseText(invite, '487 Request Terminated'))
    await b.world.clock.settle()
    t.match(startLine(connection?.take() ?? ''), /^ACK /)
    t.same(lines, ['20000 180', '20000 487', '20000 terminated'], 'Timer D is zero')
    t.equal(b.layer.size, 0, 'Timer K is zero as well')
    await assertClean(t, b)
  },
)

t.test(
  'a connection that breaks ends the request when no listener of ours could take the answer (§17.1.4)',
  async t => {
    const b = await bench({ transport: { listen: [{ transport: 'udp', host: '10.0.0.1' }] } })
    const listener = await b.world.rawListener(b.world.host('10.0.0.3'))
    const lines = watch(
      b.world,
      b.layer.request(request('OPTIONS', { uri: 'sip:peer@10.0.0.3;transport=tcp' })),
    )
    await b.world.clock.advance(100)
    listener.connections[0]?.connection.destroy()
    await b.world.clock.advance(100)
    t.same(
      lines.map(line => line.replace(/^\d+ /, '')),
      ['transport closed', 'terminated'],
    )
    await assertClean(t, b)
  },
)

t.test(
  'a connection that breaks does not end a request whose answer can come by a new one (§18.2.2)',
  async t => {
    const b = await bench()
    const host = b.world.host('10.0.0.3')
    const listener = await b.world.rawListener(host)
    const lines = watch(
      b.world,
      b.layer.request(request('OPTIONS', { uri: 'sip:peer@10.0.0.3;transport=tcp' })),
    )
    await b.world.clock.advance(100)
    const [first] = listener.connections
    const sent = first?.take() ?? ''
    first?.connection.destroy()
    await b.world.clock.advance(100)
    t.same(lines, [])
    const again = await b.world.connect(host)
    again.say(responseText(sent, '200 OK'))
    await b.world.clock.advance(100)
    t.same(
      lines.map(line => line.replace(/^\d+ /, '')),
      ['200', 'terminated'],
    )
    await assertClean(t, b)
  },
)

t.test(
  'the ACK for a refusal that came by another connection goes over a new one, or its failure is no news',
  async t => {
    for (const reachable of [true, false]) {
      const b = await bench()
      const host = b.world.host('10.0.0.3')
      const listener = await b.world.rawListener(host)
      const lines = watch(
        b.world,
        b.layer.request(request('INVITE', { uri: 'sip:peer@10.0.0.3;transport=tcp' })),
      )
      await b.world.clock.advance(100)
      const [first] = listener.connections
      const sent = first?.take() ?? ''
      first?.connection.destroy()
      const again = await b.world.connect(host)
      if (!reachable) await listener.close()
      again.say(responseText(sent, '486 Busy Here'))
      await b.world.clock.advance(100)
      t.same(
        lines.map(line => line.replace(/^\d+ /, '')),
        ['486', 'terminated'],
        'the response counts, whatever becomes of its ACK',
      )
      t.equal(
        startLine(listener.connections[1]?.take() ?? ''),
        reachable ? 'ACK sip:peer@10.0.0.3;transport=tcp SIP/2.0' : '',
      )
      await assertClean(t, b)
    }
  },
)

t.test(
  'a closed socket under a retransmission ends the request with a transport error (§17.1.4)',
  async t => {
    const b = await bench()
    const lines = watch(b.world, b.layer.request(request('INVITE')))
    const other = watch(b.world, b.layer.request(request('OPTIONS')))
    await b.transport.close()
    await b.world.clock.advance(1_000)
    t.same(lines, ['500 transport shutdown', '500 terminated'])
    t.same(other, ['500 transport shutdown', '500 terminated'])
    await assertClean(t, b)
  },
)

t.test('a close of the layer while a name is looked up sends nothing afterwards', async t => {
  const b = await bench()
  b.world.resolver.setAddresses('peer.test', ['10.0.0.2'])
  const lines = watch(b.world, b.layer.request(request('OPTIONS', { uri: 'sip:peer@peer.test' })))
  b.layer.close()
  await b.world.clock.advance(1_000)
  t.same(lines, ['0 transport shutdown', '0 terminated'])
  t.same(b.peer.take(), [])
  await assertClean(t, b)
})
