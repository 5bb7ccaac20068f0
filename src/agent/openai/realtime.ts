import type { JsonObject } from '../streams/json.ts'
import { audioOf, objectOf, textOf } from '../streams/json.ts'
import type { Failure, ModelDialect, ModelEvent } from './dialect.ts'

/** What the events of one name mean; undefined when a field is missing. */
type EventTable = Readonly<Record<string, (event: JsonObject) => ModelEvent | undefined>>

const events: EventTable = {
  'session.updated': () => ({ kind: 'ready' }),
  'response.output_audio.delta': event => {
    const audio = audioOf(event['delta'])
    const itemId = textOf(event['item_id'])
    if (audio === undefined || itemId === '') return undefined
    const item = { responseId: textOf(event['response_id']), itemId, contentIndex: indexOf(event) }
    return { kind: 'audio', item, audio }
  },
  'response.output_audio.done': event => ({
    kind: 'audio-done',
    itemId: textOf(event['item_id']),
    contentIndex: indexOf(event),
  }),
  'input_audio_buffer.speech_started': () => ({ kind: 'speech' }),
  'response.created': event => ({ kind: 'response', id: textOf(objectOf(event['response'])['id']) }),
  'response.done': event => {
    const response = objectOf(event['response'])
    const id = textOf(response['id'])
    if (response['status'] !== 'failed') return { kind: 'response-over', id }
    return { kind: 'response-over', id, failure: failureOf(objectOf(response['status_details'])['error']) }
  },
  'response.output_item.done': event => {
    const item = objectOf(event['item'])
    return item['type'] === 'function_call' && item['status'] !== 'incomplete'
      ? toolOf(item)
      : { kind: 'other' }
  },
  'response.output_audio_transcript.done': event => ({
    kind: 'words',
    role: 'assistant',
    text: textOf(event['transcript']),
    piece: false,
  }),
  'conversation.item.input_audio_transcription.completed': event => ({
    kind: 'words',
    role: 'user',
    text: textOf(event['transcript']),
    piece: false,
  }),
  error: event => {
    const failure = failureOf(event['error'])
    if (failure.code === 'session_expired')
      return { kind: 'over', reason: 'the session expired', expired: true }
    return { kind: 'error', failure }
  },
}

/** The Realtime API as it is since its general availability. */
export const realtime: ModelDialect = {
  turns: true,
  read: event => readWith(events, event),
  open({ session }, format, tools, before) {
    const audio = objectOf(session['audio'])
    const setUp = {
      type: 'session.update',
      session: {
        ...session,
        type: 'realtime',
        audio: {
          ...audio,
          input: { ...objectOf(audio['input']), format },
          output: { ...objectOf(audio['output']), format },
        },
        ...(tools.length > 0 && { tools: [...listOf(session['tools']), ...tools] }),
      },
    }
    const history = before.map(({ role, text }) => ({
      type: 'conversation.item.create',
      item: {
        type: 'message',
        role,
        content: [{ type: role === 'user' ? 'input_text' : 'output_text', text }],
      },
    }))
    return [setUp, ...history]
  },
  audio: audio => ({ type: 'input_audio_buffer.append', audio }),
  greet: greeting => [realtime.respond(greeting === true ? undefined : greeting)],
  tell: text => ({
    type: 'conversation.item.create',
    item: { type: 'message', role: 'user', content: [{ type: 'input_text', text }] },
  }),
  respond: instructions => ({
    type: 'response.create',
    ...(instructions !== undefined && { response: { instructions } }),
  }),
  cancel: () => [{ type: 'response.cancel' }],
  truncate: (itemId, contentIndex, heardMs) => [
    {
      type: 'conversation.item.truncate',
      item_id: itemId,
      content_index: contentIndex,
      audio_end_ms: heardMs,
    },
  ],
  toolOutput: (id, output) => ({
    type: 'conversation.item.create',
    item: { type: 'function_call_output', call_id: id, output },
  }),
  close: () => [],
}

export function readWith(table: EventTable, event: JsonObject): ModelEvent {
  const type = event['type']
  if (typeof type !== 'string') return { kind: 'malformed', reason: 'no "type"' }
  const read = Object.hasOwn(table, type) ? table[type] : undefined
  if (read === undefined) return { kind: 'other' }
  return read(event) ?? { kind: 'malformed', reason: `"${type}" lacks a field` }
}

export function toolOf(item: JsonObject): ModelEvent | undefined {
  const [id, name] = [textOf(item['call_id']), textOf(item['name'])]
  return id === '' || name === '' ? undefined : { kind: 'tool', id, name, input: textOf(item['arguments']) }
}

/** In one line of bounded length: it goes into records. */
export function failureOf(error: unknown): Failure {
  const { code, type, message } = objectOf(error)
  return { code: line(textOf(code) || textOf(type)) || 'error', message: line(textOf(message)) }
}

function line(text: string): string {
  return text
    .replaceAll(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, 300)
}

export function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function indexOf(event: JsonObject): number {
  const index = event['content_index']
  return typeof index === 'number' && Number.isInteger(index) && index >= 0 ? index : 0
}
