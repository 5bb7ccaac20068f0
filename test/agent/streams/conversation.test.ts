import t from 'tap'
import type { DialectName } from '../../../src/agent/streams/dialect.ts'
import { MAX_MARKS } from '../../../src/agent/streams/bot-voice.ts'
import { callBot, nameOf } from './bot.ts'

/** When the bot got each mark back, ms after the first. */
function markTimes(bot: {
  readonly messages: readonly object[]
  readonly times: readonly number[]
}): number[] {
  const at = bot.messages.flatMap((message, index) =>
    ['mark', 'playedStream', 'websocket:notify'].includes(nameOf(message as never))
      ? [bot.times[index] ?? 0]
      : [],
  )
  return at.map(time => Math.round((time - (at[0] ?? 0)) / 10) * 10)
}

const withMarks: readonly DialectName[] = ['twilio', 'telnyx', 'plivo', 'vonage', 'voicerun', 'offhook']

for (const dialect of withMarks) {
  t.test(`${dialect}: marks come back in order, each when its audio has been played`, async t => {
    await callBot({ dialect }, async (_caller, bot, lab) => {
      bot.mark('nothing before')
      bot.tone(440, 200)
      bot.mark('after 200')
      bot.tone(440, 400)
      bot.mark('after 600')
      bot.mark('after 600 too')
      await lab.clock.sleep(300)
      t.same(bot.marks, ['nothing before', 'after 200'])
      await lab.clock.sleep(500)
      t.same(bot.marks, ['nothing before', 'after 200', 'after 600', 'after 600 too'])
      const [none, early = 0, late = 0, again] = markTimes(bot)
      t.equal(none, 0)
      t.ok(early >= 180 && early <= 260, `the first after ${early} ms`)
      t.ok(late - early >= 380 && late - early <= 420, `the second ${late - early} ms later`)
      t.equal(late, again)
    })
  })

  t.test(
    `${dialect}: clear stops what is said at once and returns its marks as the platform does`,
    async t => {
      const echoed = dialect !== 'plivo' && dialect !== 'vonage'
      await callBot({ dialect }, async (caller, bot, lab) => {
        bot.tone(440, 5000)
        bot.mark('one')
        bot.tone(440, 5000)
        bot.mark('two')
        await caller.hears({ toneHz: 440 })
        bot.clear()
        await caller.hears({ silenceMs: 200 }, { withinMs: 350 })
        const flag = dialect === 'offhook' ? ' cleared' : ''
        t.same(bot.marks, echoed ? [`one${flag}`, `two${flag}`] : [])
        const said = {
          plivo: 'clearedAudio',
          vonage: 'websocket:cleared',
          offhook: 'cleared',
          twilio: '',
          telnyx: '',
          voicerun: '',
          infobip: '',
        }[dialect]
        if (said !== '') t.ok(bot.events.includes(said))
        // And it goes on from there.
        bot.tone(1000, 300)
        bot.mark('three')
        await caller.hears({ toneHz: 1000 })
        await lab.clock.sleep(400)
        t.equal(bot.marks.at(-1), 'three')
      })
    },
  )
}

t.test('offhook: cleared tells how much was heard', async t => {
  await callBot({ dialect: 'offhook' }, async (_caller, bot, lab) => {
    bot.tone(440, 2000)
    await lab.clock.sleep(500)
    bot.clear()
    await bot.waitFor(message => nameOf(message) === 'cleared')
    const { playedMs, droppedMs } = bot.messages.find(message => nameOf(message) === 'cleared') as never
    t.ok(playedMs > 400 && playedMs < 520, `${String(playedMs)} ms`)
    t.equal(Math.round((Number(playedMs) + Number(droppedMs)) / 10), 200)
  })
})

const withDigits: readonly (readonly [DialectName, string])[] = [
  ['twilio', 'dtmf'],
  ['telnyx', 'dtmf'],
  ['plivo', 'dtmf'],
  ['vonage', 'websocket:dtmf'],
  ['offhook', 'dtmf'],
]

for (const [dialect, name] of withDigits) {
  t.test(`${dialect}: every key the caller presses, once and in order`, async t => {
    await callBot({ dialect }, async (caller, bot, lab) => {
      await caller.press('159*#')
      await lab.clock.sleep(300)
      const digits = bot.messages
        .filter(message => nameOf(message) === name)
        .map(message => (message['digit'] ?? (message['dtmf'] as { digit: string }).digit) as string)
      t.equal(digits.join(''), '159*#')
    })
  })
}

for (const dialect of ['plivo', 'offhook'] as const) {
  t.test(`${dialect}: the bot presses keys`, async t => {
    const { record } = await callBot({ dialect }, async (_caller, bot, lab) => {
      bot.send({ kind: 'dtmf', digits: '42#' })
      await lab.clock.sleep(1500)
    })
    t.equal(record.personal.digitsSent, '42#')
  })
}

t.test('offhook: keys that are none are refused with an error, and the call goes on', async t => {
  const { record } = await callBot({ dialect: 'offhook' }, async (caller, bot) => {
    bot.send({ kind: 'dtmf', digits: 'x' })
    await bot.waitFor(message => nameOf(message) === 'error')
    t.match(
      bot.messages.find(message => nameOf(message) === 'error'),
      { type: 'error', code: 'SIP_OPTION' },
    )
    bot.tone(440, 300)
    await caller.hears({ toneHz: 440 })
  })
  t.same(record.engines?.[0]?.counters, { ordersRefused: 1 })
})

t.test('offhook: the bot transfers the call and is told how it went', async t => {
  const { record } = await callBot({ dialect: 'offhook' }, async (_caller, bot) => {
    bot.send({ kind: 'transfer', target: 'sip:desk@agent.lab' })
    await bot.waitFor(message => nameOf(message) === 'transferred' || nameOf(message) === 'error')
    t.match(
      bot.messages.find(message => nameOf(message) === 'transferred'),
      { type: 'transferred', outcome: 'refused' },
      'the caller has no listener for transfers',
    )
  })
  t.equal(record.transfers?.length, 1)
})

t.test('offhook: the bot hangs up', async t => {
  const { record, bots } = await callBot({ dialect: 'offhook' }, async (caller, bot) => {
    bot.send({ kind: 'hangup' })
    t.match(await caller.isHungUp({ withinMs: 1000 }), { by: 'remote', cause: 'hangup' })
  })
  t.match(record.engines, [{ engine: 'offhook', end: 'engine', detail: 'it asked to hang up' }])
  t.equal(bots[0]?.events.at(-1), 'stop')
})

t.test('the caller hangs up: stop, then the connection closes', async t => {
  for (const dialect of ['twilio', 'telnyx', 'plivo', 'offhook'] as const) {
    const { bots, record } = await callBot({ dialect }, async (caller, _bot, lab) => {
      await caller.hangup()
      await lab.clock.sleep(100)
    })
    t.equal(bots[0]?.events.at(-1), 'stop', dialect)
    t.match(bots[0]?.closed, { code: 1000 })
    t.match(record.engines, [{ engine: dialect, end: 'call', detail: 'the call ended' }])
    t.equal(record.ended?.cause, 'hangup')
  }
})

t.test('who calls whom, custom values and ids of our own reach the bot', async t => {
  await callBot(
    {
      dialect: 'telnyx',
      authToken: 'token',
      headers: { 'X-Tenant': '7' },
      ids: { callId: 'v3:own', accountId: 'user' },
      parameters: ({ direction }) => ({ direction }),
    },
    async (_caller, bot) => {
      await bot.waitFor(message => nameOf(message) === 'start')
      t.match(bot.messages, [
        { event: 'connected', 'x-telnyx-streaming-auth-token': 'token' },
        {
          start: {
            call_control_id: 'v3:own',
            user_id: 'user',
            to: '+15550199',
            custom_parameters: { direction: 'inbound' },
          },
        },
      ])
      t.equal(bot.request.headers.get('x-telnyx-streaming-auth-token'), 'token')
      t.equal(bot.request.headers.get('x-tenant'), '7')
    },
  )
})

t.test('more marks than are kept are counted; all others come back', async t => {
  const { record } = await callBot({ dialect: 'twilio' }, async (_caller, bot, lab) => {
    bot.tone(440, 1000)
    for (let i = 0; i < MAX_MARKS + 5; i += 1) bot.mark(String(i))
    await lab.clock.sleep(1500)
    t.equal(bot.marks.length, MAX_MARKS)
    t.equal(bot.marks[MAX_MARKS - 1], String(MAX_MARKS - 1))
  })
  t.same(record.engines?.[0]?.counters, { marksDropped: 5 })
})

t.test('a mark after every chunk, as OpenAI’s bots do, in chunks that are no whole packets', async t => {
  await callBot({ dialect: 'twilio' }, async (caller, bot, lab) => {
    const names: string[] = []
    for (let i = 0; i < 50; i += 1) {
      bot.tone(440, 25)
      bot.mark(String(i))
      names.push(String(i))
    }
    await caller.hears({ toneHz: 440 })
    await lab.clock.sleep(1600)
    t.same(bot.marks, names)
  })
})
