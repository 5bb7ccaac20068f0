import t from 'tap'
import { CarrierCall } from '../../../src/agent/stream-server/carrier-call.ts'
import { CarrierVoice } from '../../../src/agent/stream-server/carrier-voice.ts'
import { checkedServerOptions } from '../../../src/agent/stream-server/options.ts'
import type { StreamMessage } from '../../../src/agent/streams/dialect.ts'
import { dialectNamed } from '../../../src/agent/streams/dialects.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'
import { agentOf, world } from './world.ts'

const format = { encoding: 'PCMU', sampleRate: 8000 } as const

t.test('a peer that does not read gets nothing more, and after a while its call ends', async t => {
  const clock = new VirtualClock()
  const sent: (string | Uint8Array)[] = []
  let destroyed = false
  const remote = { address: '192.0.2.1', port: 1, family: 4 } as const
  const connection = {
    remote,
    protocol: '',
    onMessage: undefined,
    onClose: undefined,
    bufferedBytes: 300_000,
    send: (data: string | Uint8Array) => void sent.push(data),
    ping: () => {},
    close: () => {},
    destroy: () => void (destroyed = true),
  }
  const path = { path: '/in', dialect: 'twilio', auth: { kind: 'none' } } as const
  const { limits, routes } = checkedServerOptions({
    listen: { host: '', port: 0 },
    streams: [path],
    agent: agentOf(() => Promise.resolve()),
  })
  const route = routes.get('/in')
  if (route === undefined) throw new Error('no route')
  const call = new CarrierCall(
    {
      id: '1',
      path: '/in',
      dialect: 'twilio',
      callId: 'CA1',
      streamId: 'MZ1',
      accountId: '',
      carrierIds: [],
      from: '',
      to: '',
      parameters: {},
      format,
      remote,
    },
    {
      clock,
      connection,
      route,
      limits,
      leadMs: 400,
      owner: {},
      openedAt: 0,
      secure: false,
      onError: () => {},
    },
  )
  call.begin()
  void call.session.output.write(new Int16Array(80_000))
  for (let ms = 0; ms < 21_000; ms += 20) {
    await clock.advance(20)
    call.tick()
  }
  t.same(sent, [])
  t.equal(destroyed, true)
  t.match(await call.session.ended, {
    by: 'timeout',
    cause: 'media-timeout',
    error: { message: /no longer reads/ },
  })
})

t.test('no more than the lead is given ahead, and what is played is known by the marks alone', async t => {
  let now = 0
  const sent: StreamMessage[] = []
  const voice = new CarrierVoice({
    dialect: dialectNamed('twilio'),
    format,
    leadMs: 400,
    now: () => now,
    send: message => sent.push(message) > 0,
    hasRoom: () => true,
  })
  void voice.output.write(new Int16Array(8000).fill(1000))
  voice.tick()
  t.equal(sent.filter(({ kind }) => kind === 'media').length, 20)
  const marks = sent.flatMap(message => (message.kind === 'mark' ? [message.name] : []))
  t.equal(marks.length, 4)
  now = 300
  t.equal(voice.output.bufferedMs, 1000)
  voice.echo(marks[1] ?? '', true)
  t.equal(voice.output.bufferedMs, 800)
  // Late, of nobody, and not reached.
  voice.echo(marks[0] ?? '', true)
  t.equal(voice.echo('somebody', true), false)
  voice.echo(marks[2] ?? '', false)
  t.equal(voice.output.bufferedMs, 800)
  now = 340
  t.same(voice.output.clear(), { playedMs: 240, droppedMs: 760, interrupted: true })
  t.equal(sent.at(-1)?.kind, 'clear')
})

const start = (id: string): string =>
  JSON.stringify({
    event: 'start',
    stream_id: 's',
    start: { call_control_id: id, media_format: { encoding: 'PCMU', sample_rate: 8000 } },
  })

t.test('a call that the server or a mistake ends is ended at the carrier, too', async t => {
  const ended: string[] = []
  const control = { hangup: ({ callId }: { callId: string }) => Promise.resolve(void ended.push(callId)) }
  const stream = { dialect: 'telnyx', auth: { kind: 'none' }, control } as const
  const agent = agentOf(async session => {
    if (session.callId === 'a') throw new Error('broken')
    await session.ended
  })
  const { records, errors } = await world({ stream, agent }, async ({ dial, lab, server }) => {
    for (const id of ['a', 'b']) (await dial()).send(start(id))
    await lab.clock.sleep(200)
    t.same(ended, ['a'])
    await server.close()
    t.same(ended, ['a', 'b'])
  })
  t.same(
    errors.map(({ message }) => message),
    ['broken'],
  )
  t.same(
    records.map(({ ended: end }) => end?.cause),
    ['failed', 'closed'],
  )
})
