import type { StreamContext, StreamDialect, StreamMessage } from '../dialect.ts'
import { countOf, malformed, objectFrom, textOf } from '../json.ts'

/** Media streaming: one text message that says what follows, then audio both ways, and nothing else. */
export const infobip: StreamDialect = {
  name: 'infobip',
  formats: [
    { encoding: 'L16', sampleRate: 16_000 },
    { encoding: 'L16', sampleRate: 8000 },
    { encoding: 'L16', sampleRate: 24_000 },
    { encoding: 'L16', sampleRate: 48_000 },
  ],
  frameMs: 20,
  exactFrames: true,
  noClear: true,
  marksOnClear: 'dropped',
  carrier: { write: fromCarrier, parse: parseCarrier },
  bot: {
    write: message => (message.kind === 'media' ? message.audio : undefined),
    parse: data =>
      typeof data === 'string' ? { kind: 'other', name: 'text' } : { kind: 'media', audio: data },
  },
}

function fromCarrier(message: StreamMessage, { callId }: StreamContext): string | Uint8Array | undefined {
  if (message.kind === 'media') return message.audio
  if (message.kind !== 'start') return undefined
  return JSON.stringify({ callId, sampleRate: message.format.sampleRate, packetizationTime: 20 })
}

function parseCarrier(data: string | Uint8Array): StreamMessage {
  if (typeof data !== 'string') return { kind: 'media', audio: data }
  const message = objectFrom(data)
  const sampleRate = countOf(message?.['sampleRate'])
  if (message === undefined || sampleRate === undefined) return malformed('no "sampleRate"')
  return {
    kind: 'start',
    streamId: '',
    callId: textOf(message['callId']),
    accountId: '',
    from: '',
    to: '',
    parameters: {},
    format: { encoding: 'L16', sampleRate },
  }
}
