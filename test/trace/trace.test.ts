import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { spawnSync } from 'node:child_process'
import t from 'tap'
import { runAgent } from '../../src/agent/agent.ts'
import { echoAgent } from '../../src/agent/echo.ts'
import { createLab } from '../../src/testing/lab.ts'
import { readCalls } from '../../src/trace/call-journal.ts'
import { describeCall } from '../../src/trace/call-record.ts'
import { Journal, readJournal } from '../../src/trace/journal.ts'
import { Trace } from '../../src/trace/trace.ts'

const folder = mkdtempSync(join(tmpdir(), 'offhook-trace-'))
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
