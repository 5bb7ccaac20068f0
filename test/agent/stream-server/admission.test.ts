import t from 'tap'
import { plivoSignature } from '../../../src/agent/signatures/plivo.ts'
import { twilioStreamSignature } from '../../../src/agent/signatures/twilio.ts'
import { signVonageToken } from '../../../src/agent/signatures/vonage.ts'
import { authoriseUpgrade } from '../../../src/agent/stream-server/auth.ts'
import type { StreamAuth } from '../../../src/agent/stream-server/auth.ts'
import { streamServer } from '../../../src/agent/stream-server/server.ts'
import type { DialectName } from '../../../src/agent/streams/dialect.ts'
import { agentOf, world } from './world.ts'
import type { World, WorldOptions } from './world.ts'

const publicUrl = 'wss://voice.example.com'
const url = `${publicUrl}/in`

/** What an upgrade, and then a start, come to. */
async function outcome(
  stream: WorldOptions['stream'],
  headers: (now: number) => Record<string, string>,
  messages: readonly (string | Uint8Array)[] = [],
): Promise<{ status: number; calls: number; refusals: readonly string[]; code: number | undefined }> {
  let status = 101
  let code: number | undefined
  let calls = 0
  const agent = agentOf(async ({ sleep }) => {
    calls += 1
    await sleep(1000)
  })
  const { refusals } = await world({ stream, agent, publicUrl }, async ({ dial, lab }) => {
    try {
      const connection = await dial(headers(lab.clock.wallTime()))
      connection.onMessage = () => {}
      connection.onClose = given => (code = given)
      for (const message of messages) connection.send(message)
      await lab.clock.sleep(500)
    } catch (error) {
      status = (error as { statusCode: number }).statusCode
    }
  })
  return { status, calls, refusals, code }
}

const starts: Readonly<Partial<Record<DialectName, string>>> = {
  twilio: JSON.stringify({
    event: 'start',
    streamSid: 'MZ1',
    start: { callSid: 'CA1', streamSid: 'MZ1', customParameters: { key: 'k' } },
  }),
  plivo: JSON.stringify({
    event: 'start',
    start: { streamId: 's', callId: 'c', mediaFormat: { encoding: 'audio/x-mulaw', sampleRate: 8000 } },
  }),
  vonage: JSON.stringify({ event: 'websocket:connected', 'content-type': 'audio/l16;rate=16000', uuid: 'u' }),
  telnyx: JSON.stringify({
    event: 'start',
    stream_id: 's',
    start: { call_control_id: 'v3:x', media_format: { encoding: 'PCMU', sample_rate: 8000, channels: 1 } },
  }),
}

const rows: readonly {
  dialect: DialectName
  auth: StreamAuth
  good: (now: number) => Record<string, string>
  bad: (now: number) => Record<string, string>
}[] = [
  {
    dialect: 'twilio',
    auth: { kind: 'twilio', authToken: 'tok' },
    good: () => ({ 'X-Twilio-Signature': twilioStreamSignature('tok', url) }),
    bad: () => ({ 'X-Twilio-Signature': twilioStreamSignature('tok', `${url}2`) }),
  },
  {
    dialect: 'plivo',
    auth: { kind: 'plivo', authToken: 'tok' },
    good: () => ({
      'X-Plivo-Signature-V3-Nonce': '1',
      'X-Plivo-Signature-V3': plivoSignature({ authToken: 'tok', method: 'GET', url, nonce: '1' }),
    }),
    bad: () => ({
      'X-Plivo-Signature-V3-Nonce': '2',
      'X-Plivo-Signature-V3': plivoSignature({ authToken: 'tok', method: 'GET', url, nonce: '1' }),
    }),
  },
  {
    dialect: 'vonage',
    auth: { kind: 'vonage', secret: 'sec', apiKey: 'k' },
    good: now => ({
      Authorization: `Bearer ${signVonageToken({ secret: 'sec', now, claims: { api_key: 'k' } })}`,
    }),
    bad: now => ({
      Authorization: `Bearer ${signVonageToken({ secret: 'sec', now: now - 400_000, claims: { api_key: 'k' } })}`,
    }),
  },
  {
    dialect: 'telnyx',
    auth: { kind: 'telnyx', streamToken: 'tok' },
    good: () => ({ 'x-telnyx-streaming-auth-token': 'tok' }),
    bad: () => ({ 'x-telnyx-streaming-auth-token': 'other' }),
  },
  {
    dialect: 'twilio',
    auth: { kind: 'token', token: 'tok' },
    good: () => ({ Authorization: 'Bearer tok' }),
    bad: () => ({ Authorization: 'Bearer tik' }),
  },
  {
    dialect: 'twilio',
    auth: { kind: 'token', token: 'tok', header: 'X-Key' },
    good: () => ({ 'x-key': 'tok' }),
    bad: () => ({ 'x-key': 'tik' }),
  },
  {
    dialect: 'twilio',
    auth: { kind: 'basic', username: 'u', password: 'p:w' },
    good: () => ({ Authorization: `Basic ${Buffer.from('u:p:w').toString('base64')}` }),
    bad: () => ({ Authorization: `Basic ${Buffer.from('u:x').toString('base64')}` }),
  },
]

for (const { dialect, auth, good, bad } of rows) {
  t.test(
    `${dialect} with ${auth.kind}: let in with it, 403 with another, 401 without, and no agent hears of it`,
    async t => {
      const start = [starts[dialect] ?? '']
      const stream = { dialect, auth }
      t.match(await outcome(stream, good, start), { status: 101, calls: 1, refusals: [] })
      t.match(await outcome(stream, bad, start), { status: 403, calls: 0, refusals: ['signature'] })
      if (auth.kind !== 'telnyx') {
        t.match(await outcome(stream, () => ({}), start), { status: 401, calls: 0, refusals: ['signature'] })
      }
    },
  )
}

const connected = (token?: string): string =>
  JSON.stringify({ event: 'connected', version: '1.0.0', 'x-telnyx-streaming-auth-token': token })

t.test('telnyx: a token that comes with the first message decides as well', async t => {
  const stream = { dialect: 'telnyx', auth: { kind: 'telnyx', streamToken: 'tok' } } as const
  const start = starts.telnyx ?? ''
  t.match(await outcome(stream, () => ({}), [connected('tok'), start]), { calls: 1, refusals: [] })
  t.match(await outcome(stream, () => ({}), [connected('tik'), start]), {
    calls: 0,
    refusals: ['signature'],
    code: 1008,
  })
  t.match(await outcome(stream, () => ({}), [connected(), start]), { calls: 0, refusals: ['signature'] })
  t.match(await outcome(stream, () => ({}), [start]), { calls: 0, refusals: ['signature'] })
})

t.test('a secret in a parameter of the start', async t => {
  const stream = { dialect: 'twilio', auth: { kind: 'token', token: 'k', parameter: 'key' } } as const
  t.match(await outcome(stream, () => ({}), [starts.twilio ?? '']), { calls: 1, refusals: [] })
  const other = { dialect: 'twilio', auth: { kind: 'token', token: 'K', parameter: 'key' } } as const
  t.match(await outcome(other, () => ({}), [starts.twilio ?? '']), {
    calls: 0,
    refusals: ['signature'],
    code: 1008,
  })
})

const status = async (all: World, path?: string): Promise<number> => {
  try {
    const connection = await all.dial({}, path)
    connection.send(starts.twilio ?? '')
    await all.lab.clock.sleep(100)
    return 101
  } catch (error) {
    return (error as { statusCode: number }).statusCode
  }
}

t.test('nothing at a path, too many calls, draining: refused before anything starts', async t => {
  const agent = agentOf(({ ended }) => ended.then(() => {}))
  const stream = { dialect: 'twilio', auth: { kind: 'none' } } as const
  await world({ stream, agent, limits: { maxCalls: 2 } }, async all => {
    t.equal(await status(all, '/other'), 404)
    t.equal(await status(all), 101)
    t.equal(await status(all), 101)
    t.equal(await status(all), 503)
    t.equal(all.server.stats.calls, 2)
    const drained = all.server.drain()
    t.equal(await status(all), 503)
    t.same(all.refusals, ['path', 'busy', 'draining'])
    t.match(all.server.stats, { started: 2, refused: { path: 1, busy: 1, draining: 1 } })
    await all.server.close()
    await drained
    t.same(
      all.records.map(({ ended }) => ended?.cause),
      ['closed', 'closed'],
    )
  })
})

t.test('options that cannot be meant are refused, and the field is named', async t => {
  const agent = agentOf(() => Promise.resolve())
  const listen = { host: '127.0.0.1', port: 0 }
  const auth = { kind: 'none' } as const
  const a = { path: '/a', dialect: 'twilio', auth } as const
  await t.rejects(streamServer({ listen, agent, streams: [] }), /streams:/)
  await t.rejects(streamServer({ listen, agent, streams: [{ ...a, path: 'a' }] }), /streams\[0\]\.path/)
  await t.rejects(streamServer({ listen, agent, streams: [a, a] }), /streams\[1\]\.path.*taken/)
  await t.rejects(streamServer({ listen, agent, streams: [{ ...a, dialect: 'sip' as never }] }), /dialect/)
  await t.rejects(
    streamServer({ listen, agent, streams: [{ ...a, auth: { kind: 'twilio', authToken: '' } }] }),
    /streams\[0\]\.auth\.authToken/,
  )
  await t.rejects(streamServer({ listen, agent, streams: [a], publicUrl: 'https://x' }), /publicUrl/)
  await t.rejects(streamServer({ listen, agent, streams: [a], limits: { maxCalls: 0 } }), /limits\.maxCalls/)
  const format = { encoding: 'L16', sampleRate: 16_000 } as const
  await t.rejects(
    streamServer({ listen, agent, streams: [{ ...a, format }] }),
    /streams\[0\]\.format: .*twilio does not play L16 at 16000; there are PCMU at 8000/,
  )
  const webhook = { path: '/i', dialect: 'infobip', auth, webhook: '/hook' } as const
  await t.rejects(streamServer({ listen, agent, streams: [webhook] }), /streams\[0\]\.webhook/)
})

t.test('an auth that is none, or lacks its secret, lets nobody in: it is refused at the start', async t => {
  const agent = agentOf(() => Promise.resolve())
  const listen = { host: '127.0.0.1', port: 0 }
  // As a file or a program without types gives them: an environment variable that is not set, a slip of the pen.
  const bad: readonly (readonly [auth: unknown, message: RegExp])[] = [
    [{ kind: 'twillio', authToken: 't' }, /auth\.kind: "twillio".*twilio, plivo/],
    [{ kind: 'toString' }, /auth\.kind/],
    [{}, /auth\.kind/],
    [undefined, /auth\.kind/],
    [{ kind: 'twilio' }, /auth\.authToken/],
    [{ kind: 'twilio', authToken: [] }, /auth\.authToken/],
    [{ kind: 'twilio', authToken: ['t', undefined] }, /auth\.authToken/],
    [{ kind: 'plivo', authToken: 7 }, /auth\.authToken/],
    [{ kind: 'vonage' }, /auth\.secret/],
    [{ kind: 'telnyx', publicKey: 'x' }, /auth\.streamToken/],
    [{ kind: 'token' }, /auth\.token/],
    [{ kind: 'basic', username: 'u' }, /auth\.password/],
  ]
  for (const [auth, message] of bad) {
    const stream = { path: '/a', dialect: 'twilio', auth: auth as StreamAuth } as const
    await t.rejects(streamServer({ listen, agent, streams: [stream] }), message)
  }
  const auth = { kind: 'telnyx', streamToken: 't' } as const
  const telnyx = { path: '/a', dialect: 'telnyx', auth, webhook: '/hook' } as const
  await t.rejects(streamServer({ listen, agent, streams: [telnyx] }), /streams\[0\]\.auth\.publicKey/)
})

t.test('a kind of auth that nobody knows is refused, not taken for none', async t => {
  const auth = { kind: 'twillio', authToken: 't' } as unknown as StreamAuth
  t.throws(
    () => authoriseUpgrade(auth, { headers: new Map(), body: new Uint8Array() } as never, 'wss://a/in', 0),
    /no such kind of auth/,
  )
})

t.test('a Host that is none is the fault of who sent it: 400, and no error of the server', async t => {
  const agent = agentOf(() => Promise.resolve())
  const stream = { dialect: 'twilio', auth: { kind: 'twilio', authToken: 't' } } as const
  const { errors, refusals } = await world({ stream, agent }, async ({ dial }) => {
    const signature = { 'X-Twilio-Signature': 'x' }
    await t.rejects(dial({ ...signature, host: 'a b[' }), /with 400/)
    await t.rejects(dial({ ...signature, host: 'example.com' }), /with 403/)
  })
  t.same(errors, [])
  t.same(refusals, ['malformed', 'signature'])
})
