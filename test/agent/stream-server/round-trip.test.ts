import t from 'tap'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import type { StreamSession } from '../../../src/agent/stream-server/options.ts'
import type { Playout } from '../../../src/media/audio/playout.ts'
import type { DialectName, StreamFormat } from '../../../src/agent/streams/dialect.ts'
import { agentOf, phoneWorld } from './world.ts'

const auth = { kind: 'none' } as const

const rows: readonly (readonly [DialectName, StreamFormat?])[] = [
  ['twilio'],
  ['telnyx'],
  ['telnyx', { encoding: 'PCMA', sampleRate: 8000 }],
  ['telnyx', { encoding: 'L16', sampleRate: 16_000 }],
  ['plivo'],
  ['plivo', { encoding: 'L16', sampleRate: 16_000 }],
  ['vonage'],
  ['vonage', { encoding: 'L16', sampleRate: 24_000 }],
  ['infobip'],
  ['infobip', { encoding: 'L16', sampleRate: 48_000 }],
  ['voicerun'],
  ['offhook'],
]

for (const [dialect, format] of rows) {
  const name = format === undefined ? dialect : `${dialect} ${format.encoding}/${format.sampleRate}`
  t.test(`${name}: the two hear each other, and what was played is known`, async t => {
    let heard = -200
    let played: Playout | undefined
    const agent = agentOf(async session => {
      const { input, output, sleep } = session
      const frames: number[] = []
      const listening = (async () => {
        for await (const { samples } of input.at(16_000)) frames.push(...samples)
      })()
      const saying = output.at(16_000).write(tone({ sampleRate: 16_000, hz: 700, durationMs: 1500 }))
      await saying
      played = await output.flush()
      await sleep(500)
      heard = goertzelDbfs(Int16Array.from(frames.slice(-8000)), 16_000, 1000)
      await session.hangup()
      await listening
    })
    const { records, errors } = await phoneWorld(
      { stream: { dialect, auth }, agent },
      async (caller, { lab }) => {
        await caller.hears({ toneHz: 700 })
        await caller.say({
          sampleRate: 8000,
          samples: tone({ sampleRate: 8000, hz: 1000, durationMs: 4000 }),
        })
        await lab.clock.sleep(3000)
      },
      format === undefined ? {} : { format },
    )
    t.ok(heard > -30, `the agent hears the caller: ${heard} dBFS`)
    t.ok(played !== undefined && Math.abs(played.playedMs - 1500) <= 25, `${played?.playedMs} ms`)
    t.equal(played?.interrupted, false)
    t.same(errors, [])
    const [record] = records
    t.equal(record?.ended?.by, 'local')
    t.equal(record?.ended?.cause, 'hangup')
    t.equal(record?.media?.codec, (format ?? { encoding: record?.media?.codec }).encoding)
    t.ok((record?.media?.packetsReceived ?? 0) > 50)
  })
}

const clearing: readonly DialectName[] = [
  'twilio',
  'telnyx',
  'plivo',
  'vonage',
  'voicerun',
  'offhook',
  'infobip',
]
for (const dialect of clearing) {
  t.test(`${dialect}: barge-in silences the carrier, and tells what was heard`, async t => {
    let playout: Playout | undefined
    let reached: boolean | undefined
    let tellCleared: (() => void) | undefined
    const cleared = new Promise<void>(resolve => (tellCleared = resolve))
    const agent = agentOf(async ({ output, sleep, signal }) => {
      void output.write(tone({ sampleRate: output.sampleRate, hz: 700, durationMs: 10_000 }).slice())
      void output.mark('end').then(mark => (reached = mark.reached))
      await sleep(2000)
      playout = output.clear()
      tellCleared?.()
      await sleep(1500)
      // And it goes on from there.
      await output.write(tone({ sampleRate: output.sampleRate, hz: 1300, durationMs: 1000 }))
      await output.flush()
      await new Promise(resolve => signal.addEventListener('abort', resolve))
    })
    await phoneWorld({ stream: { dialect, auth }, agent }, async caller => {
      await caller.hears({ toneHz: 700 })
      await cleared
      await caller.hears({ silenceMs: 200 }, { withinMs: 500 })
      await caller.hears({ toneHz: 1300 })
      await caller.hangup()
    })
    const { playedMs = 0, droppedMs = 0, interrupted } = playout ?? {}
    t.equal(interrupted, true)
    t.equal(reached, false)
    t.ok(playedMs > 1700 && playedMs <= 2000, `${playedMs} ms were heard`)
    t.ok(Math.abs(playedMs + droppedMs - 10_000) < 1, `${droppedMs} ms were dropped`)
  })
}

t.test('keys of the caller reach the agent, with the moment they go down', async t => {
  const got: string[] = []
  const down: string[] = []
  const agent = agentOf(async ({ dtmf, on }) => {
    on?.('dtmfStart', ({ digit }) => down.push(digit))
    for await (const { digit } of dtmf()) got.push(digit)
  })
  const { records } = await phoneWorld(
    { stream: { dialect: 'twilio', auth }, agent },
    async (caller, { lab }) => {
      await caller.press('12#')
      await lab.clock.sleep(1000)
      await caller.hangup()
      await lab.clock.sleep(100)
    },
  )
  t.equal(got.join(''), '12#')
  t.equal(down.join(''), '12#')
  t.equal(records[0]?.personal.digitsReceived, '12#')
  t.equal(records[0]?.ended?.by, 'remote')
})

t.test('the agent presses keys and transfers where the protocol has it, and is told where not', async t => {
  const told: string[] = []
  const agent = agentOf(async session => {
    await session.sendDtmf('42#')
    await session.sleep(1500)
    const { outcome, reason } = await session.transfer('sip:nobody@nowhere.lab')
    told.push(`${outcome}: ${reason}`)
  })
  const { lab } = await phoneWorld(
    { stream: { dialect: 'offhook', auth }, agent },
    async (_caller, { lab }) => {
      await lab.clock.sleep(4000)
    },
  )
  t.equal(lab.records.find(({ direction }) => direction === 'inbound')?.personal.digitsSent, '42#')
  t.equal(told.length, 1, told.join())

  const refused: string[] = []
  const other = agentOf(async session => {
    await session.sendDtmf('1').catch((error: unknown) => refused.push((error as Error).message))
    refused.push((await session.transfer('tel:+15550100')).reason)
    await session.sendDtmf('9', { via: 'inband', durationMs: 800 })
  })
  await phoneWorld({ stream: { dialect: 'twilio', auth }, agent: other }, async (caller, { lab }) => {
    await caller.hears({ toneHz: 1477 })
    await lab.clock.sleep(1000)
  })
  t.match(refused[0], /has no message that presses keys.*inband/)
  t.match(refused[1], /has no transfer: give "control"/)
})

t.test('a call has what SIP calls have, and what came with its start', async t => {
  let session: StreamSession | undefined
  const agent = (call: { parameters: Readonly<Record<string, string>> }) => {
    t.equal(call.parameters['tenant'], 'a&b')
    return agentOf(async given => {
      session = given as StreamSession
      await given.sleep(100)
    })
  }
  const { records, trace } = await phoneWorld(
    { stream: { dialect: 'twilio', auth }, agent },
    async (_caller, { lab }) => lab.clock.sleep(1000),
    {
      parameters: { from_number: '+15550100', to: '8000', 'X-Ticket': '7', tenant: 'a&b' },
      ids: { accountId: `AC${'1'.repeat(32)}` },
    },
  )
  t.equal(session?.remote.uriText, 'tel:+15550100')
  t.equal(session?.local.uriText, 'sip:8000@anonymous.invalid')
  t.match(session?.headers.get('X-Twilio-CallSid'), /^CA[0-9a-f]{32}$/)
  t.equal(session?.headers.get('X-Ticket'), '7')
  t.equal(session?.codec, 'PCMU')
  t.equal(session?.signal.aborted, true)
  const [record] = records
  t.equal(record?.id, session?.id)
  t.equal(record?.callId, session?.callId)
  t.same(
    record?.carrierIds.map(({ field }) => field),
    ['callSid', 'streamSid', 'accountSid'],
  )
  t.equal(record?.personal.from, 'tel:+15550100')
  t.equal(record?.personal.dialled, '8000')
  t.match(record?.peer, /^ws:10\.8\.0\.3:\d+$/)
  t.ok((record?.setupMs ?? -1) >= 0 && (record?.durationMs ?? 0) >= 100)
  t.match(trace.ladder(session?.id ?? ''), /stream twilio started[^]*ended by local: hangup/)
})
