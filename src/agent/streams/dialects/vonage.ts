import type { StreamContext, StreamDialect, StreamMessage } from '../dialect.ts'
import { countOf, objectFrom, objectOf, parseJson, textOf } from '../json.ts'
import type { MessageTable } from '../json.ts'

/** The WebSocket endpoint of the Voice API: binary audio, text for the rest. A mark is its `notify`. */
export const vonage: StreamDialect = {
  name: 'vonage',
  formats: [
    { encoding: 'L16', sampleRate: 16_000 },
    { encoding: 'L16', sampleRate: 8000 },
    { encoding: 'L16', sampleRate: 24_000 },
  ],
  frameMs: 20,
  exactFrames: true,
  marksOnClear: 'dropped',
  carrier: {
    write: fromCarrier,
    parse: data => readBinary(data) ?? parseJson(data, 'event', carrierMessages),
  },
  bot: { write: fromBot, parse: data => readBinary(data) ?? parseJson(data, 'action', botMessages) },
}

function fromCarrier(message: StreamMessage, _context: StreamContext): string | Uint8Array | undefined {
  switch (message.kind) {
    case 'start':
      // The headers of the NCCO stand beside the fields of the event.
      return JSON.stringify({
        event: 'websocket:connected',
        'content-type': `audio/l16;rate=${message.format.sampleRate}`,
        ...message.parameters,
      })
    case 'media':
      return message.audio
    case 'dtmf':
      return JSON.stringify({
        event: 'websocket:dtmf',
        digit: message.digits,
        duration: Math.round(message.durationMs ?? 0),
      })
    case 'mark':
      return JSON.stringify({ event: 'websocket:notify', payload: payloadOf(message.name) })
    case 'cleared':
      return JSON.stringify({ event: 'websocket:cleared' })
    default:
      return undefined
  }
}

const carrierMessages: MessageTable = {
  'websocket:connected': ({ 'content-type': type, ...headers }) => {
    const rate = /^audio\/l16;\s*rate=(\d{4,5})$/i.exec(textOf(type))?.[1]
    if (rate === undefined) return undefined
    const parameters = Object.fromEntries(
      Object.entries(headers)
        .filter(([name]) => name !== 'event')
        .map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
    )
    return {
      kind: 'start',
      streamId: '',
      callId: '',
      accountId: '',
      from: '',
      to: '',
      parameters,
      format: { encoding: 'L16', sampleRate: Number(rate) },
    }
  },
  'websocket:dtmf': ({ digit, duration }) => {
    const digits = textOf(digit)
    const durationMs = countOf(duration)
    return digits === ''
      ? undefined
      : { kind: 'dtmf', digits, ...(durationMs !== undefined && { durationMs }) }
  },
  'websocket:notify': ({ payload }) => ({ kind: 'mark', name: nameOf(payload) }),
  'websocket:cleared': () => ({ kind: 'cleared' }),
}

function fromBot(message: StreamMessage): string | Uint8Array | undefined {
  switch (message.kind) {
    case 'media':
      return message.audio
    case 'mark':
      return JSON.stringify({ action: 'notify', payload: payloadOf(message.name) })
    case 'clear':
      return JSON.stringify({ action: 'clear' })
    default:
      return undefined
  }
}

const botMessages: MessageTable = {
  notify: ({ payload }) => ({ kind: 'mark', name: nameOf(payload) }),
  clear: () => ({ kind: 'clear' }),
}

function readBinary(data: string | Uint8Array): StreamMessage | undefined {
  return typeof data === 'string' ? undefined : { kind: 'media', audio: data }
}

/** The payload is any object; what is not just a name keeps its JSON as its name, so that it comes back as it was. */
function nameOf(payload: unknown): string {
  const object = objectOf(payload)
  const { name } = object
  return typeof name === 'string' && Object.keys(object).length === 1 ? name : JSON.stringify(payload ?? {})
}

function payloadOf(name: string): unknown {
  return objectFrom(name) ?? { name }
}
