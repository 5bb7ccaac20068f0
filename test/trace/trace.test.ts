import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { runAgent } from '../../src/agent/agent.ts'
import { echoAgent } from '../../src/agent/echo.ts'
import { callChannel } from '../../src/call/diagnostics.ts'
import { mediaDtmfChannel } from '../../src/media/session/diagnostics.ts'
import type { Lab } from '../../src/testing/lab.ts'
import { createLab } from '../../src/testing/lab.ts'
import { readCalls } from '../../src/trace/call-journal.ts'
import { describeCall } from '../../src/trace/call-record.ts'
import { Journal, readJournal } from '../../src/trace/journal.ts'
import { Trace } from '../../src/trace/trace.ts'

const folder = mkdtempSync(join(tmpdir(), 'offhook-trace-'))
/** Virtual time goes by. */
function pass(lab: Lab, ms: number): Promise<void> {
  return new Promise(resolve => lab.clock.setTimer(lab.clock.now() + ms, resolve))
}

/** The messages of a ladder, in short. */
function arrows(ladder: string | undefined): string[] {
  return (ladder ?? '').split('\n').flatMap(line => {
    const text = /─ (?<text>INVITE|200 OK \(\w+\)|ACK|BYE) /.exec(line)?.groups?.['text']
    return text === undefined ? [] : [`${line.includes('◀') ? 'out' : 'in'} ${text}`]
  })
}

t.teardown(() => rmSync(folder, { recursive: true, force: true }))

t.test('a call leaves one record with its ids, moments, parties, digits and audio', async t => {
  const lab = createLab({ network: { delayMs: 10, loss: 0.05 }, seed: 3 })
  const endpoint = await lab.endpoint('agent.lab')
  const journal = join(folder, 'calls.jsonl')
  const trace = new Trace({ endpoint, journal })
  void runAgent(endpoint, echoAgent())
  const caller = lab.caller()
  void caller.call('sip:+15550100@agent.lab', {
    from: '"Ada" <sip:+15550199@phone.lab>',
    headers: [
      ['X-Twilio-CallSid', 'CA123'],
      ['X-call_leg_id', 'leg-9'],
    ],
  })
  void caller.press('42#')
  void caller.waits(3000)
  void caller.hangup()
  void caller.waits(100)
  await lab.run()
  const id = trace.calls[0] ?? ''
  const record = trace.record(id)
  t.match(record, {
    id,
    direction: 'inbound',
    state: 'ended',
    carrierIds: [
      { carrier: 'twilio', field: 'callSid', value: 'CA123' },
      { carrier: 'telnyx', field: 'callLegId', value: 'leg-9' },
    ],
    personal: {
      from: 'sip:+15550199@phone.lab',
      to: 'sip:+15550100@agent.lab',
      dialled: '+15550100',
      digitsReceived: '42#',
    },
    peer: 'udp:10.0.0.2:5060',
    ended: { by: 'remote', cause: 'hangup' },
    media: { codec: 'PCMU' },
  })
  const { times, media, setupMs, durationMs } = record ?? {}
  t.ok(times?.invite && times.final && times.ack && times.end, 'INVITE, 200, ACK and BYE have their moments')
  t.ok((times?.invite ?? '') <= (times?.final ?? '') && (times?.final ?? '') <= (times?.ack ?? ''))
  t.ok(setupMs !== undefined && setupMs < 200, `set up in ${setupMs} ms`)
  t.ok(durationMs !== undefined && durationMs > 3000 && durationMs < 4500, `lasted ${durationMs} ms`)
  t.ok(media && media.lost > 0 && media.lossRatio > 0.02 && media.lossRatio < 0.1, `loss ${media?.lossRatio}`)
  t.same(readCalls(journal), [JSON.parse(JSON.stringify(record))], 'and the journal has the same')
  t.match(describeCall(record as never), /twilio calls it callSid CA123[\s\S]*ended by remote: hangup/)
})

t.test('the ladder shows messages both ways, and what happened to the media between them', async t => {
  const lab = createLab({ network: { delayMs: 10 } })
  const endpoint = await lab.endpoint('agent.lab')
  void runAgent(endpoint, echoAgent())
  const caller = lab.caller()
  void caller.call('sip:echo@agent.lab')
  void caller.press('7')
  void caller.hangup()
  void caller.waits(100)
  await lab.run()
  const inbound = lab.records.find(record => record.direction === 'inbound')
  const ladder = lab.ladder(inbound?.id ?? '') ?? ''
  const order = ['INVITE  SDP', '200 OK (INVITE)  SDP', 'ACK', 'digit 7 received', 'BYE', '200 OK (BYE)']
  let from = 0
  for (const text of order) {
    const at = ladder.indexOf(text, from)
    t.ok(at >= from, `${text} stands in its place`)
    from = at
  }
  t.match(ladder, /\|─+ INVITE .*▶\|/, 'received messages point at us')
  t.match(ladder, /\|◀─+ 200 OK \(INVITE\)/)
})

t.test('digits can be masked, everywhere', async t => {
  const lab = createLab()
  const endpoint = await lab.endpoint('agent.lab')
  const trace = new Trace({ endpoint, maskDigits: true })
  void runAgent(endpoint, echoAgent())
  const caller = lab.caller()
  void caller.call('sip:echo@agent.lab')
  void caller.press('1234')
  void caller.hangup()
  await lab.run()
  const id = trace.calls[0] ?? ''
  t.equal(trace.record(id)?.personal.digitsReceived, '****')
  t.notMatch(trace.ladder(id), /digit [0-9]/)
})

t.test('an endpoint that calls itself has two calls, each with its own messages', async t => {
  const lab = createLab({ network: { delayMs: 10 } })
  const endpoint = await lab.endpoint('agent.lab')
  const trace = new Trace({ endpoint })
  void runAgent(endpoint, echoAgent())
  await lab.run(async () => {
    const call = await endpoint.call('sip:echo@agent.lab')
    await call.hangup()
    await pass(lab, 100)
  })
  const records = trace.calls.map(id => trace.record(id))
  t.match(records, [
    { direction: 'outbound', state: 'ended', ended: { by: 'local' } },
    { direction: 'inbound', state: 'ended', ended: { by: 'remote' } },
  ])
  t.equal(records[0]?.callId, records[1]?.callId)
  t.equal(lab.records.length, 2, 'and two records were handed out')
  const [made, taken] = trace.calls.map(id => trace.ladder(id) ?? '')
  t.same(arrows(made), ['out INVITE', 'in 200 OK (INVITE)', 'out ACK', 'out BYE', 'in 200 OK (BYE)'])
  t.same(arrows(taken), ['in INVITE', 'out 200 OK (INVITE)', 'in ACK', 'in BYE', 'out 200 OK (BYE)'])
})

t.test('an INVITE that was refused and comes again with the same Call-ID is another call', async t => {
  const lab = createLab({ network: { delayMs: 10 } })
  const endpoint = await lab.endpoint('agent.lab')
  const trace = new Trace({ endpoint })
  let offered = 0
  void endpoint.serve(call => {
    offered += 1
    call.reject(offered === 1 ? 480 : 486)
  })
  const socket = await lab.network.host('10.7.7.7').bindUdp({ host: '10.7.7.7', port: 5060 })
  const send = (method: string, branch: string, toTag: string): void =>
    socket.send(
      Buffer.from(
        [
          `${method} sip:+15550100@agent.lab SIP/2.0`,
          `Via: SIP/2.0/UDP 10.7.7.7:5060;branch=z9hG4bK-${branch}`,
          'From: <sip:trunk@10.7.7.7>;tag=trunk',
          `To: <sip:+15550100@agent.lab>${toTag}`,
          'Call-ID: again',
          `CSeq: 1 ${method}`,
          'Max-Forwards: 70',
          'Contact: <sip:10.7.7.7:5060>',
          'Content-Length: 0',
          '',
          '',
        ].join('\r\n'),
      ),
      5060,
      '10.0.0.1',
    )
  socket.onMessage = data => {
    const response = Buffer.from(data).toString('latin1')
    const branch = /branch=z9hG4bK-(\w+)/.exec(response)?.[1] ?? ''
    if (/^SIP\/2.0 48/.test(response)) send('ACK', branch, /^To:[^\r]*(;tag=\S+)/m.exec(response)?.[1] ?? '')
  }
  await lab.run(async () => {
    send('INVITE', 'first', '')
    await pass(lab, 10_000)
    send('INVITE', 'second', '')
    await pass(lab, 10_000)
  })
  const [first, second] = trace.calls
  t.equal(trace.calls.length, 2)
  t.match(trace.record(first ?? ''), { callId: 'again', ended: { statusCode: 480 } })
  t.match(trace.record(second ?? ''), { callId: 'again', ended: { statusCode: 486 } })
  t.equal(trace.record('again')?.id, second, 'the Call-ID names the latest')
  const moments = trace.calls.map(id => trace.record(id)?.times)
  t.ok((moments[0]?.ack ?? 'z') < (moments[1]?.invite ?? ''), 'the moments of the two do not mix')
  for (const id of trace.calls)
    t.equal(trace.ladder(id)?.match(/ INVITE /g)?.length, 1, 'one INVITE in each ladder')
  t.notMatch(trace.ladder(first ?? ''), /486/)
  t.notMatch(trace.ladder(second ?? ''), /480/)
})

t.test('what the carrier calls a call we make is in its responses', async t => {
  const lab = createLab()
  const endpoint = await lab.endpoint('agent.lab')
  const carrier = await lab.endpoint('carrier.lab')
  const trace = new Trace({ endpoint })
  void carrier.serve(async call => {
    call.ring({ headers: [['X-Twilio-CallSid', 'CA7']] })
    await call.answer({
      headers: [
        ['X-Twilio-CallSid', 'CA-later'],
        ['X-call_leg_id', 'leg-7'],
      ],
    })
    await call.ended
  })
  await lab.run(async () => {
    const call = await endpoint.call('sip:+15550100@carrier.lab')
    await call.hangup()
  })
  t.same(trace.record(trace.calls[0] ?? '')?.carrierIds, [
    { carrier: 'twilio', field: 'callSid', value: 'CA7' },
    { carrier: 'telnyx', field: 'callLegId', value: 'leg-7' },
  ])
})

t.test('what one call may leave in its record is bounded, and the rest is counted', async t => {
  const lab = createLab()
  const endpoint = await lab.endpoint('agent.lab')
  const trace = new Trace({ endpoint })
  void endpoint.serve(async call => {
    await call.answer()
    for (let file = 0; file < 70; file += 1)
      callChannel.publish({ kind: 'recording', endpoint, call, file: `${file}.wav` })
    for (let digit = 0; digit < 300; digit += 1) {
      mediaDtmfChannel.publish({
        call: call.id,
        at: lab.clock.now(),
        direction: 'in',
        via: 'rtp',
        digit: '5',
        durationMs: 40,
      })
    }
    await call.ended
  })
  const phone = await lab.endpoint('phone.lab')
  await lab.run(async () => {
    const call = await phone.call('sip:x@agent.lab')
    await call.hangup()
  })
  const record = trace.record(trace.calls[0] ?? '')
  t.equal(record?.personal.digitsReceived, '5'.repeat(256))
  t.equal(record?.digitsDropped, 44)
  t.equal(record?.recordings.length, 64)
  t.equal(record?.recordingsDropped, 6)
  const other = lab.records.find(({ direction }) => direction === 'outbound')
  t.notOk(other !== undefined && ('digitsDropped' in other || 'recordingsDropped' in other), 'absent when 0')
})

t.test('a listener for records that throws is told of, and the next one still comes', async t => {
  const lab = createLab()
  const endpoint = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  const heard: string[] = []
  const trace = new Trace({
    endpoint,
    onRecord: record => {
      heard.push(record.id)
      throw new Error('the database is away')
    },
  })
  void endpoint.serve(call => call.reject(486))
  const warnings: Error[] = []
  const note = (warning: Error): void => void warnings.push(warning)
  process.on('warning', note)
  await lab.run(async () => {
    for (let index = 0; index < 2; index += 1) await phone.call('sip:x@agent.lab').catch(() => {})
  })
  process.off('warning', note)
  t.same(heard, trace.calls)
  t.match(
    warnings.filter(warning => warning.name === 'OffhookSubscriberError'),
    [{ message: /onRecord.*the database is away/ }],
  )
})

t.test('a refused call has a record with its status, and no media', async t => {
  const lab = createLab()
  const endpoint = await lab.endpoint('agent.lab')
  void endpoint.serve(call => call.reject(486))
  const caller = lab.caller()
  const failing = caller.call('sip:x@agent.lab')
  await t.rejects(lab.run(), { code: 'SIP_RESPONSE', statusCode: 486 })
  await t.rejects(failing)
  const outbound = lab.records.find(record => record.direction === 'outbound')
  t.match(outbound, {
    ended: { by: 'remote', cause: 'refused', statusCode: 486, reasonPhrase: 'Busy Here' },
    durationMs: 0,
  })
  t.equal(outbound?.setupMs, undefined)
})

t.test('what the trace keeps is bounded', async t => {
  const lab = createLab()
  const endpoint = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  const trace = new Trace({ endpoint, keepCalls: 3, keepEntries: 2 })
  void endpoint.serve(call => call.reject(486))
  await lab.run(async () => {
    for (let index = 0; index < 10; index++) await phone.call('sip:x@agent.lab').catch(() => {})
  })
  t.equal(trace.calls.length, 3)
  t.match(trace.ladder(trace.calls[2] ?? ''), /entries more than the trace keeps/)
  t.throws(() => new Trace({ endpoint, keepCalls: 0 }), { code: 'SIP_OPTION', field: 'keepCalls' })
})

t.test('a journal survives the death of its writer at any moment', async t => {
  const file = join(folder, 'killed.jsonl')
  const journalModule = new URL('../../src/trace/journal.js', import.meta.url).href
  const script = `
    import { Journal } from ${JSON.stringify(journalModule)}
    const journal = new Journal(${JSON.stringify(file)})
    for (let n = 0; n < 50; n++) journal.append({ n })
    process.kill(process.pid, 'SIGKILL')
  `
  const { signal } = spawnSync(process.execPath, ['--input-type=module', '-e', script])
  t.equal(signal, 'SIGKILL')
  t.same(
    readJournal(file),
    { lines: Array.from({ length: 50 }, (_, n) => ({ n })), damaged: 0 },
    'nothing appended is lost',
  )
  appendFileSync(file, '{"n":50,"half')
  const journal = new Journal(file)
  journal.append({ n: 51 })
  journal.close()
  const { lines, damaged } = readJournal(file)
  t.equal(damaged, 1, 'a line cut short is skipped')
  t.same(lines.at(-1), { n: 51 }, 'and does not spoil the next one')
  t.equal(readFileSync(file, 'utf8').endsWith('\n'), true)
  t.throws(() => new Journal(join(folder, 'no', 'such', 'folder')), { code: 'SIP_OPTION', field: 'journal' })
})

t.test('a call cut off by the death of the process is still in the journal', async t => {
  const lab = createLab()
  const endpoint = await lab.endpoint('agent.lab')
  const journal = join(folder, 'cut.jsonl')
  const trace = new Trace({ endpoint, journal })
  void runAgent(endpoint, echoAgent())
  const caller = lab.caller()
  let atThatMoment: ReturnType<typeof readCalls> = []
  await lab.run(async () => {
    await caller.call('sip:echo@agent.lab')
    atThatMoment = readCalls(journal)
  })
  t.match(atThatMoment, [{ state: 'in progress', direction: 'inbound' }])
  t.match(readCalls(journal), [{ state: 'ended' }])
  t.equal(trace.failedWrites, 0)
})
