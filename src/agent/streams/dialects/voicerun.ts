import type { StreamContext, StreamDialect, StreamMessage } from '../dialect.ts'
import { audioOf, base64Of, malformed, objectFrom, objectOf, parseJson, stringsOf, textOf } from '../json.ts'
import type { JsonObject, MessageTable } from '../json.ts'

/** The direct WebSocket: Twilio's words, other audio. μ-law at 16 kHz goes to the bot, linear at 24 kHz comes back. */
export const voicerun: StreamDialect = {
  name: 'voicerun',
  formats: [{ encoding: 'PCMU', sampleRate: 16_000 }],
  botFormat: { encoding: 'L16', sampleRate: 24_000 },
  frameMs: 20,
  marksOnClear: 'echoed',
  carrier: { write: fromCarrier, parse: parseCarrier },
  bot: { write: fromBot, parse: data => parseJson(data, 'event', botMessages) },
}

function fromCarrier(message: StreamMessage, { streamId, callId }: StreamContext): string | undefined {
  switch (message.kind) {
    case 'start':
      // The only message without "event".
      return JSON.stringify({
        start: { streamSid: streamId, callSid: callId, customParameters: message.parameters },
      })
    case 'media':
    case 'mark':
      return fromBot(message, { streamId })
    default:
      return undefined
  }
}

function parseCarrier(data: string | Uint8Array): StreamMessage {
  const message = typeof data === 'string' ? objectFrom(data) : undefined
  if (message === undefined || 'event' in message) return parseJson(data, 'event', carrierMessages)
  const { streamSid, callSid, customParameters } = objectOf(message['start'])
  if (textOf(streamSid) === '') return malformed('no "start"')
  return {
    kind: 'start',
    streamId: textOf(streamSid),
    callId: textOf(callSid),
    accountId: '',
    from: '',
    to: '',
    parameters: stringsOf(customParameters),
    format: { encoding: 'PCMU', sampleRate: 16_000 },
  }
}

function fromBot(message: StreamMessage, { streamId }: Pick<StreamContext, 'streamId'>): string | undefined {
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

const carrierMessages: MessageTable = { media: readMedia, mark: readMark }

const botMessages: MessageTable = { media: readMedia, mark: readMark, clear: () => ({ kind: 'clear' }) }

function readMedia({ media, streamSid }: JsonObject): StreamMessage | undefined {
  const audio = audioOf(objectOf(media)['payload'])
  return audio === undefined
    ? undefined
    : { kind: 'media', audio, ...(typeof streamSid === 'string' && { streamId: streamSid }) }
}

function readMark({ mark }: JsonObject): StreamMessage | undefined {
  const { name } = objectOf(mark)
  return typeof name === 'string' ? { kind: 'mark', name } : undefined
}
