import type { StreamContext, StreamDialect, StreamFormat, StreamMessage } from '../dialect.ts'
import { audioOf, base64Of, countOf, objectOf, parseJson, stringsOf, textOf, trackOf } from '../json.ts'
import type { JsonObject, MessageTable } from '../json.ts'

const ULAW: StreamFormat = { encoding: 'PCMU', sampleRate: 8000 }

/** Media Streams (`<Connect><Stream>`). Every number is a string, except in `mediaFormat`. */
export const twilio: StreamDialect = {
  name: 'twilio',
  formats: [ULAW],
  frameMs: 20,
  marksOnClear: 'echoed',
  carrier: { write: fromCarrier, parse: data => parseJson(data, 'event', carrierMessages) },
  bot: { write: fromBot, parse: data => parseJson(data, 'event', botMessages) },
}

function fromCarrier(message: StreamMessage, context: StreamContext): string | undefined {
  const { streamId, callId, accountId, sequence } = context
  const head = { sequenceNumber: String(sequence), streamSid: streamId }
  switch (message.kind) {
    case 'connected':
      return JSON.stringify({ event: 'connected', protocol: 'Call', version: '1.0.0' })
    case 'start':
      return JSON.stringify({
        event: 'start',
        ...head,
        start: {
          accountSid: accountId,
          callSid: callId,
          streamSid: streamId,
          tracks: ['inbound'],
          mediaFormat: { encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1 },
          customParameters: message.parameters,
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
        ...head,
        dtmf: { track: 'inbound_track', digit: message.digits },
      })
    case 'mark':
      return JSON.stringify({ event: 'mark', ...head, mark: { name: message.name } })
    case 'stop':
      return JSON.stringify({ event: 'stop', ...head, stop: { accountSid: accountId, callSid: callId } })
    default:
      return undefined
  }
}

const carrierMessages: MessageTable = {
  connected: () => ({ kind: 'connected' }),
  start: ({ start, streamSid }) => {
    const { callSid, accountSid, customParameters, ...rest } = objectOf(start)
    const streamId = textOf(streamSid) || textOf(rest['streamSid'])
    if (streamId === '') return undefined
    return {
      kind: 'start',
      streamId,
      callId: textOf(callSid),
      accountId: textOf(accountSid),
      from: '',
      to: '',
      parameters: stringsOf(customParameters),
      format: ULAW,
    }
  },
  media: readMedia,
  dtmf: ({ dtmf }) => {
    const digits = textOf(objectOf(dtmf)['digit'])
    return digits === '' ? undefined : { kind: 'dtmf', digits }
  },
  mark: readMark,
  stop: () => ({ kind: 'stop' }),
}

function fromBot(message: StreamMessage, { streamId }: StreamContext): string | undefined {
  switch (message.kind) {
    case 'media':
      return JSON.stringify({
        event: 'media',
        streamSid: streamId,
        media: { payload: base64Of(message.audio) },
      })
    case 'mark':
      return JSON.stringify({ event: 'mark', streamSid: streamId, mark: { name: message.name } })
    case 'clear':
      return JSON.stringify({ event: 'clear', streamSid: streamId })
    default:
      return undefined
  }
}

const botMessages: MessageTable = {
  media: readMedia,
  mark: readMark,
  clear: () => ({ kind: 'clear' }),
}

function readMedia({ media, streamSid }: JsonObject): StreamMessage | undefined {
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
    ...(typeof streamSid === 'string' && { streamId: streamSid }),
    ...trackOf(track),
  }
}

function readMark({ mark }: JsonObject): StreamMessage | undefined {
  const { name } = objectOf(mark)
  return typeof name === 'string' || typeof name === 'number'
    ? { kind: 'mark', name: String(name) }
    : undefined
}
