import { anything, array, assert, asyncProperty, json, oneof, string, uint8Array } from 'fast-check'
import t from 'tap'
import type { AgentSession } from '../../../src/agent/agent.ts'
import type { WebSocketConnection } from '../../../src/runtime/web.ts'
import { agentOf, world } from './world.ts'

const stream = { dialect: 'twilio', auth: { kind: 'none' } } as const
const start = JSON.stringify({
  event: 'start',
  streamSid: 'MZ1',
  start: { callSid: 'CA1', accountSid: 'AC1', streamSid: 'MZ1' },
})
const media = (octets: number, streamSid = 'MZ1'): string =>
  JSON.stringify({
    event: 'media',
    streamSid,
    media: { payload: Buffer.alloc(octets, 0xff).toString('base64') },
  })

/** Stays until the call ends. */
const patient = agentOf(({ ended }) => ended.then(() => {}))

function watch(connection: WebSocketConnection): { code: number | undefined; messages: string[] } {
  const seen: { code: number | undefined; messages: string[] } = { code: undefined, messages: [] }
  connection.onMessage = data => seen.messages.push(String(data))
  connection.onClose = code => (seen.code = code)
  return seen
}

t.test('a connection that says nothing, or goes before it starts, is let go', async t => {
  await world({ stream, agent: patient }, async ({ dial, lab, server, refusals }) => {
    const silent = watch(await dial())
    const gone = await dial()
    gone.destroy()
    await lab.clock.sleep(9000)
    t.equal(silent.code, undefined)
    await lab.clock.sleep(2000)
    t.equal(silent.code, 1008)
    t.same(refusals, ['start', 'start'])
    t.match(server.stats, { waiting: 0, started: 0 })
  })
})

t.test('garbage before the start, and audio, are borne up to a number', async t => {
  await world(
    { stream, agent: patient, limits: { maxMalformed: 5 } },
    async ({ dial, lab, refusals, server }) => {
      const connection = await dial()
      const seen = watch(connection)
      for (const text of ['', '{', '[]', media(160), '{"event":7}']) connection.send(text)
      connection.send(start)
      await lab.clock.sleep(100)
      t.equal(server.stats.calls, 1)
      connection.close()
      const other = await dial()
      const second = watch(other)
      for (let i = 0; i < 6; i += 1) other.send(new Uint8Array(3))
      await lab.clock.sleep(100)
      t.equal(second.code, 1007)
      t.equal(seen.code, 1000)
      t.same(refusals, ['malformed'])
    },
  )
})

t.test(
  'a second start, audio of another stream and garbage are counted; too much of it ends the call',
  async t => {
    const { records } = await world(
      { stream, agent: patient, limits: { maxMalformed: 10 } },
      async ({ dial, lab, errors }) => {
        const connection = await dial()
        const seen = watch(connection)
        for (const message of [start, start, media(160, 'MZ2'), 'x', media(7), media(161), media(1)])
          connection.send(message)
        await lab.clock.sleep(100)
        t.equal(seen.code, undefined)
        for (let i = 0; i < 8; i += 1) connection.send('{')
        await lab.clock.sleep(100)
        t.equal(seen.code, 1007)
        t.same(errors, [])
      },
    )
    const [record] = records
    t.match(record?.ended, { by: 'error', cause: 'failed', error: /not twilio.*no JSON object/ })
    t.equal(record?.media?.counters?.['malformed'], 11)
  },
)

t.test('audio after stop goes nowhere', async t => {
  const { records } = await world({ stream, agent: patient }, async ({ dial, lab }) => {
    const connection = await dial()
    for (const message of [start, media(160), JSON.stringify({ event: 'stop', stop: {} }), media(160)])
      connection.send(message)
    await lab.clock.sleep(100)
  })
  t.match(records[0]?.ended, { by: 'remote', cause: 'hangup' })
  t.equal(records[0]?.media?.packetsReceived, 1)
})

t.test('audio at twenty times the speed of time is not stored, and time does not run away', async t => {
  let latest = 0
  let frames = 0
  const agent = agentOf(async ({ input }) => {
    for await (const { timestampMs } of input) {
      latest = timestampMs
      frames += 1
    }
  })
  const { records } = await world({ stream, agent }, async ({ dial, lab }) => {
    const connection = await dial()
    connection.send(start)
    for (let i = 0; i < 200; i += 1) {
      for (let j = 0; j < 20; j += 1) connection.send(media(160))
      await lab.clock.sleep(20)
    }
    connection.close()
    await lab.clock.sleep(50)
  })
  t.ok(latest <= 9100, `${latest} ms`)
  t.ok(frames <= 460, `${frames} frames`)
  t.ok((records[0]?.media?.counters?.['floodedMs'] ?? 0) > 60_000)
})

t.test('a carrier that falls silent has its call ended', async t => {
  const { records } = await world({ stream, agent: patient }, async ({ dial, lab, server }) => {
    const connection = await dial()
    connection.send(start)
    await lab.clock.sleep(59_000)
    t.equal(server.stats.calls, 1)
    await lab.clock.sleep(2000)
    t.equal(server.stats.calls, 0)
  })
  t.match(records[0]?.ended, { by: 'timeout', cause: 'media-timeout', error: /no message came for 60 s/ })
})

t.test('a connection that breaks ends the call, and the agent knows', async t => {
  let reason: unknown
  const agent = agentOf(async ({ signal, ended }) => {
    await ended
    reason = signal.reason
  })
  const { records, errors } = await world({ stream, agent }, async ({ dial, lab }) => {
    const connection = await dial()
    connection.send(start)
    await lab.clock.sleep(100)
    connection.destroy()
    await lab.clock.sleep(100)
  })
  t.match(records[0]?.ended, { by: 'transport', cause: 'failed', error: /closed with 1006/ })
  t.match(reason, { code: 'SIP_CALL_ENDED' })
  t.same(errors, [])
})

t.test(
  'an agent that throws ends its call and is told of; one that throws because it is over is not',
  async t => {
    const agent = agentOf(async ({ sleep, signal }) => {
      await sleep(100)
      signal.throwIfAborted()
      throw new Error('no idea')
    })
    const { records, errors } = await world({ stream, agent }, async ({ dial, lab }) => {
      const first = await dial()
      const seen = watch(first)
      first.send(start)
      await lab.clock.sleep(200)
      t.equal(seen.code, 1000)
      const second = await dial()
      second.send(start)
      await lab.clock.sleep(50)
      second.close()
      await lab.clock.sleep(200)
    })
    t.same(
      errors.map(({ message }) => message),
      ['no idea'],
    )
    t.match(records[0]?.ended, { by: 'error', cause: 'failed', error: /the agent failed: no idea/ })
    t.match(records[1]?.ended, { by: 'remote', cause: 'hangup' })
  },
)

const chunk = (number: number, samples = 160): string =>
  JSON.stringify({
    event: 'media',
    stream_id: 's',
    media: {
      track: 'inbound',
      chunk: String(number),
      payload: Buffer.from(new Int16Array(samples).fill(number * 1000).buffer).toString('base64'),
    },
  })

t.test('Telnyx: messages out of order are put right, and what never comes is not waited for', async t => {
  const heard: number[] = []
  const agent = agentOf(async ({ input }: AgentSession) => {
    for await (const { samples } of input) heard.push(Math.round((samples[80] ?? 0) / 1000))
  })
  const telnyx = { dialect: 'telnyx', auth: { kind: 'none' } } as const
  const { records } = await world({ stream: telnyx, agent }, async ({ dial, lab }) => {
    const connection = await dial()
    const format = { encoding: 'L16', sample_rate: 8000, channels: 1 }
    connection.send(
      JSON.stringify({
        event: 'start',
        stream_id: 's',
        start: { call_control_id: 'c', media_format: format },
      }),
    )
    for (const number of [1, 3, 2, 2, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 5, 15])
      connection.send(chunk(number))
    await lab.clock.sleep(100)
    connection.close()
    await lab.clock.sleep(100)
  })
  t.same(heard, [1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15])
  t.match(records[0]?.media, { lost: 1, late: 2 })
})

t.test(
  'Telnyx: the last words are heard, half a frame of them too, though something before is missing',
  async t => {
    const heard: number[] = []
    const agent = agentOf(async ({ input }: AgentSession) => {
      for await (const { samples } of input)
        heard.push(Math.round((samples[40] ?? 0) / 1000), Math.round((samples[120] ?? 0) / 1000))
    })
    const telnyx = { dialect: 'telnyx', auth: { kind: 'none' } } as const
    const { records } = await world({ stream: telnyx, agent }, async ({ dial, lab }) => {
      const connection = await dial()
      const format = { encoding: 'L16', sample_rate: 8000, channels: 1 }
      connection.send(
        JSON.stringify({
          event: 'start',
          stream_id: 's',
          start: { call_control_id: 'c', media_format: format },
        }),
      )
      for (const number of [1, 5, 3]) connection.send(chunk(number))
      connection.send(chunk(6, 80))
      connection.send('{"event":"stop","stream_id":"s"}')
      await lab.clock.sleep(100)
    })
    t.same(heard, [1, 1, 3, 3, 5, 5, 6, 0])
    t.match(records[0]?.media, { lost: 2 })
  },
)

t.test('audio of our own side is not taken for the caller’s', async t => {
  const { records } = await world({ stream, agent: patient }, async ({ dial, lab }) => {
    const connection = await dial()
    connection.send(start)
    const both = { event: 'media', streamSid: 'MZ1', media: { track: 'outbound', payload: '//8=' } }
    connection.send(JSON.stringify(both))
    await lab.clock.sleep(100)
    connection.close()
    await lab.clock.sleep(100)
  })
  t.match(records[0]?.media, { packetsReceived: 0, counters: { ignored: 1 } })
})

t.test('a format that nobody agreed on is turned away', async t => {
  const plivo = { dialect: 'plivo', auth: { kind: 'none' } } as const
  await world({ stream: plivo, agent: patient }, async ({ dial, lab, refusals }) => {
    const connection = await dial()
    const seen = watch(connection)
    const mediaFormat = { encoding: 'audio/x-mulaw', sampleRate: 16_000 }
    connection.send(JSON.stringify({ event: 'start', start: { streamId: 's', callId: 'c', mediaFormat } }))
    await lab.clock.sleep(100)
    t.same(refusals, ['format'])
    t.equal(seen.code, 1003)
  })
})

t.test('no sequence of messages makes anything throw, or leaves a call behind', async t => {
  const names = [
    'connected',
    'start',
    'media',
    'dtmf',
    'mark',
    'stop',
    'error',
    'websocket:connected',
    'playedStream',
  ]
  const message = oneof(
    string(),
    json(),
    uint8Array({ maxLength: 400 }),
    oneof(
      ...names.map(event =>
        anything().map(value =>
          JSON.stringify({ event, start: value, media: value, mark: value, dtmf: value, streamSid: 'MZ1' }),
        ),
      ),
    ),
  )
  for (const dialect of ['twilio', 'telnyx', 'plivo', 'vonage', 'infobip', 'offhook'] as const) {
    await assert(
      asyncProperty(array(message, { maxLength: 30 }), async messages => {
        const agent = agentOf(async ({ input, output }) => {
          for await (const { samples } of input) await output.write(samples)
        })
        const { server, errors } = await world(
          { stream: { dialect, auth: { kind: 'none' } }, agent },
          async ({ dial, lab }) => {
            const connection = await dial()
            if (dialect === 'twilio') connection.send(start)
            for (const one of messages) connection.send(one)
            await lab.clock.sleep(100)
            connection.close()
            await lab.clock.sleep(100)
          },
        )
        t.same(errors, [])
        if (server.stats.calls !== 0 || server.stats.waiting !== 0)
          throw new Error(JSON.stringify(server.stats))
      }),
      { numRuns: 25 },
    )
  }
})

t.test('a listener for keys that throws hurts neither the call nor the process', async t => {
  const digits: string[] = []
  const warnings: string[] = []
  const listen = (warning: Error): void => void warnings.push(warning.message)
  process.on('warning', listen)
  t.teardown(() => process.off('warning', listen))
  const agent = agentOf(async session => {
    session.on?.('dtmfStart', () => {
      throw new Error('slip of the pen')
    })
    for await (const { digit } of session.dtmf()) digits.push(digit)
  })
  const { records } = await world({ stream, agent }, async ({ dial, lab }) => {
    const connection = await dial()
    connection.send(start)
    for (const digit of ['1', '2'])
      connection.send(JSON.stringify({ event: 'dtmf', streamSid: 'MZ1', dtmf: { digit } }))
    await lab.clock.sleep(100)
    connection.close()
    await lab.clock.sleep(100)
  })
  await new Promise(resolve => setImmediate(resolve))
  t.same(digits, ['1', '2'])
  t.match(records[0]?.ended, { by: 'remote', cause: 'hangup' })
  t.match(warnings.join(), /dtmfStart.*slip of the pen/s)
})

t.test('a stream that starts after the server has closed is no call', async t => {
  let calls = 0
  const agent = agentOf(() => {
    calls += 1
    return Promise.resolve()
  })
  await world({ stream, agent }, async ({ dial, lab, server, refusals }) => {
    const early = await dial()
    const seen = watch(early)
    await lab.clock.sleep(50)
    await server.close()
    early.send(start)
    await lab.clock.sleep(100)
    t.equal(calls, 0)
    t.equal(seen.code, 1001)
    t.same(refusals, ['draining'])
    t.match(server.stats, { calls: 0, waiting: 0 })
  })
})

t.test('who calls itself by what is no URI does not trip the agent that looks at it', async t => {
  const hosts: string[] = []
  const agent = agentOf(({ remote, local }) => {
    hosts.push(remote.uri.toString(), local.uri.toString())
    return Promise.resolve()
  })
  const { errors } = await world({ stream, agent }, async ({ dial, lab }) => {
    for (const from of ['sip:a@[::', 'sip:%zz@x:99999', 'tel:', 'sips:@', 'sip:me@example.com']) {
      const connection = await dial()
      const customParameters = { from, to: 'tel:+15550100' }
      const { start: inner } = JSON.parse(start) as { start: object }
      connection.send(
        JSON.stringify({ event: 'start', streamSid: 'MZ1', start: { ...inner, customParameters } }),
      )
      await lab.clock.sleep(50)
    }
  })
  t.same(errors, [])
  t.equal(hosts.length, 10)
  t.equal(hosts[0], 'sip:anonymous@anonymous.invalid')
  t.same(hosts.slice(8), ['sip:me@example.com', 'tel:+15550100'])
})
