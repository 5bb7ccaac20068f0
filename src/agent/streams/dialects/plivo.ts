import type { StreamContext, StreamDialect, StreamFormat, StreamMessage } from '../dialect.ts'
import { audioOf, base64Of, countOf, objectOf, parseJson, stringsOf, textOf, trackOf } from '../json.ts'
import type { JsonObject, MessageTable } from '../json.ts'

/** Audio streaming, bidirectional. Each `playAudio` says of what format it is. */
export const plivo: StreamDialect = {
  name: 'plivo',
  formats: [
    { encoding: 'PCMU', sampleRate: 8000 },
    { encoding: 'L16', sampleRate: 8000 },
    { encoding: 'L16', sampleRate: 16_000 },
  ],
  frameMs: 20,
  // `playedStream` is sent only for what was played.
  marksOnClear: 'dropped',
  carrier: { write: fromCarrier, parse: data => parseJson(data, 'event', carrierMessages) },
  bot: { write: fromBot, parse: data => parseJson(data, 'event', botMessages) },
}

function fromCarrier(message: StreamMessage, context: StreamContext): string | undefined {
  const { streamId, callId, accountId, sequence } = context
  const head = { sequenceNumber: sequence, streamId }
  switch (message.kind) {
    case 'start':
      return JSON.stringify({
        event: 'start',
        sequenceNumber: sequence,
        start: {
          callId,
          streamId,
          accountId,
          tracks: ['inbound'],
          mediaFormat: { encoding: contentType(message.format), sampleRate: message.format.sampleRate },
          customParameters: message.parameters,
        },
        extra_headers: Object.entries(message.parameters)
          .map(([name, value]) => `${name}=${value}`)
          .join(';'),
      })
    case 'media':
      return JSON.stringify({
        event: 'media',
        ...head,
        media: {
          track: 'inbound',
          timestamp: String(message.timestampMs ?? 0),
          chunk: message.chunk ?? 0,
          payload: base64Of(message.audio),
        },
      })
    case 'dtmf':
      return JSON.stringify({ event: 'dtmf', ...head, dtmf: { track: 'inbound', digit: message.digits } })
    case 'mark':
      return JSON.stringify({ event: 'playedStream', ...head, name: message.name })
    case 'cleared':
      return JSON.stringify({ event: 'clearedAudio', ...head })
    case 'stop':
      return JSON.stringify({ event: 'stop', ...head, stop: { reason: message.reason ?? '' } })
    default:
      return undefined
  }
}

const carrierMessages: MessageTable = {
  start: ({ start, extra_headers }) => {
    const { callId, streamId, accountId, mediaFormat, customParameters } = objectOf(start)
    const { encoding, sampleRate } = objectOf(mediaFormat)
    const format = formatOf(encoding, sampleRate)
    if (textOf(streamId) === '' || format === undefined) return undefined
    return {
      kind: 'start',
      streamId: textOf(streamId),
      callId: textOf(callId),
      accountId: textOf(accountId),
      from: '',
      to: '',
      parameters: { ...extraHeaders(textOf(extra_headers)), ...stringsOf(customParameters) },
      format,
    }
  },
  media: ({ media, streamId }) => {
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
      ...(typeof streamId === 'string' && { streamId }),
      ...trackOf(track),
    }
  },
  dtmf: ({ dtmf }) => {
    const digits = textOf(objectOf(dtmf)['digit'])
    return digits === '' ? undefined : { kind: 'dtmf', digits }
  },
  playedStream: readName,
  clearedAudio: () => ({ kind: 'cleared' }),
  stop: ({ stop, reason }) => ({ kind: 'stop', reason: textOf(objectOf(stop)['reason']) || textOf(reason) }),
}

function fromBot(message: StreamMessage, { streamId, format }: StreamContext): string | undefined {
  switch (message.kind) {
    case 'media':
      return JSON.stringify({
        event: 'playAudio',
        streamId,
        media: {
          contentType: contentType(format),
          sampleRate: format.sampleRate,
          payload: base64Of(message.audio),
        },
      })
    case 'mark':
      return JSON.stringify({ event: 'checkpoint', streamId, name: message.name })
    case 'clear':
      return JSON.stringify({ event: 'clearAudio', streamId })
    case 'dtmf':
      return JSON.stringify({ event: 'sendDTMF', dtmf: message.digits })
    default:
      return undefined
  }
}

const botMessages: MessageTable = {
  playAudio: ({ media, streamId }) => {
    const { payload, contentType: type, sampleRate } = objectOf(media)
    const audio = audioOf(payload)
    const format = formatOf(type, sampleRate)
    if (audio === undefined || format === undefined) return undefined
    return { kind: 'media', audio, format, ...(typeof streamId === 'string' && { streamId }) }
  },
  checkpoint: readName,
  clearAudio: () => ({ kind: 'clear' }),
  sendDTMF: ({ dtmf }) => {
    const digits = textOf(dtmf)
    return digits === '' ? undefined : { kind: 'dtmf', digits }
  },
}

function readName({ name }: JsonObject): StreamMessage | undefined {
  return typeof name === 'string' ? { kind: 'mark', name } : undefined
}

function contentType({ encoding }: StreamFormat): string {
  return encoding === 'L16' ? 'audio/x-l16' : 'audio/x-mulaw'
}

/** `audio/x-l16` or `audio/x-l16;rate=16000`. */
function formatOf(type: unknown, rate: unknown): StreamFormat | undefined {
  const [, kind, inType] = /^audio\/x-(mulaw|l16)(?:;\s*rate=(\d{4,5}))?$/i.exec(textOf(type)) ?? []
  const sampleRate = countOf(rate) ?? (inType === undefined ? 8000 : Number(inType))
  if (kind === undefined || (sampleRate !== 8000 && sampleRate !== 16_000)) return undefined
  return { encoding: kind.toLowerCase() === 'l16' ? 'L16' : 'PCMU', sampleRate }
}

/** `userId=12345;sessionId=abc`, the value of the attribute `extraHeaders`. */
function extraHeaders(text: string): Readonly<Record<string, string>> {
  const pairs = text.split(/[;,]/).map(pair => /^\s*([^=]+)=(.*)$/.exec(pair))
  return Object.fromEntries(pairs.flatMap(pair => (pair === null ? [] : [[pair[1] ?? '', pair[2] ?? '']])))
}
