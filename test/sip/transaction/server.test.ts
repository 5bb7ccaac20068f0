import t from 'tap'
import { createResponse } from '../../../src/sip/message/build.ts'
import { MinSe } from '../../../src/sip/message/headers/session.ts'
import type { ServerTransaction } from '../../../src/sip/transaction/server-transaction.ts'
import { faultChannel } from '../../../src/sip/transport/diagnostics.ts'
import type { FaultEvent } from '../../../src/sip/transport/diagnostics.ts'
import { header, requestText, responseText, startLine } from '../transport/world.ts'
import { assertClean, bench, request } from './fixture.ts'
import type { Bench } from './fixture.ts'

const invite = requestText({ method: 'INVITE' })
const ack = (to: string, branch = 'z9hG4bK-peer-1'): string =>
  requestText({ method: 'ACK', cseq: '1 ACK', to, branch })

const via = (sentBy: string, branch: string): string => `SIP/2.0/UDP ${sentBy};branch=${branch}`

/** Takes requests as they come; answers nothing by itself. */
function collect({ world, layer }: Bench): { transactions: ServerTransaction[]; lines: string[] } {
  const transactions: ServerTransaction[] = []
  const lines: string[] = []
  const note = (text: string): void => {
    lines.push(`${world.clock.now()} ${text}`)
  }
  layer.onRequest = transaction => {
    transactions.push(transaction)
    note(transaction.request.method)
    transaction.onCancel = () => note('cancelled')
    transaction.onTimeout = error => note(`timeout ${error.timer}`)
    transaction.onTransportError = error => note(`transport ${error.failure}`)
    transaction.onTerminated = () => note('terminated')
  }
  layer.onAck = request => note(`ACK ${request.to.tag ?? ''}`)
  return { transactions, lines }
}

t.test(
  '100 goes out after 200 ms of silence, without a To tag; retransmissions get it again (§17.2.1)',
  async t => {
    const b = await bench()
    const { transactions, lines } = collect(b)
    b.peer.say(invite)
    await b.world.clock.advance(199)
    t.same(b.peer.take(), [])
    await b.world.clock.advance(1)
    const [trying = ''] = b.peer.take()
    t.equal(startLine(trying), 'SIP/2.0 100 Trying')
    t.equal(header(trying, 'To'), '<sip:us@10.0.0.1>')
    b.peer.say(invite)
    await b.world.clock.settle()
    t.same(b.peer.take(), [trying])
    t.same(lines, ['0 INVITE'], 'the user sees the request once')
    t.equal(b.layer.stats().absorbed, 1)
    transactions[0]?.reply(480)
    await b.world.clock.advance(1_000)
    await assertClean(t, b)
  },
)

t.test(
  'a refusal is repeated at T1, doubling to T2, until the ACK comes; the ACK stays inside (§17.2.1)',
  async t => {
    const b = await bench()
    const { transactions, lines } = collect(b)
    b.peer.say(invite)
    await b.world.clock.settle()
    transactions[0]?.reply(486)
    await b.world.clock.advance(8_000)
    t.same(
      b.peer.heard.map(({ at }) => at),
      [0, 500, 1_500, 3_500, 7_500],
    )
    const [busy = '', ...repeats] = b.peer.take()
    t.ok(repeats.every(text => text === busy))
    b.peer.say(ack(header(busy, 'To') ?? ''))
    await b.world.clock.advance(30_000)
    t.same(b.peer.take(), [])
    t.same(lines, ['0 INVITE', '13000 terminated'])
    await assertClean(t, b)
  },
)

t.test('a refusal nobody acknowledges ends with Timer H, and the user learns of it (§17.2.1)', async t => {
  const b = await bench()
  const { transactions, lines } = collect(b)
  b.peer.say(invite)
  await b.world.clock.settle()
  transactions[0]?.reply(486)
  await b.world.clock.advance(40_000)
  t.equal(b.peer.take().length, 11)
  t.same(lines, ['0 INVITE', '32000 timeout H', '32000 terminated'])
  await assertClean(t, b)
})

t.test(
  'after a 2xx, INVITEs are absorbed, the user repeats the 2xx, ACKs come to the user (RFC 6026 §7.1)',
  async t => {
    const b = await bench()
    const { transactions, lines } = collect(b)
    b.peer.say(invite)
    await b.world.clock.settle()
    const [transaction] = transactions
    if (transaction === undefined) throw new Error('no transaction')
    const ok = createResponse(transaction.request, 200, { toTag: 'local' })
    transaction.respond(ok)
    await b.world.clock.settle()
    const [first] = b.peer.take()
    b.peer.say(invite)
    await b.world.clock.advance(400)
    t.same(b.peer.take(), [], 'the transaction does not repeat a 2xx by itself')
    transaction.respond(ok)
    await b.world.clock.settle()
    t.same(b.peer.take(), [first])
    b.peer.say(ack('<sip:us@10.0.0.1>;tag=local', 'z9hG4bK-ack'))
    await b.world.clock.settle()
    b.peer.say(ack('<sip:us@10.0.0.1>;tag=local'))
    await b.world.clock.settle()
    t.same(
      lines,
      ['0 INVITE', '400 ACK local', '400 ACK local'],
      'also one that wrongly has the branch of the INVITE',
    )
    t.throws(() => transaction.reply(486), { code: 'SIP_STATE' })
    await b.world.clock.advance(40_000)
    transaction.respond(ok)
    await b.world.clock.settle()
    t.same(b.peer.take(), [], 'after Timer L it is over')
    await assertClean(t, b)
  },
)

t.test('a repeated request gets the stored final response for 64*T1 (§17.2.2)', async t => {
  const b = await bench()
  const { transactions, lines } = collect(b)
  b.peer.say(requestText())
  b.peer.say(requestText())
  await b.world.clock.settle()
  transactions[0]?.reply(200)
  await b.world.clock.settle()
  const [ok] = b.peer.take()
  await b.world.clock.advance(31_999)
  b.peer.say(requestText())
  await b.world.clock.settle()
  t.same(b.peer.take(), [ok])
  await b.world.clock.advance(2)
  t.same(lines, ['0 OPTIONS', '32000 terminated'])
  b.peer.say(requestText())
  await b.world.clock.settle()
  t.equal(transactions.length, 2, 'later it is a new request')
  transactions[1]?.reply(200)
  await assertClean(t, b)
})

t.test('a request other than INVITE: no 408, no early 100, nothing above 100 (RFC 4320 §4)', async t => {
  const b = await bench()
  const { transactions, lines } = collect(b)
  b.peer.say(requestText())
  await b.world.clock.settle()
  const [transaction] = transactions
  if (transaction === undefined) throw new Error('no transaction')
  t.throws(() => transaction.reply(408), { code: 'SIP_STATE' })
  t.throws(() => transaction.reply(183), { code: 'SIP_STATE' })
  transaction.reply(100)
  await b.world.clock.advance(3_499)
  t.same(b.peer.take(), [])
  await b.world.clock.advance(1)
  t.same(b.peer.take().map(startLine), ['SIP/2.0 100 Trying'])
  await b.world.clock.advance(40_000)
  t.same(lines, ['0 OPTIONS', '35500 timeout expire', '35500 terminated'])
  transaction.reply(200)
  await b.world.clock.settle()
  t.same(b.peer.take(), [], 'an answer that nobody waits for is not sent')
  await assertClean(t, b)
})

t.test('a second final response is a mistake of the user', async t => {
  const b = await bench()
  const { transactions } = collect(b)
  b.peer.say(requestText())
  await b.world.clock.settle()
  transactions[0]?.reply(200)
  t.throws(() => transactions[0]?.reply(404), { code: 'SIP_STATE', message: /answered 200 already/ })
  await assertClean(t, b)
})

t.test('server transactions are told apart by branch, sent-by and method (§17.2.3)', async t => {
  const b = await bench()
  const { lines } = collect(b)
  b.layer.onRequest = (
    (inner = b.layer.onRequest) =>
    (transaction: ServerTransaction) => {
      inner?.(transaction)
      transaction.reply(200)
    }
  )()
  b.peer.say(requestText({ via: via('10.0.0.2:5060', 'z9hG4bKa') }))
  b.peer.say(requestText({ via: via('10.0.0.2', 'z9hG4bKa') }))
  b.peer.say(requestText({ via: via('10.0.0.2:5061', 'z9hG4bKa') }))
  b.peer.say(requestText({ via: via('10.0.0.2:5060', 'z9hG4bKb') }))
  b.peer.say(requestText({ via: via('10.0.0.2:5060', 'z9hG4bKa'), method: 'INFO' }))
  await b.world.clock.settle()
  t.same(lines, ['0 OPTIONS', '0 OPTIONS', '0 OPTIONS', '0 INFO'])
  t.equal(b.layer.stats().absorbed, 1, 'a missing port is the default port')
  await assertClean(t, b)
})

t.test('without the magic cookie the RFC 2543 rules hold, for INVITE, ACK and CANCEL (§17.2.3)', async t => {
  const b = await bench()
  const { transactions, lines } = collect(b)
  for (const via of [
    'SIP/2.0/UDP 10.0.0.2:5060',
    'SIP/2.0/UDP 10.0.0.2:5060;branch=1',
    'SIP/2.0/UDP 10.0.0.2:5060;branch=z9hG4bK',
  ]) {
    lines.length = 0
    transactions.length = 0
    const callId = via
    const at = b.world.clock.now()
    const old = requestText({ method: 'INVITE', via, callId: 'x' + String(callId.length) })
    b.peer.say(old)
    b.peer.say(old)
    await b.world.clock.settle()
    t.same(lines, [`${at} INVITE`], 'the repeated INVITE is absorbed')
    b.peer.say(old.replace('INVITE sip', 'CANCEL sip').replace('1 INVITE', '1 CANCEL'))
    await b.world.clock.settle()
    t.same(lines, [`${at} INVITE`, `${at} cancelled`])
    t.same(b.peer.take().map(startLine), ['SIP/2.0 200 OK'])
    transactions[0]?.reply(487)
    await b.world.clock.settle()
    const [final = ''] = b.peer.take()
    const oldAck = old.replace('INVITE sip', 'ACK sip').replace('1 INVITE', '1 ACK')
    b.peer.say(oldAck.replace('To: <sip:us@10.0.0.1>', 'To: <sip:us@10.0.0.1>;tag=other'))
    await b.world.clock.settle()
    t.equal(transactions[0]?.state, 'completed', 'an ACK with another To tag is not for this one')
    b.peer.say(oldAck.replace('To: <sip:us@10.0.0.1>', `To: ${header(final, 'To')}`))
    await b.world.clock.settle()
    t.equal(transactions[0]?.state, 'confirmed')
    await b.world.clock.advance(40_000)
    b.peer.take()
  }
  await assertClean(t, b)
})

t.test(
  'a CANCEL is answered 200 with the To tag of the INVITE, which its user then answers 487 (§9.2)',
  async t => {
    const b = await bench()
    const { transactions, lines } = collect(b)
    b.peer.say(invite)
    await b.world.clock.settle()
    const [transaction] = transactions
    if (transaction === undefined) throw new Error('no transaction')
    transaction.reply(180)
    transaction.onCancel = () => transaction.reply(487)
    const cancel = requestText({ method: 'CANCEL' })
    b.peer.say(cancel)
    await b.world.clock.settle()
    const [ringing = '', ok = '', gone = ''] = b.peer.take()
    t.equal(startLine(ok), 'SIP/2.0 200 OK')
    t.equal(header(ok, 'CSeq'), '1 CANCEL')
    t.equal(header(ok, 'To'), header(ringing, 'To'))
    t.equal(startLine(gone), 'SIP/2.0 487 Request Terminated')
    b.peer.say(cancel)
    await b.world.clock.settle()
    t.same(b.peer.take(), [ok], 'the repeated CANCEL gets the same answer')
    b.peer.say(ack(header(gone, 'To') ?? ''))
    await b.world.clock.settle()
    t.equal(transaction.state, 'confirmed')
    t.same(lines, ['0 INVITE'])
    await assertClean(t, b)
  },
)

t.test('a CANCEL after the final response is answered 200 and changes nothing (§9.2)', async t => {
  const b = await bench()
  const { transactions, lines } = collect(b)
  b.peer.say(invite)
  await b.world.clock.settle()
  transactions[0]?.reply(200)
  b.peer.say(requestText({ method: 'CANCEL' }))
  await b.world.clock.settle()
  t.same(b.peer.take().map(startLine), ['SIP/2.0 200 OK', 'SIP/2.0 200 OK'])
  t.same(lines, ['0 INVITE'])
  await assertClean(t, b)
})

t.test('a CANCEL for nothing we know gets 481, or goes to who asked for it (§9.2)', async t => {
  const b = await bench()
  const { lines } = collect(b)
  b.peer.say(requestText({ method: 'CANCEL' }))
  await b.world.clock.settle()
  t.match(startLine(b.peer.take()[0] ?? ''), /^SIP\/2\.0 481 /)
  t.same(lines, [])
  b.layer.onUnmatchedCancel = transaction => transaction.reply(200)
  b.peer.say(requestText({ method: 'CANCEL', branch: 'z9hG4bK-other' }))
  await b.world.clock.settle()
  t.equal(startLine(b.peer.take()[0] ?? ''), 'SIP/2.0 200 OK')
  await assertClean(t, b)
})

t.test('a request that came by two ways is marked as merged (§8.2.2.2)', async t => {
  const b = await bench()
  const { transactions } = collect(b)
  b.peer.say(requestText({ method: 'INVITE', branch: 'z9hG4bK-left' }))
  b.peer.say(requestText({ method: 'INVITE', branch: 'z9hG4bK-right' }))
  b.peer.say(requestText({ method: 'INVITE', branch: 'z9hG4bK-next', cseq: '2 INVITE' }))
  b.peer.say(requestText({ method: 'INVITE', branch: 'z9hG4bK-in', to: '<sip:us@10.0.0.1>;tag=a' }))
  await b.world.clock.settle()
  t.same(
    transactions.map(({ merged }) => merged),
    [false, true, false, false],
  )
  for (const transaction of transactions) transaction.reply(482)
  await b.world.clock.advance(40_000)
  b.peer.say(requestText({ method: 'INVITE', branch: 'z9hG4bK-left' }))
  await b.world.clock.settle()
  t.equal(transactions.at(-1)?.merged, false, 'nothing is remembered of transactions that have ended')
  transactions.at(-1)?.reply(482)
  await assertClean(t, b)
})

t.test(
  'beyond limits.server an INVITE gets 503 with Retry-After and no state; a BYE still passes',
  async t => {
    const b = await bench({ layer: { limits: { server: 1 } } })
    const { lines, transactions } = collect(b)
    b.peer.say(requestText({ method: 'INVITE', branch: 'z9hG4bK-1' }))
    b.peer.say(requestText({ method: 'INVITE', branch: 'z9hG4bK-2', callId: 'two' }))
    b.peer.say(requestText({ method: 'BYE', branch: 'z9hG4bK-3', callId: 'two' }))
    b.peer.say(requestText({ method: 'BYE', branch: 'z9hG4bK-4', callId: 'three' }))
    await b.world.clock.settle()
    t.same(lines, ['0 INVITE', '0 BYE'])
    const heard = b.peer.take()
    t.same(heard.map(startLine), ['SIP/2.0 503 Service Unavailable', 'SIP/2.0 503 Service Unavailable'])
    t.equal(header(heard[0] ?? '', 'Retry-After'), '10')
    t.equal(b.layer.stats().refusedServer, 2)
    for (const transaction of transactions) transaction.reply(481)
    await assertClean(t, b)
  },
)

t.test('a header that its user cannot read is answered 400', async t => {
  const b = await bench()
  b.layer.onRequest = transaction => {
    transaction.request.get(MinSe)
    transaction.reply(200)
  }
  b.peer.say(requestText({ headers: ['Min-SE: soon'] }))
  await b.world.clock.settle()
  t.match(startLine(b.peer.take()[0] ?? ''), /^SIP\/2\.0 400 /)
  await assertClean(t, b)
})

t.test(
  'on TCP: responses use the connection of the request, nothing is repeated, Timers I and J are zero',
  async t => {
    const b = await bench()
    const { transactions, lines } = collect(b)
    const raw = await b.world.connect(b.world.host('10.0.0.3'))
    const via = 'SIP/2.0/TCP 10.0.0.3:5060;branch=z9hG4bK-tcp'
    raw.say(requestText({ method: 'INVITE', via }))
    await b.world.clock.settle()
    transactions[0]?.reply(486)
    await b.world.clock.advance(5_000)
    const busy = raw.take()
    t.equal(busy.match(/^SIP\/2\.0 486/gm)?.length, 1)
    raw.say(requestText({ method: 'ACK', cseq: '1 ACK', via, to: header(busy, 'To') ?? '' }))
    await b.world.clock.settle()
    t.equal(transactions[0]?.state, 'terminated')
    raw.say(requestText({ via: 'SIP/2.0/TCP 10.0.0.3:5060;branch=z9hG4bK-tcp2' }))
    await b.world.clock.settle()
    transactions[1]?.reply(200)
    t.equal(transactions[1]?.state, 'terminated')
    t.equal(b.layer.size, 0)
    t.same(
      lines.map(line => line.replace(/^\d+ /, '')),
      ['INVITE', 'terminated', 'OPTIONS', 'terminated'],
    )
    await assertClean(t, b)
  },
)

t.test(
  'when the connection is gone, the response goes to the sent-by port over a new one (§18.2.2)',
  async t => {
    const b = await bench()
    const { transactions } = collect(b)
    const host = b.world.host('10.0.0.3')
    const listener = await b.world.rawListener(host, 5070)
    const raw = await b.world.connect(host)
    raw.say(requestText({ via: 'SIP/2.0/TCP elsewhere.test:5070;branch=z9hG4bK-tcp' }))
    await b.world.clock.settle()
    raw.connection.destroy()
    await b.world.clock.advance(100)
    transactions[0]?.reply(200)
    await b.world.clock.advance(100)
    t.equal(startLine(listener.connections[0]?.take() ?? ''), 'SIP/2.0 200 OK')
    await assertClean(t, b)
  },
)

t.test('a response that cannot be sent at all: the user is told (§17.2.4)', async t => {
  const b = await bench()
  const { transactions, lines } = collect(b)
  const raw = await b.world.connect(b.world.host('10.0.0.3'))
  raw.say(requestText({ via: 'SIP/2.0/TCP 10.0.0.3:5070;branch=z9hG4bK-tcp', method: 'INVITE' }))
  await b.world.clock.settle()
  raw.connection.destroy()
  await b.world.clock.advance(100)
  transactions[0]?.reply(486)
  await b.world.clock.advance(40_000)
  t.match(lines.join('\n'), /INVITE\n\d+ transport connect\n\d+ timeout H\n\d+ terminated$/)
  await assertClean(t, b)
})

t.test('100 at once, where that is asked for, but never behind the answer of a quick user', async t => {
  const b = await bench({ layer: { timers: { trying: 0 } } })
  const { transactions } = collect(b)
  b.peer.say(invite)
  await b.world.clock.settle()
  t.same(b.peer.take().map(startLine), ['SIP/2.0 100 Trying'])
  transactions[0]?.reply(486)
  b.layer.onRequest = transaction => transaction.reply(404)
  b.peer.say(requestText({ method: 'INVITE', branch: 'z9hG4bK-quick', callId: 'quick' }))
  await b.world.clock.settle()
  t.same(b.peer.take().map(startLine), ['SIP/2.0 486 Busy Here', 'SIP/2.0 404 Not Found'])
  await assertClean(t, b)
})

t.test('a detached transaction is forgotten by the layer but still repeats its answer', async t => {
  const b = await bench()
  const { transactions, lines } = collect(b)
  b.peer.say(requestText())
  await b.world.clock.settle()
  const [transaction] = transactions
  transaction?.reply(200)
  transaction?.detach()
  t.equal(transaction?.state, 'completed')
  t.equal(transaction?.response?.statusCode, 200)
  await b.world.clock.settle()
  const [ok] = b.peer.take()
  b.peer.say(requestText())
  await b.world.clock.settle()
  t.same(b.peer.take(), [ok])
  await b.world.clock.advance(40_000)
  t.same(lines, ['0 OPTIONS'], 'no callback any more')
  t.throws(() => transaction?.reply(200), { code: 'SIP_STATE' })
  await assertClean(t, b)
})

t.test('an ACK is sent without a transaction, and may be sent again (§13.2.2.4)', async t => {
  const b = await bench()
  const sent = request('BYE')
  sent.method = 'ACK'
  sent.headers.set('CSeq', '1 ACK')
  await b.layer.sendAck(sent)
  await b.layer.sendAck(sent, { host: '10.0.0.2' })
  await b.world.clock.advance(40_000)
  const heard = b.peer.take()
  t.equal(heard.length, 2, 'nothing repeats it by itself')
  for (const text of heard) t.equal(text.match(/^Via:/gm)?.length, 1)
  t.not(header(heard[0] ?? '', 'Via'), header(heard[1] ?? '', 'Via'))
  await assertClean(t, b)
})

t.test('a user that throws does not end the process: 500, a counter and the channel of faults', async t => {
  const b = await bench()
  const faults: FaultEvent[] = []
  t.teardown(faultChannel.subscribe(event => faults.push(event)))
  const defect = new TypeError('a defect of the application')
  b.layer.onRequest = () => {
    throw defect
  }
  b.peer.say(requestText())
  await b.world.clock.settle()
  t.match(startLine(b.peer.take()[0] ?? ''), /^SIP\/2\.0 500 /)
  t.equal(b.transport.stats().faults, 1)
  t.match(faults, [{ endpoint: b.transport.endpoint, error: defect, method: 'OPTIONS', callId: /./ }])

  b.layer.onRequest = transaction => {
    transaction.reply(486)
    throw defect
  }
  b.peer.say(requestText({ via: via('10.0.0.2', 'z9hG4bK-answered') }))
  await b.world.clock.settle()
  t.same(b.peer.take().map(startLine), ['SIP/2.0 486 Busy Here'], 'what was answered stays answered')

  b.layer.onAck = () => {
    throw defect
  }
  b.peer.say(ack('<sip:us@10.0.0.1>;tag=x', 'z9hG4bK-ack'))
  await b.world.clock.settle()
  t.equal(b.transport.stats().faults, 3)
  t.equal(faults.length, 3)

  b.layer.onRequest = transaction => transaction.reply(200)
  b.peer.say(requestText({ via: via('10.0.0.2', 'z9hG4bK-later') }))
  await b.world.clock.settle()
  t.same(b.peer.take().map(startLine), ['SIP/2.0 200 OK'], 'and the layer goes on')
  await assertClean(t, b)
})

t.test('a client whose callback throws keeps its transaction, and its end', async t => {
  const b = await bench()
  const transaction = b.layer.request(request('OPTIONS'))
  transaction.onResponse = () => {
    throw new TypeError('a defect of the application')
  }
  await b.world.clock.settle()
  const [sent = ''] = b.peer.take()
  b.peer.say(responseText(sent, '200 OK'))
  await b.world.clock.settle()
  t.equal(b.transport.stats().faults, 1)
  await assertClean(t, b)
})
