import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { Endpoint } from '../../src/call/endpoint.ts'
import type { Media } from '../../src/call/call-types.ts'
import { UserAgentCore } from '../../src/sip/dialog/core.ts'
import { TransactionLayer } from '../../src/sip/transaction/transaction-layer.ts'
import { TransportLayer } from '../../src/sip/transport/transport-layer.ts'
import { createLab } from '../../src/testing/lab.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { createSimulatedRuntime } from '../../src/testing/simulated-network.ts'

const target = 'sip:agent@agent.lab'

t.test(
  'what cannot be called is refused before anything is opened, by field and without quoting it',
  async t => {
    const lab = createLab()
    const phone = await lab.endpoint('phone.lab')
    const registration = phone.register({ aor: 'sip:phone@agent.lab' })
    await registration.unregister()
    const before = lab.network.counters.sent
    const cases: readonly (readonly [field: string, target: unknown, options?: object])[] = [
      ['target', 'foo-555-0100'],
      ['target', ''],
      ['target', undefined],
      ['target', 'sip:'],
      ['target', 'sip:a b@c'],
      ['target', 'tel:+15550100'],
      ['target', 'sip:x@agent.lab:0'],
      ['target', 'sip:x@agent.lab:99999'],
      ['target', 'sip:x@agent.lab\r\nX: y'],
      ['trunk.aor', target, { trunk: { aor: 'not a uri' } }],
      ['trunk.outboundProxy', target, { trunk: { aor: 'sip:a@b', outboundProxy: 'nope' } }],
      ['from', target, { from: 'me' }],
      ['headers', target, { headers: [['Via', 'SIP/2.0/UDP evil']] }],
      ['headers', target, { headers: [['l', '7']] }],
      ['ringTimeoutMs', target, { ringTimeoutMs: -1 }],
      ['registration', target, { registration, trunk: { aor: 'sip:a@b' } }],
      ['codecs', target, { codecs: ['GSM'] }],
    ]
    await lab.run(async () => {
      for (const [field, uri, options] of cases) {
        const error = await phone.call(uri as string, options).catch((reason: unknown) => reason)
        t.match(error, { code: 'SIP_OPTION', field }, `${field}: ${String(uri)}`)
        t.notMatch((error as Error).message, /555-0100/)
      }
      t.equal(phone.calls.length, 0)
    })
    t.equal(lab.network.counters.sent, before, 'nothing was sent')
  },
)

t.test('a target keeps its parameters, with and without angle brackets', async t => {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab', { transports: ['tcp'] })
  const vias: string[] = []
  void agent.serve(call => {
    vias.push(call.invite.via.transport)
    call.reject(486)
  })
  await lab.run(async () => {
    for (const uri of [
      'sip:x@agent.lab;transport=tcp',
      '<sip:x@agent.lab;transport=tcp>',
      '"X" <sip:x@10.0.0.1;transport=tcp>',
    ]) {
      t.match(await phone.call(uri).catch((error: unknown) => error), { statusCode: 486 }, uri)
    }
  })
  t.same(vias, ['TCP', 'TCP', 'TCP'])
})

t.test('closing while a call is being dialled ends both', async t => {
  const lab = createLab()
  const phone = await lab.endpoint('phone.lab')
  await lab.run(async () => {
    const calling = phone.call(target).catch((error: unknown) => error)
    await phone.close()
    t.match(await calling, { code: 'SIP_CALL_ENDED' })
  })
  t.equal(lab.clock.pendingTimers, 0)
})

t.test('closing does not wait for those who never answer', async t => {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  void agent.serve(async call => {
    await call.answer()
    await call.ended
  })
  await lab.run(async () => {
    const up = await phone.call(target)
    const dialling = phone.call('sip:ghost@10.9.9.9').catch((error: unknown) => error)
    await up.sleep(100)
    lab.network.partition('10.0.0.1', '10.0.0.2')
    const startedAt = lab.clock.now()
    await phone.close({ giveUpMs: 2_000 })
    t.ok(lab.clock.now() - startedAt <= 2_000, `closed within ${lab.clock.now() - startedAt} ms`)
    t.match(await up.ended, { by: 'local' })
    t.match(await dialling, { code: /^SIP_/ })
    lab.network.heal()
  })
})

t.test('nothing is left of an answer nobody acknowledged when its endpoint closes', async t => {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  void agent.serve(async call => {
    lab.network.setConditions({ loss: 1 })
    await call.answer()
    await call.ended
  })
  await lab.run(async () => {
    const calling = phone.call(target).catch((error: unknown) => error)
    await lab.clock.sleep(100)
    await Promise.all([agent.close({ giveUpMs: 1_000 }), phone.close({ giveUpMs: 1_000 })])
    t.match(await calling, { code: /^SIP_/ })
    t.equal(lab.clock.pendingTimers, 0)
  })
})

t.test('a phone that rings for ever is given up, with CANCEL', async t => {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  let ended: unknown
  void agent.serve(async call => {
    call.ring()
    ended = await call.ended
  })
  await lab.run(async () => {
    await t.rejects(phone.call(target, { ringTimeoutMs: 20_000 }), {
      code: 'SIP_TIMEOUT',
      message: /20000 ms/,
    })
    await lab.clock.sleep(1000)
  })
  t.match(ended, { by: 'remote', cause: 'cancelled' })
})

t.test('an answer that is never acknowledged ends as that (RFC 3261 §13.3.1.4)', async t => {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab', { rtp: { timeoutMs: 10_000 } })
  const phone = await lab.endpoint('phone.lab')
  let ended: unknown
  void agent.serve(async call => {
    lab.network.setConditions({ loss: 1 }, { from: '10.0.0.2' })
    await call.answer()
    ended = await call.ended
  })
  await lab.run(async () => {
    await phone.call(target).catch(() => {})
    await lab.clock.sleep(70_000)
    lab.network.setConditions({}, { from: '10.0.0.2' })
  })
  t.match(ended, { by: 'timeout', cause: 'no-ack' })
})

t.test('a late offer: answer() resolves when the ACK has brought the answer (RFC 3264 §4)', async t => {
  const lab = createLab({ network: { delayMs: 50 } })
  const agent = await lab.endpoint('agent.lab')
  let media: Media | undefined
  let codec: string | undefined
  let negotiatedAt = 0
  void agent.serve(async call => {
    media = await call.answer()
    codec = media.codec.name
    negotiatedAt = lab.clock.now()
    await call.ended
  })
  const runtime = createSimulatedRuntime({
    clock: lab.clock,
    network: lab.network.host('10.7.0.1'),
    random: seededRandom(9),
    resolver: lab.resolver,
  })
  const transport = new TransportLayer({
    runtime,
    listen: [{ transport: 'udp', host: '10.7.0.1', port: 5060 }],
  })
  const transactions = new TransactionLayer({ transport, clock: runtime.clock, random: runtime.random })
  const core = new UserAgentCore({ transactions, transport, runtime })
  await transport.open()
  const answer =
    'v=0\r\no=- 1 1 IN IP4 10.7.0.1\r\ns=-\r\nc=IN IP4 10.7.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8\r\n'
  await lab.run(async () => {
    const session = core.invite({
      target: 'sip:agent@10.0.0.1',
      from: 'sip:peer@10.7.0.1',
      handlers: { onOffer: () => ({ contentType: 'application/sdp', body: Buffer.from(answer) }) },
    })
    await lab.clock.sleep(1000)
    session.hangup()
    await session.ended
    await lab.clock.sleep(200)
    await core.close()
    transactions.close()
    await transport.close()
  })
  t.equal(codec, 'PCMA')
  t.ok(negotiatedAt >= 150, `INVITE, 200 and ACK took their time: ${negotiatedAt} ms`)
})

t.test('with several addresses, audio is on the one the call came in by', async t => {
  const lab = createLab()
  const network = lab.network.host(['10.8.0.1', '10.8.0.2'])
  const endpoint = new Endpoint({
    listen: ['udp://10.8.0.1:5060', 'udp://10.8.0.2:5060'],
    runtime: createSimulatedRuntime({ clock: lab.clock, network, random: seededRandom(3) }),
  })
  await endpoint.open()
  void endpoint.serve(async call => {
    await call.answer()
    await call.sleep(500)
  })
  const phone = await lab.endpoint('phone.lab')
  const rtpFrom = new Set<string>()
  lab.network.onDatagram(({ from, data }) => {
    if (data.length === 172) rtpFrom.add(from.address)
  })
  await lab.run(async () => {
    const call = await phone.call('sip:x@10.8.0.2')
    await call.ended
    await endpoint.close()
  })
  t.same([...rtpFrom].toSorted(), ['10.0.0.1', '10.8.0.2'])
})

t.test('two recordings do not share a file, and a bad place is named', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'offhook-record-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  void agent.serve(async call => {
    await call.answer()
    await call.ended
  })
  const file = join(folder, 'call.wav')
  await lab.run(async () => {
    const call = await phone.call(target)
    const recording = await lab.clock.hold(call.record(file))
    await t.rejects(call.record(file), { code: 'SIP_OPTION', field: 'file' })
    await t.rejects(lab.clock.hold(call.record(join(folder, 'no', 'folder.wav'))), {
      code: 'SIP_OPTION',
      field: 'file',
    })
    await call.sleep(500)
    await lab.clock.hold(recording.stop())
  })
})

t.test('closing the endpoint waits until recordings are written', async t => {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  void agent.serve(async call => {
    await call.answer()
    await call.ended
  })
  let written = false
  await lab.run(async () => {
    const call = await phone.call(target)
    await call.record({
      write: () => {},
      close: async () => {
        await lab.clock.sleep(300)
        written = true
      },
    })
    await call.sleep(500)
    await phone.close()
    t.ok(written)
  })
})

t.test('a recording that breaks off is told of, and closing does not wait for it for ever', async t => {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  const errors: string[] = []
  phone.on('error', error => void errors.push(`${error.code} ${error.message}`))
  void agent.serve(async call => {
    await call.answer()
    await call.ended
  })
  await lab.run(async () => {
    const call = await phone.call(target)
    await call.record({ write: () => Promise.reject(new Error('no space left')), close: () => {} })
    await call.record({ write: () => new Promise<void>(() => {}), close: () => {} })
    await call.sleep(2000)
    t.match(errors, [/^SIP_MEDIA .*broke off: no space left; what was written before plays/])
    t.equal(call.state, 'confirmed')
    const before = lab.clock.now()
    await phone.close()
    t.ok(lab.clock.now() - before <= 10_000)
  })
  const record = lab.records.find(({ direction }) => direction === 'outbound')!
  t.match(lab.ladder(record.id), /media recording-error no space left/)
})

t.test('methods used at the wrong time say so', async t => {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  void agent.serve(async call => {
    await t.rejects(call.sendDtmf('1'), { code: 'SIP_STATE' })
    await t.rejects(call.record('nowhere.wav'), { code: 'SIP_STATE' })
    t.throws(() => call.media, { code: 'SIP_STATE' })
    t.throws(() => call.dtmf(), { code: 'SIP_STATE' })
    t.throws(() => call.reject(200), { code: 'SIP_OPTION', field: 'statusCode' })
    t.throws(() => call.redirect([]), { code: 'SIP_OPTION', field: 'targets' })
    await t.rejects(call.answer({ headers: [['Contact', '<sip:evil>']] }), {
      code: 'SIP_OPTION',
      field: 'headers',
    })
    const media = await call.answer()
    t.equal(await call.answer(), media, 'answering twice is answering once')
    call.reject(486)
    await call.ended
  })
  await lab.run(async () => {
    const call = await phone.call(target)
    await call.sleep(200)
    t.equal(call.state, 'confirmed', 'a refusal after the answer does nothing')
    await call.hangup()
    await t.rejects(call.hold(), { code: 'SIP_STATE' })
    await call.sendDtmf('1')
    await call.sleep(1000)
    t.equal(call.state, 'terminated')
  })
})
