import t from 'tap'
import type { Agent } from '../../../src/agent/agent.ts'
import { EngineError } from '../../../src/agent/engine/engine-error.ts'
import { streamAgent } from '../../../src/agent/streams/client.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import type { StreamMessage } from '../../../src/agent/streams/dialect.ts'
import type { StreamAgentOptions, StreamTarget } from '../../../src/agent/streams/options.ts'
import { botUrl, callBot, nameOf } from './bot.ts'

/** Somebody else takes the call: a tone of 1 kHz. */
const deputy: Agent = {
  async run({ output }) {
    await output.write(tone({ sampleRate: output.sampleRate, hz: 1000, durationMs: 600 }))
    await output.flush()
  },
}

t.test('nobody there: the call ends with an error that says so', async t => {
  const { record, errors } = await callBot(
    { dialect: 'twilio', refuse: 503, url: 'ws://bot.lab:81/secret-token' },
    async caller => {
      await caller.isHungUp()
    },
  )
  t.equal(errors.length, 1)
  t.ok(errors[0]?.cause instanceof EngineError)
  t.match(errors[0]?.cause, { code: 'SIP_ENGINE', engine: 'twilio', problem: 'unreachable' })
  t.match(errors[0]?.message, /cannot be reached: .*nobody listens there/)
  t.notMatch(errors[0]?.message, /secret-token/)
  t.match(record.engines, [{ engine: 'twilio', end: 'failed', detail: /nobody listens there/ }])
  t.match(record.ended, { cause: 'failed', by: 'error' })
})

t.test(
  'one that refuses, one that never answers, one whose place cannot be found: the deputy speaks',
  async t => {
    const rows = [
      [{ refuse: 403 }, /refused the WebSocket with 403/],
      [{ hang: true, connectTimeoutMs: 2000 }, /did not answer within 2000 ms/],
      [
        { refuse: 500, url: () => Promise.reject(new Error('no agent of that name')) },
        /no agent of that name/,
      ],
      [
        { hang: true, connectTimeoutMs: 1000, url: () => new Promise<never>(() => {}) },
        /did not answer within 1000 ms/,
      ],
    ] as const
    for (const [options, detail] of rows) {
      const { record, errors } = await callBot(
        { dialect: 'twilio', ...options, fallback: deputy },
        async caller => {
          await caller.hears({ toneHz: 1000 })
          await caller.isHungUp()
        },
      )
      t.same(errors, [])
      t.match(record.engines, [{ end: 'failed', detail }])
    }
  },
)

t.test('the caller who hangs up while the bot is dialled ends the attempt', async t => {
  const { record, errors } = await callBot({ dialect: 'twilio', hang: true }, async (caller, _bot, lab) => {
    await lab.clock.sleep(200)
    await caller.hangup()
    await lab.clock.sleep(100)
  })
  t.same(errors, [])
  t.match(record.ended, { by: 'remote', cause: 'hangup' })
})

t.test('one that connects and says nothing, with and without a limit', async t => {
  const silent = await callBot(
    { dialect: 'twilio', firstAudioTimeoutMs: 3000, fallback: deputy },
    async (caller, bot, lab) => {
      await lab.clock.sleep(2900)
      t.equal(bot.closed, undefined)
      await caller.hears({ toneHz: 1000 }, { withinMs: 500 })
      await caller.isHungUp()
    },
  )
  t.match(silent.record.engines, [{ end: 'failed', detail: /said nothing within 3000 ms/ }])
  t.equal(silent.bots[0]?.events.at(-1), 'stop')
  t.match(silent.bots[0]?.closed, { code: 1000 })
  const patient = await callBot(
    { dialect: 'twilio', firstAudioTimeoutMs: 3000 },
    async (_caller, bot, lab) => {
      bot.tone(440, 100)
      await lab.clock.sleep(10_000)
    },
  )
  t.match(patient.record.engines, [{ end: 'call' }])
})

t.test(
  'one that floods audio at 20 times real time: what is above the bound is dropped and counted',
  async t => {
    const { record } = await callBot(
      { dialect: 'offhook', maxBufferedMs: 5000 },
      async (caller, bot, lab) => {
        for (let second = 0; second < 10; second += 1) {
          bot.tone(440, 20_000, 100)
          await lab.clock.sleep(1000)
        }
        bot.mark('end')
        // 5 s wait at the most, however much has come.
        await lab.clock.sleep(5100)
        t.same(bot.marks, ['end'])
        await caller.hears({ silenceMs: 100 })
      },
    )
    const dropped = record.engines?.[0]?.counters?.['droppedMs'] ?? 0
    t.ok(dropped > 184_000 && dropped < 186_500, `${dropped} of 200,000 ms dropped`)
    t.match(record.engines, [{ end: 'call' }])
  },
)

t.test('half frames: chunks of any length, half samples too, are one sound', async t => {
  for (const dialect of ['vonage', 'twilio', 'plivo'] as const) {
    const { record } = await callBot({ dialect }, async (caller, bot, lab) => {
      bot.tone(440, 2193, 7.3)
      if (dialect === 'vonage') {
        bot.raw(Uint8Array.from([1]))
        bot.raw(new Uint8Array(0))
        bot.raw(Uint8Array.from([2]))
      }
      bot.mark('end')
      await caller.hears({ toneHz: 440, levelDbfs: -20 })
      await lab.clock.sleep(2600)
      t.same(bot.marks, ['end'])
    })
    t.equal(record.engines?.[0]?.counters, undefined)
  }
})

t.test('one that closes in mid-word: the caller is handled as configured', async t => {
  const atOnce = await callBot({ dialect: 'twilio' }, async (caller, bot, lab) => {
    bot.tone(440, 5000)
    await lab.clock.sleep(500)
    bot.close(1000, 'done')
    const before = lab.clock.now()
    t.match(await caller.isHungUp(), { by: 'remote', cause: 'hangup' })
    t.ok(lab.clock.now() - before < 200)
  })
  t.match(atOnce.record.engines, [{ end: 'engine', detail: 'it closed with 1000 done' }])
  t.same(atOnce.errors, [])

  const played = await callBot({ dialect: 'twilio', onEngineEnd: 'finish' }, async (caller, bot, lab) => {
    bot.tone(440, 2000)
    await lab.clock.sleep(500)
    bot.close()
    const before = lab.clock.now()
    await caller.isHungUp()
    const later = lab.clock.now() - before
    t.ok(later > 1400 && later < 1700, `hung up ${later} ms later`)
  })
  t.match(played.record.engines, [{ end: 'engine' }])

  await callBot({ dialect: 'twilio', onEngineEnd: deputy }, async (caller, bot, lab) => {
    bot.tone(440, 5000)
    await lab.clock.sleep(500)
    bot.close()
    await caller.hears({ toneHz: 1000 }, { withinMs: 500 })
    t.match(await caller.isHungUp(), { by: 'remote' })
  })
})

t.test('a connection that breaks, or is closed with an error, is a failure', async t => {
  const broken = await callBot({ dialect: 'vonage' }, async (caller, bot) => {
    bot.destroy()
    await caller.isHungUp()
  })
  t.match(broken.errors, [{ cause: { problem: 'broken', message: /the connection to the engine broke/ } }])
  const crashed = await callBot({ dialect: 'vonage', fallback: deputy }, async (caller, bot) => {
    bot.close(1011, 'internal error')
    await caller.hears({ toneHz: 1000 })
  })
  t.match(crashed.record.engines, [{ end: 'failed', detail: /it closed with 1011 internal error/ }])
  t.same(crashed.errors, [])
  const refused = await callBot({ dialect: 'twilio', fallback: deputy }, async (caller, bot) => {
    bot.close(1008, 'who are you')
    await caller.hears({ toneHz: 1000 })
  })
  t.match(refused.record.engines, [{ end: 'failed', detail: /it closed with 1008 who are you/ }])
})

t.test('malformed messages are counted and tolerated up to a bound', async t => {
  const { record } = await callBot({ dialect: 'twilio' }, async (caller, bot) => {
    for (const text of ['', '{', '[]', '{"event":"media","media":{"payload":"?"}}', '{"event":"unheard of"}'])
      bot.raw(text)
    // The end of a sentence, perhaps.
    bot.raw('{"event":"media","media":{"payload":""}}')
    bot.raw(Uint8Array.from([1, 2, 3]))
    bot.raw('{"event":"media","streamSid":"MZ of somebody else","media":{"payload":"/////w=="}}')
    bot.tone(440, 500)
    await caller.hears({ toneHz: 440 })
  })
  t.same(record.engines?.[0]?.counters, { malformed: 6, ignored: 1 })

  const hostile = await callBot({ dialect: 'twilio', maxMalformed: 10 }, async (caller, bot, lab) => {
    for (let i = 0; i < 1000; i += 1) bot.raw('what?')
    await caller.isHungUp()
    await lab.clock.sleep(100)
  })
  t.match(hostile.errors, [
    { cause: { problem: 'malformed', message: /does not speak twilio, the last message: no JSON/ } },
  ])
  t.match(hostile.bots[0]?.closed, { code: 1007 })
  t.same(hostile.record.engines?.[0]?.counters, { malformed: 11 })
})

t.test('a message that is too long ends the engine, not the process', async t => {
  const { errors } = await callBot({ dialect: 'twilio' }, async (caller, bot) => {
    bot.raw('x'.repeat(1_048_577))
    await caller.isHungUp()
  })
  t.match(errors, [{ cause: { problem: 'broken' } }])
})

t.test('one that does not read: what waits for it is bounded, and the rest is counted', async t => {
  const { record, bots } = await callBot({ dialect: 'twilio' }, async (caller, bot, lab) => {
    bot.tone(440, 100)
    await caller.hears({ toneHz: 440 })
    lab.network.partition('10.9.0.1', '10.9.0.2')
    await lab.clock.sleep(60_000)
    lab.network.heal()
    await lab.clock.sleep(60_000)
    t.ok(bot.messages.length > 1000)
  })
  const missing = record.engines?.[0]?.counters?.['framesNotSent'] ?? 0
  t.ok(missing > 1000 && missing < 5000, `${missing} of 6,000 frames`)
  // Numbers go on without a gap; the timestamp tells of what is missing.
  const media = (bots[0]?.messages ?? []).flatMap(({ media }) => (media === undefined ? [] : [media])) as {
    readonly chunk: string
    readonly timestamp: string
  }[]
  t.same(
    media.map(({ chunk }) => Number(chunk)),
    media.map((_, at) => at + 1),
  )
  t.equal(Number(media.at(-1)?.timestamp), (media.length + missing - 1) * 20)
})

t.test('what the bot says as it closes stays on one line of the ladder', async t => {
  const { record, ladder } = await callBot({ dialect: 'twilio' }, async (caller, bot) => {
    bot.close(4000, 'bye\r\n  0   | INVITE')
    await caller.isHungUp()
  })
  t.match(record.engines, [{ end: 'engine', detail: 'it closed with 4000 bye   0   | INVITE' }])
  t.equal(ladder.split('\n').filter(line => line.includes('INVITE') && line.includes('bye')).length, 1)
})

t.test('two agents that want to hear the caller: the second is told, and its bot is let go', async t => {
  const { errors, bots } = await callBot(
    {
      dialect: 'twilio',
      wrap: agent => ({
        run: async session => {
          void session.input[Symbol.asyncIterator]().next()
          await agent.run(session)
        },
      }),
    },
    async (caller, _bot, lab) => {
      await caller.isHungUp()
      await lab.clock.sleep(100)
    },
  )
  t.match(errors, [{ cause: { code: 'SIP_STATE', message: /already being read/ } }])
  t.match(bots[0]?.closed, { code: 1006 })
})

t.test('orders beyond what is under way are refused', async t => {
  const { record } = await callBot({ dialect: 'offhook' }, async (_caller, bot, lab) => {
    for (let i = 0; i < 20; i += 1) bot.send({ kind: 'dtmf', digits: '1' })
    await lab.clock.sleep(5000)
    const told = bot.messages.filter(message => nameOf(message) === 'error')
    t.equal(told.length, 12)
    t.match(told[0], { code: 'SIP_LIMIT', message: /8 orders are under way/ })
  })
  t.equal(record.personal.digitsSent, '11111111')
  t.same(record.engines?.[0]?.counters, { ordersRefused: 12 })
})

/** A bot that gives an order and closes the connection without waiting. */
function leaves(
  order: StreamMessage,
  code: number,
  more: Partial<StreamAgentOptions> = {},
): ReturnType<typeof callBot> {
  return callBot({ dialect: 'offhook', ...more }, async (caller, bot) => {
    bot.send(order)
    bot.close(code)
    await caller.isHungUp()
  })
}

t.test('a bot that orders something and leaves: the order is carried out before anything else', async t => {
  const keys = { kind: 'dtmf', digits: '12345678' } as const
  const pressed = await leaves(keys, 1000)
  t.equal(pressed.record.personal.digitsSent, '12345678')
  const crashed = await leaves(keys, 1011, { fallback: deputy })
  t.equal(crashed.record.personal.digitsSent, '12345678')
  t.match(crashed.record.engines, [{ end: 'failed', detail: /1011/ }])
  const transferred = await leaves({ kind: 'transfer', target: 'sip:desk@agent.lab' }, 1000)
  t.match(transferred.record.transfers, [{ outcome: 'refused' }], 'by the caller, who was asked')
})

t.test('a bot that presses keys and asks to hang up: the call is hung up at once', async t => {
  await callBot({ dialect: 'offhook' }, async (caller, bot, lab) => {
    bot.send({ kind: 'dtmf', digits: '12345678' })
    bot.send({ kind: 'hangup' })
    const before = lab.clock.now()
    t.match(await caller.isHungUp(), { by: 'remote', cause: 'hangup' })
    t.ok(lab.clock.now() - before < 200)
  })
})

const broken = (): never => {
  throw new Error('no such customer')
}

t.test(
  'parameters and ids that cannot be made are the mistake of the program: no bot is dialled',
  async t => {
    for (const options of [{ parameters: broken }, { ids: broken }]) {
      let dialled = 0
      const url = (): StreamTarget => {
        dialled += 1
        return { url: botUrl }
      }
      const { errors } = await callBot(
        // The scene waits for no bot.
        { dialect: 'twilio', ...options, url, refuse: 500, fallback: deputy },
        async caller => {
          await caller.isHungUp()
        },
      )
      t.match(errors, [{ message: /no such customer/ }])
      t.equal(dialled, 0)
    }
  },
)

t.test('one bot falls back to another, and the record has both', async t => {
  const { record } = await callBot(
    {
      dialect: 'offhook',
      wrap: second => ({
        run: session =>
          streamAgent({
            url: 'ws://10.9.0.77/',
            dialect: 'twilio',
            connectTimeoutMs: 500,
            fallback: second,
            runtime: firstRuntime(session),
          }).run(session),
      }),
    },
    async (caller, bot) => {
      await bot.waitFor(message => nameOf(message) === 'start')
      bot.tone(440, 500)
      await caller.hears({ toneHz: 440 })
    },
  )
  t.match(record.engines, [
    { engine: 'twilio', end: 'failed' },
    { engine: 'offhook', end: 'call' },
  ])
})

/** A network on which nothing can be reached. */
function firstRuntime(session: { sleep(ms: number): Promise<void> }): never {
  return {
    clock: { now: () => 0, wallTime: () => 0, setTimer: () => ({ cancel: () => {} }) },
    network: {
      openWebSocket: async () => {
        await session.sleep(100)
        throw new Error('no network')
      },
    },
  } as never
}

function make(options: object): () => unknown {
  return () => streamAgent({ url: 'ws://bot/', dialect: 'twilio', ...options } as never)
}

t.test('options that cannot work are refused before any call', async t => {
  t.throws(make({ dialect: 'morse' }), { code: 'SIP_OPTION', field: 'dialect' })
  t.throws(make({ format: { encoding: 'L16', sampleRate: 8000 } }), {
    code: 'SIP_OPTION',
    field: 'format',
    message: /it has PCMU at 8000/,
  })
  t.throws(make({ dialect: 'vonage', authToken: 'x' }), { code: 'SIP_OPTION', field: 'authToken' })
  t.throws(make({ connectTimeoutMs: 0 }), { code: 'SIP_OPTION', field: 'connectTimeoutMs' })
  t.throws(make({ maxBufferedMs: 200_000 }), { code: 'SIP_OPTION', field: 'maxBufferedMs' })
  t.throws(make({ firstAudioTimeoutMs: Number.NaN }), { code: 'SIP_OPTION', field: 'firstAudioTimeoutMs' })
})
