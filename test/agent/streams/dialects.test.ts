import * as fc from 'fast-check'
import t from 'tap'
import type { DialectName, StreamContext, StreamMessage } from '../../../src/agent/streams/dialect.ts'
import { dialectNamed, dialects } from '../../../src/agent/streams/dialects.ts'

const audio = Uint8Array.from([0xff, 0x7f, 0x00])

const context: StreamContext = {
  streamId: 'MZ1',
  callId: 'CA1',
  accountId: 'AC1',
  sequence: 7,
  format: { encoding: 'L16', sampleRate: 16_000 },
  wallTime: Date.UTC(2026, 0, 2, 3, 4, 5, 678),
}

const start: StreamMessage = {
  kind: 'start',
  streamId: 'MZ1',
  callId: 'CA1',
  accountId: 'AC1',
  from: '+15550100',
  to: '+15550199',
  parameters: { lang: 'de', tier: 'gold' },
  format: { encoding: 'L16', sampleRate: 16_000 },
}
const media: StreamMessage = { kind: 'media', audio, chunk: 3, timestampMs: 40 }
const dtmf: StreamMessage = { kind: 'dtmf', digits: '5', durationMs: 120 }
const mark: StreamMessage = { kind: 'mark', name: 'm1' }

type Row = readonly [what: StreamMessage, wire: object | Uint8Array | undefined]

/** What the bot receives, field by field and in this order. */
const carrier: Readonly<Record<DialectName, readonly Row[]>> = {
  twilio: [
    [{ kind: 'connected' }, { event: 'connected', protocol: 'Call', version: '1.0.0' }],
    [
      start,
      {
        event: 'start',
        sequenceNumber: '7',
        streamSid: 'MZ1',
        start: {
          accountSid: 'AC1',
          callSid: 'CA1',
          streamSid: 'MZ1',
          tracks: ['inbound'],
          mediaFormat: { encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1 },
          customParameters: { lang: 'de', tier: 'gold' },
        },
      },
    ],
    [
      media,
      {
        event: 'media',
        sequenceNumber: '7',
        streamSid: 'MZ1',
        media: { track: 'inbound', chunk: '3', timestamp: '40', payload: '/38A' },
      },
    ],
    [
      dtmf,
      {
        event: 'dtmf',
        sequenceNumber: '7',
        streamSid: 'MZ1',
        dtmf: { track: 'inbound_track', digit: '5' },
      },
    ],
    [mark, { event: 'mark', sequenceNumber: '7', streamSid: 'MZ1', mark: { name: 'm1' } }],
    [
      { kind: 'stop' },
      {
        event: 'stop',
        sequenceNumber: '7',
        streamSid: 'MZ1',
        stop: { accountSid: 'AC1', callSid: 'CA1' },
      },
    ],
    [{ kind: 'cleared' }, undefined],
  ],
  telnyx: [
    [{ kind: 'connected' }, { event: 'connected', version: '1.0.0' }],
    [
      { kind: 'connected', token: 'secret' },
      { event: 'connected', version: '1.0.0', 'x-telnyx-streaming-auth-token': 'secret' },
    ],
    [
      start,
      {
        event: 'start',
        sequence_number: '7',
        stream_id: 'MZ1',
        start: {
          user_id: 'AC1',
          call_control_id: 'CA1',
          call_session_id: 'CA1',
          from: '+15550100',
          to: '+15550199',
          tags: [],
          client_state: '',
          custom_parameters: { lang: 'de', tier: 'gold' },
          media_format: { encoding: 'L16', sample_rate: 16_000, channels: 1 },
        },
      },
    ],
    [
      media,
      {
        event: 'media',
        sequence_number: '7',
        stream_id: 'MZ1',
        media: { track: 'inbound', chunk: '3', timestamp: '40', payload: '/38A' },
      },
    ],
    [
      dtmf,
      {
        event: 'dtmf',
        stream_id: 'MZ1',
        occurred_at: '2026-01-02T03:04:05.678Z',
        sequence_number: '7',
        dtmf: { digit: '5' },
      },
    ],
    [mark, { event: 'mark', sequence_number: '7', stream_id: 'MZ1', mark: { name: 'm1' } }],
    [
      { kind: 'error', code: '100004', message: 'no such codec' },
      {
        event: 'error',
        sequence_number: '7',
        stream_id: 'MZ1',
        payload: { code: '100004', title: 'no such codec', detail: 'no such codec' },
      },
    ],
    [
      { kind: 'stop' },
      {
        event: 'stop',
        sequence_number: '7',
        stream_id: 'MZ1',
        stop: { user_id: 'AC1', call_control_id: 'CA1' },
      },
    ],
  ],
  plivo: [
    [{ kind: 'connected' }, undefined],
    [
      start,
      {
        event: 'start',
        sequenceNumber: 7,
        start: {
          callId: 'CA1',
          streamId: 'MZ1',
          accountId: 'AC1',
          tracks: ['inbound'],
          mediaFormat: { encoding: 'audio/x-l16', sampleRate: 16_000 },
          customParameters: { lang: 'de', tier: 'gold' },
        },
        extra_headers: 'lang=de;tier=gold',
      },
    ],
    [
      media,
      {
        event: 'media',
        sequenceNumber: 7,
        streamId: 'MZ1',
        media: { track: 'inbound', timestamp: '40', chunk: 3, payload: '/38A' },
      },
    ],
    [dtmf, { event: 'dtmf', sequenceNumber: 7, streamId: 'MZ1', dtmf: { track: 'inbound', digit: '5' } }],
    [mark, { event: 'playedStream', sequenceNumber: 7, streamId: 'MZ1', name: 'm1' }],
    [{ kind: 'cleared' }, { event: 'clearedAudio', sequenceNumber: 7, streamId: 'MZ1' }],
    [
      { kind: 'stop', reason: 'hangup' },
      { event: 'stop', sequenceNumber: 7, streamId: 'MZ1', stop: { reason: 'hangup' } },
    ],
  ],
  vonage: [
    [{ kind: 'connected' }, undefined],
    [
      start,
      {
        event: 'websocket:connected',
        'content-type': 'audio/l16;rate=16000',
        lang: 'de',
        tier: 'gold',
      },
    ],
    [media, audio],
    [dtmf, { event: 'websocket:dtmf', digit: '5', duration: 120 }],
    [mark, { event: 'websocket:notify', payload: { name: 'm1' } }],
    [
      { kind: 'mark', name: '{"reply":[1]}' },
      { event: 'websocket:notify', payload: { reply: [1] } },
    ],
    [{ kind: 'cleared' }, { event: 'websocket:cleared' }],
    [{ kind: 'stop' }, undefined],
  ],
  infobip: [
    [{ kind: 'connected' }, undefined],
    [start, { callId: 'CA1', sampleRate: 16_000, packetizationTime: 20 }],
    [media, audio],
    [dtmf, undefined],
    [mark, undefined],
    [{ kind: 'stop' }, undefined],
  ],
  voicerun: [
    [{ kind: 'connected' }, undefined],
    [
      start,
      {
        start: { streamSid: 'MZ1', callSid: 'CA1', customParameters: { lang: 'de', tier: 'gold' } },
      },
    ],
    [media, { event: 'media', streamSid: 'MZ1', media: { payload: '/38A' } }],
    [mark, { event: 'mark', streamSid: 'MZ1', mark: { name: 'm1' } }],
    [{ kind: 'stop' }, undefined],
  ],
  offhook: [
    [{ kind: 'connected' }, undefined],
    [
      start,
      {
        type: 'start',
        version: 1,
        streamId: 'MZ1',
        callId: 'CA1',
        from: '+15550100',
        to: '+15550199',
        parameters: { lang: 'de', tier: 'gold' },
        audio: { encoding: 'L16', sampleRate: 16_000, channels: 1, frameMs: 20 },
      },
    ],
    [media, audio],
    [dtmf, { type: 'dtmf', digit: '5', durationMs: 120 }],
    [
      { kind: 'mark', name: 'm1', reached: false },
      { type: 'mark', name: 'm1', reached: false },
    ],
    [
      { kind: 'cleared', playedMs: 12.3, droppedMs: 400 },
      { type: 'cleared', playedMs: 12, droppedMs: 400 },
    ],
    [
      { kind: 'transferred', outcome: 'transferred' },
      { type: 'transferred', outcome: 'transferred' },
    ],
    [
      { kind: 'error', code: 'SIP_OPTION', message: 'no digits' },
      { type: 'error', code: 'SIP_OPTION', message: 'no digits' },
    ],
    [
      { kind: 'stop', reason: 'the call ended' },
      { type: 'stop', reason: 'the call ended' },
    ],
  ],
}

/** What a bot sends, as its platform documents it, and what it means. */
const bot: Readonly<
  Record<DialectName, readonly (readonly [wire: object | Uint8Array, means: StreamMessage])[]>
> = {
  twilio: [
    [
      { event: 'media', streamSid: 'MZ1', media: { payload: '/38A' } },
      { kind: 'media', audio, streamId: 'MZ1' },
    ],
    [{ event: 'mark', streamSid: 'MZ1', mark: { name: 'm1' } }, mark],
    [{ event: 'clear', streamSid: 'MZ1' }, { kind: 'clear' }],
  ],
  telnyx: [
    [
      { event: 'media', media: { payload: '/38A' } },
      { kind: 'media', audio },
    ],
    [{ event: 'mark', mark: { name: 'm1' } }, mark],
    [{ event: 'clear' }, { kind: 'clear' }],
  ],
  plivo: [
    [
      {
        event: 'playAudio',
        streamId: 'MZ1',
        media: { contentType: 'audio/x-l16', sampleRate: 16_000, payload: '/38A' },
      },
      { kind: 'media', audio, format: { encoding: 'L16', sampleRate: 16_000 }, streamId: 'MZ1' },
    ],
    [{ event: 'checkpoint', streamId: 'MZ1', name: 'm1' }, mark],
    [{ event: 'clearAudio', streamId: 'MZ1' }, { kind: 'clear' }],
    [
      { event: 'sendDTMF', dtmf: '12#' },
      { kind: 'dtmf', digits: '12#' },
    ],
  ],
  vonage: [
    [audio, { kind: 'media', audio }],
    [{ action: 'notify', payload: { name: 'm1' } }, mark],
    [
      { action: 'notify', payload: { reply: [1] } },
      { kind: 'mark', name: '{"reply":[1]}' },
    ],
    [{ action: 'clear' }, { kind: 'clear' }],
  ],
  infobip: [[audio, { kind: 'media', audio }]],
  voicerun: [
    [
      { event: 'media', streamSid: 'MZ1', media: { payload: '/38A' } },
      { kind: 'media', audio, streamId: 'MZ1' },
    ],
    [{ event: 'mark', streamSid: 'MZ1', mark: { name: 'm1' } }, mark],
    [{ event: 'clear', streamSid: 'MZ1' }, { kind: 'clear' }],
  ],
  offhook: [
    [audio, { kind: 'media', audio }],
    [{ type: 'mark', name: 'm1' }, mark],
    [{ type: 'clear' }, { kind: 'clear' }],
    [{ type: 'hangup' }, { kind: 'hangup' }],
    [
      { type: 'dtmf', digits: '12#' },
      { kind: 'dtmf', digits: '12#' },
    ],
    [
      { type: 'transfer', target: 'sip:desk@example.com' },
      { kind: 'transfer', target: 'sip:desk@example.com' },
    ],
  ],
}

/** What is left out, by what the other side reads back. */
const lost: Readonly<Record<DialectName, readonly string[]>> = {
  twilio: ['from', 'to', 'format', 'durationMs', 'reason'],
  telnyx: ['durationMs', 'reason'],
  plivo: ['from', 'to', 'durationMs'],
  vonage: ['streamId', 'callId', 'accountId', 'from', 'to', 'chunk', 'timestampMs'],
  infobip: ['streamId', 'accountId', 'from', 'to', 'parameters', 'chunk', 'timestampMs'],
  voicerun: ['accountId', 'from', 'to', 'format', 'chunk', 'timestampMs'],
  offhook: ['accountId', 'chunk', 'timestampMs'],
}

function wireOf(data: string | Uint8Array | undefined): unknown {
  return typeof data === 'string' ? data : data === undefined ? undefined : [...data]
}

function onWire(value: object | Uint8Array): string | Uint8Array {
  return value instanceof Uint8Array ? value : JSON.stringify(value)
}

for (const dialect of Object.values(dialects)) {
  const { name } = dialect
  t.test(`${name}: what the bot receives, field by field`, async t => {
    for (const [message, wire] of carrier[name]) {
      const written = dialect.carrier.write(message, context)
      t.same(wireOf(written), wire === undefined ? undefined : wireOf(onWire(wire)), message.kind)
      if (written === undefined) continue
      const read: Readonly<Record<string, unknown>> = { ...dialect.carrier.parse(written) }
      t.equal(read['kind'], message.kind)
      for (const [field, value] of Object.entries(message)) {
        if (lost[name].includes(field)) continue
        const expected = field === 'playedMs' ? Math.round(Number(value)) : value
        t.same(read[field], expected, `${message.kind}: ${field} comes back`)
      }
    }
  })

  t.test(`${name}: what the bot sends, both written and read`, async t => {
    for (const [wire, message] of bot[name]) {
      t.same(dialect.bot.parse(onWire(wire)), message)
      const written = dialect.bot.write(message, context)
      const { kind } = message
      t.same(wireOf(written), wireOf(onWire(wire)), kind)
    }
    t.equal(dialect.bot.write({ kind: 'connected' }, context), undefined)
  })

  t.test(`${name}: no input makes a parser throw, and what is no message is told as such`, async t => {
    const words = ['event', 'type', 'action', 'media', 'payload', 'start', 'mark', 'name', '__proto__']
    const hostile = fc.oneof(
      fc.string(),
      fc.uint8Array(),
      fc.json(),
      fc
        .dictionary(fc.constantFrom(...words), fc.oneof(fc.constantFrom(...words, 'clear'), fc.jsonValue()))
        .map(value => JSON.stringify(value)),
      fc
        .tuple(fc.constantFrom(...bot[name].map(([wire]) => onWire(wire))), fc.nat(), fc.string())
        .map(([wire, at, junk]) =>
          typeof wire === 'string'
            ? wire.slice(0, at % wire.length) + junk + wire.slice((at % wire.length) + 1)
            : wire,
        ),
    )
    fc.assert(
      fc.property(hostile, data => {
        for (const codec of [dialect.bot, dialect.carrier]) {
          const message = codec.parse(data)
          if (message.kind === 'media' && message.audio.length === 0 && typeof data === 'string') return false
        }
        return true
      }),
      { numRuns: 500 },
    )
    for (const codec of [dialect.bot, dialect.carrier]) {
      // Infobip has no text from the bot.
      if (codec === dialects.infobip.bot) continue
      for (const text of ['', 'null', '[]', '{', '"media"', '{"event":{}}'])
        t.equal(codec.parse(text).kind, 'malformed', text)
    }
  })
}

t.test('what is missing or of the wrong kind is malformed; what is unknown is passed over', async t => {
  const rows: readonly (readonly [DialectName, object, string])[] = [
    ['twilio', { event: 'media', streamSid: 'MZ1', media: {} }, 'malformed'],
    ['twilio', { event: 'media', media: { payload: 5 } }, 'malformed'],
    ['twilio', { event: 'media', media: { payload: '' } }, 'media'],
    ['twilio', { event: 'mark', mark: {} }, 'malformed'],
    ['twilio', { event: 'mark', mark: { name: 5 } }, 'mark'],
    ['twilio', { event: 'toString' }, 'other'],
    ['plivo', { event: 'playAudio', media: { contentType: 'audio/mp3', payload: '/38A' } }, 'malformed'],
    [
      'plivo',
      { event: 'playAudio', media: { contentType: 'audio/x-l16;rate=8000', payload: '/38A' } },
      'media',
    ],
    ['plivo', { event: 'sendDTMF' }, 'malformed'],
    ['telnyx', { event: 'dtmf' }, 'other'],
    ['offhook', { type: 'transfer' }, 'malformed'],
    ['voicerun', { event: 'control', name: 'redirect' }, 'other'],
  ]
  for (const [name, wire, kind] of rows)
    t.equal(dialects[name].bot.parse(JSON.stringify(wire)).kind, kind, JSON.stringify(wire))
  t.equal(dialects.twilio.bot.parse(audio).kind, 'malformed')
  t.throws(() => dialectNamed('constructor'), { field: 'dialect', message: /give one of twilio, telnyx/ })
})

t.test('Plivo gives custom values as extraHeaders too', async t => {
  const start = {
    event: 'start',
    sequenceNumber: 1,
    start: {
      callId: 'c',
      streamId: 's',
      accountId: 'a',
      mediaFormat: { encoding: 'audio/x-mulaw', sampleRate: 8000 },
    },
    extra_headers: 'userId=12345;sessionId=abc-xyz',
  }
  t.match(dialects.plivo.carrier.parse(JSON.stringify(start)), {
    parameters: { userId: '12345', sessionId: 'abc-xyz' },
    format: { encoding: 'PCMU', sampleRate: 8000 },
  })
})
