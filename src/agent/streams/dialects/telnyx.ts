import type { StreamContext, StreamDialect, StreamEncoding, StreamFormat, StreamMessage } from '../dialect.ts'
import { audioOf, base64Of, countOf, objectOf, parseJson, stringsOf, textOf, trackOf } from '../json.ts'
import type { JsonObject, MessageTable } from '../json.ts'

const ENCODINGS: readonly StreamEncoding[] = ['PCMU', 'PCMA', 'L16']

/** Media streaming in the mode `rtp`: payloads of RTP packets without their header. */
export const telnyx: StreamDialect = {
  name: 'telnyx',
  formats: [
    { encoding: 'PCMU', sampleRate: 8000 },
    { encoding: 'PCMA', sampleRate: 8000 },
    { encoding: 'L16', sampleRate: 8000 },
    { encoding: 'L16', sampleRate: 16_000 },
    { encoding: 'L16', sampleRate: 24_000 },
    { encoding: 'L16', sampleRate: 48_000 },
  ],
  frameMs: 20,
  reorders: true,
  marksOnClear: 'echoed',
  carrier: { write: fromCarrier, parse: data => parseJson(data, 'event', carrierMessages) },
  bot: { write: fromBot, parse: data => parseJson(data, 'event', botMessages) },
}

function fromCarrier(message: StreamMessage, context: StreamContext): string | undefined {
  const { streamId, callId, accountId, sequence, wallTime } = context
  const head = { sequence_number: String(sequence), stream_id: streamId }
  switch (message.kind) {
    case 'connected':
      return JSON.stringify({
        event: 'connected',
        version: '1.0.0',
        ...(message.token !== undefined && { 'x-telnyx-streaming-auth-token': message.token }),
      })
    case 'start':
      return JSON.stringify({
        event: 'start',
        ...head,
        start: {
          user_id: accountId,
          call_control_id: callId,
          call_session_id: callId,
          from: message.from,
          to: message.to,
          tags: [],
          client_state: '',
          custom_parameters: message.parameters,
          media_format: {
            encoding: message.format.encoding,
            sample_rate: message.format.sampleRate,
            channels: 1,
          },
        },
      })
    case 'media':
      return JSON.stringify({
        event: 'media',
        ...head,
        media: {
          track: 'inbound',
          chunk: String(message.chunk ?? 0),
          timestamp: String(message.timestampMs ?? 0),
          payload: base64Of(message.audio),
        },
      })
    case 'dtmf':
      return JSON.stringify({
        event: 'dtmf',
        stream_id: streamId,
        occurred_at: new Date(wallTime).toISOString(),
        sequence_number: String(sequence),
        dtmf: { digit: message.digits },
      })
    case 'mark':
      return JSON.stringify({ event: 'mark', ...head, mark: { name: message.name } })
    case 'error':
      return JSON.stringify({
        event: 'error',
        ...head,
        payload: { code: message.code, title: message.message, detail: message.message },
      })
    case 'stop':
      return JSON.stringify({ event: 'stop', ...head, stop: { user_id: accountId, call_control_id: callId } })
    default:
      return undefined
  }
}

const carrierMessages: MessageTable = {
  connected: ({ 'x-telnyx-streaming-auth-token': token }) => ({
    kind: 'connected',
    ...(typeof token === 'string' && { token }),
  }),
  start: ({ start, stream_id }) => {
    const { call_control_id, user_id, from, to, custom_parameters, media_format } = objectOf(start)
    const streamId = textOf(stream_id)
    const format = formatOf(media_format)
    if (streamId === '' || format === undefined) return undefined
    return {
      kind: 'start',
      streamId,
      callId: textOf(call_control_id),
      accountId: textOf(user_id),
      from: textOf(from),
      to: textOf(to),
      parameters: stringsOf(custom_parameters),
      format,
    }
  },
  media: readMedia,
  dtmf: ({ dtmf }) => {
    const digits = textOf(objectOf(dtmf)['digit'])
    return digits === '' ? undefined : { kind: 'dtmf', digits }
  },
  mark: readMark,
  error: ({ payload }) => {
    const { code, title, detail } = objectOf(payload)
    return { kind: 'error', code: textOf(code), message: textOf(detail) || textOf(title) }
  },
  stop: () => ({ kind: 'stop' }),
}

function fromBot(message: StreamMessage): string | undefined {
  switch (message.kind) {
    case 'media':
      return JSON.stringify({ event: 'media', media: { payload: base64Of(message.audio) } })
    case 'mark':
      return JSON.stringify({ event: 'mark', mark: { name: message.name } })
    case 'clear':
      return JSON.stringify({ event: 'clear' })
    default:
      return undefined
  }
}

const botMessages: MessageTable = {
  media: readMedia,
  mark: readMark,
  clear: () => ({ kind: 'clear' }),
}

function formatOf(value: unknown): StreamFormat | undefined {
  const { encoding, sample_rate } = objectOf(value)
  const known = ENCODINGS.find(name => name === encoding)
  const sampleRate = countOf(sample_rate)
  return known === undefined || sampleRate === undefined ? undefined : { encoding: known, sampleRate }
}

function readMedia({ media, stream_id }: JsonObject): StreamMessage | undefined {
  const { payload, timestamp, chunk, track } = objectOf(media)
  const audio = audioOf(payload)
  if (audio === undefined) return undefined
  const timestampMs = countOf(timestamp)
  const number = countOf(chunk)
  return {
    kind: 'media',
    audio,
    ...(timestampMs !== undefined && { timestampMs }),
    ...(number !== undefined && { chunk: number }),
    ...(typeof stream_id === 'string' && { streamId: stream_id }),
    ...trackOf(track),
  }
}

function readMark({ mark }: JsonObject): StreamMessage | undefined {
  const { name } = objectOf(mark)
  return typeof name === 'string' ? { kind: 'mark', name } : undefined
}
