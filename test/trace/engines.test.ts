import t from 'tap'
import { engineChannel } from '../../src/call/engine-events.ts'
import { createLab } from '../../src/testing/lab.ts'
import { describeCall } from '../../src/trace/call-record.ts'
import { engineLines, noteEngine } from '../../src/trace/engines.ts'
import type { EngineRecord } from '../../src/trace/engines.ts'

t.test('the record of a call tells which engines had it and what became of them', async t => {
  const lab = createLab()
  const endpoint = await lab.endpoint('agent.lab')
  void endpoint.serve(async call => {
    await call.answer()
    const publish = (event: object): void =>
      engineChannel.publish({ call: call.id, engine: 'twilio', ...event } as never)
    publish({ kind: 'connecting' })
    publish({ kind: 'connected', afterMs: 12.4 })
    publish({ kind: 'speaks', afterMs: 300 })
    publish({ kind: 'failed', detail: 'the connection broke', counters: { malformed: 2 } })
    engineChannel.publish({ call: call.id, engine: 'offhook', kind: 'connecting' })
    engineChannel.publish({ call: 'of somebody else', engine: 'offhook', kind: 'connecting' })
    await call.sleep(100)
  })
  const caller = lab.caller()
  void caller.call('sip:a@agent.lab')
  void caller.isHungUp()
  await lab.run()
  const record = lab.records.find(({ direction }) => direction === 'inbound')
  t.same(record?.engines, [
    {
      engine: 'twilio',
      connectMs: 12,
      firstAudioMs: 300,
      end: 'failed',
      detail: 'the connection broke',
      counters: { malformed: 2 },
    },
    { engine: 'offhook' },
  ])
  const said = record === undefined ? '' : describeCall(record)
  t.match(
    said,
    'engine twilio, connected after 12 ms, spoke after 300 ms, failed: the connection broke (malformed 2)',
  )
  t.match(said, 'engine offhook, never connected')
  const ladder = lab.ladder(record?.id ?? '') ?? ''
  for (const line of [
    'dialled',
    'connected after 12 ms',
    'speaks after 300 ms',
    'failed: the connection broke',
  ])
    t.match(ladder, `engine twilio ${line}`)
  const other = lab.records.find(({ direction }) => direction === 'outbound')
  t.equal(other?.engines, undefined)
})

t.test('an engine ended by either side; only the first sixteen are kept', async t => {
  const kept: EngineRecord[] = []
  const ended = { engine: 'vonage', call: 'c', kind: 'ended', counters: {} } as const
  for (let i = 0; i < 20; i += 1) {
    noteEngine(kept, { engine: 'vonage', call: 'c', kind: 'connecting' })
    t.equal(
      noteEngine(kept, { ...ended, by: i % 2 === 0 ? 'call' : 'engine', detail: 'done' }),
      `engine vonage ended by the ${i % 2 === 0 ? 'call' : 'engine'}: done`,
    )
  }
  t.equal(kept.length, 16)
  t.same(kept[1], { engine: 'vonage', end: 'engine', detail: 'done' })
  t.same(engineLines(undefined), [])
})
