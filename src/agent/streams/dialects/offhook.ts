import type { StreamContext, StreamDialect, StreamFormat, StreamMessage } from '../dialect.ts'
import { countOf, objectOf, parseJson, stringsOf, textOf } from '../json.ts'
import type { JsonObject, MessageTable } from '../json.ts'

/** Our own, described in docs/engine-websocket.md: binary linear PCM both ways, text for the rest. */
export const offhook: StreamDialect = {
  name: 'offhook',
  formats: [
    { encoding: 'L16', sampleRate: 16_000 },
    { encoding: 'L16', sampleRate: 8000 },
    { encoding: 'L16', sampleRate: 24_000 },
    { encoding: 'L16', sampleRate: 48_000 },
  ],
  frameMs: 20,
  marksOnClear: 'echoed',
  carrier: {
    write: fromCarrier,
    parse: data => readBinary(data) ?? parseJson(data, 'type', carrierMessages),
  },
  bot: { write: fromBot, parse: data => readBinary(data) ?? parseJson(data, 'type', botMessages) },
}

function fromCarrier(message: StreamMessage, context: StreamContext): string | Uint8Array | undefined {
  switch (message.kind) {
    case 'start':
      return JSON.stringify({
        type: 'start',
        version: 1,
        streamId: context.streamId,
        callId: context.callId,
        from: message.from,
        to: message.to,
        parameters: message.parameters,
        audio: { encoding: 'L16', sampleRate: message.format.sampleRate, channels: 1, frameMs: 20 },
      })
    case 'media':
      return message.audio
    case 'dtmf':
      return JSON.stringify({
        type: 'dtmf',
        digit: message.digits,
        durationMs: Math.round(message.durationMs ?? 0),
      })
    case 'mark':
      return JSON.stringify({ type: 'mark', name: message.name, reached: message.reached !== false })
    case 'cleared':
      return JSON.stringify({
        type: 'cleared',
        playedMs: Math.round(message.playedMs ?? 0),
        droppedMs: Math.round(message.droppedMs ?? 0),
      })
    case 'transferred':
      return JSON.stringify({ type: 'transferred', outcome: message.outcome })
    case 'error':
      return JSON.stringify({ type: 'error', code: message.code, message: message.message })
    case 'stop':
      return JSON.stringify({ type: 'stop', reason: message.reason ?? '' })
    default:
      return undefined
  }
}

const carrierMessages: MessageTable = {
  start: ({ streamId, callId, from, to, parameters, audio }) => {
    const format = formatOf(audio)
    if (typeof streamId !== 'string' || format === undefined) return undefined
    return {
      kind: 'start',
      streamId,
      callId: textOf(callId),
      accountId: '',
      from: textOf(from),
      to: textOf(to),
      parameters: stringsOf(parameters),
      format,
    }
  },
  dtmf: ({ digit, durationMs: duration }) => {
    const digits = textOf(digit)
    const durationMs = countOf(duration)
    return digits === ''
      ? undefined
      : { kind: 'dtmf', digits, ...(durationMs !== undefined && { durationMs }) }
  },
  mark: ({ name, reached }) =>
    typeof name === 'string' ? { kind: 'mark', name, reached: reached !== false } : undefined,
  cleared: ({ playedMs, droppedMs }) => ({
    kind: 'cleared',
    playedMs: countOf(playedMs) ?? 0,
    droppedMs: countOf(droppedMs) ?? 0,
  }),
  transferred: ({ outcome }) => ({ kind: 'transferred', outcome: textOf(outcome) }),
  error: ({ code, message }) => ({ kind: 'error', code: textOf(code), message: textOf(message) }),
  stop: ({ reason }) => ({ kind: 'stop', reason: textOf(reason) }),
}

function fromBot(message: StreamMessage): string | Uint8Array | undefined {
  switch (message.kind) {
    case 'media':
      return message.audio
    case 'mark':
      return JSON.stringify({ type: 'mark', name: message.name })
    case 'clear':
    case 'hangup':
      return JSON.stringify({ type: message.kind })
    case 'dtmf':
      return JSON.stringify({ type: 'dtmf', digits: message.digits })
    case 'transfer':
      return JSON.stringify({ type: 'transfer', target: message.target })
    default:
      return undefined
  }
}

const botMessages: MessageTable = {
  mark: ({ name }) => (typeof name === 'string' ? { kind: 'mark', name } : undefined),
  clear: () => ({ kind: 'clear' }),
  hangup: () => ({ kind: 'hangup' }),
  dtmf: ({ digits }) => (typeof digits === 'string' && digits !== '' ? { kind: 'dtmf', digits } : undefined),
  transfer: readTransfer,
}

function readTransfer({ target }: JsonObject): StreamMessage | undefined {
  return typeof target === 'string' && target !== '' ? { kind: 'transfer', target } : undefined
}

function readBinary(data: string | Uint8Array): StreamMessage | undefined {
  return typeof data === 'string' ? undefined : { kind: 'media', audio: data }
}

function formatOf(audio: unknown): StreamFormat | undefined {
  const { encoding, sampleRate } = objectOf(audio)
  const rate = countOf(sampleRate)
  return encoding === 'L16' && rate !== undefined ? { encoding, sampleRate: rate } : undefined
}
