import t from 'tap'
import { createLab } from '../../src/testing/lab.ts'
import { describeCall } from '../../src/trace/call-record.ts'

t.test('a transfer is in the record, the ladder and the description of both parties', async t => {
  const lab = createLab({ network: { delayMs: 10 } })
  const [alice, bob, carol] = [
    await lab.endpoint('alice.lab'),
    await lab.endpoint('bob.lab'),
    await lab.endpoint('carol.lab'),
  ]
  void carol.serve(call => call.reject(486))
  void bob.serve(async call => {
    call.on('transfer', request => void request.accept().catch(() => {}))
    await call.answer()
    await call.ended
  })
  await lab.run(async () => {
    const call = await alice.call('sip:bob@bob.lab')
    await call.transfer('sip:carol@carol.lab', { targetHeaders: [['X-Note', 'secret']] })
    await call.hangup()
  })
  const [asking, asked] = ['outbound', 'inbound'].map(direction =>
    lab.records.find(record => record.direction === direction && record.transfers !== undefined),
  )
  t.same(asking?.transfers, [
    { role: 'transferor', attended: false, outcome: 'failed', cause: 'notified', statusCode: 486 },
  ])
  t.same(asking?.personal.transferTargets, ['<sip:carol@carol.lab>'], 'without the headers')
  t.same(asked?.transfers, [{ role: 'transferee', attended: false }])
  const ladder = lab.ladder(asking?.id ?? '') ?? ''
  for (const line of [
    /we ask for a transfer/,
    / REFER /,
    / 202 Accepted /,
    / NOTIFY /,
    /transfer failed: notified \(486\)/,
  ]) {
    t.match(ladder, line)
  }
  t.match(asking && describeCall(asking), /we asked for a blind transfer: failed, notified \(486\)/)
  t.match(asked && describeCall(asked), /the other party asked for a blind transfer\n/)
})
