import { audioOf, objectOf, textOf } from '../streams/json.ts'
import type { JsonObject } from '../streams/json.ts'
import type { ModelDialect, ModelEvent } from './dialect.ts'
import { failureOf, listOf, readWith, toolOf } from './realtime.ts'

/** Of the Responses model that works for the one that speaks. */
const nested: Readonly<Record<string, (event: JsonObject) => ModelEvent | undefined>> = {
  'response.created': event => ({ kind: 'response', id: textOf(objectOf(event['response'])['id']) }),
  'response.output_item.done': event => {
    const item = objectOf(event['item'])
    return item['type'] === 'function_call' ? toolOf(item) : { kind: 'other' }
  },
  'response.completed': event => ({ kind: 'response-over', id: textOf(objectOf(event['response'])['id']) }),
  'response.incomplete': event => ({ kind: 'response-over', id: textOf(objectOf(event['response'])['id']) }),
  'response.failed': event => {
    const response = objectOf(event['response'])
    return { kind: 'response-over', id: textOf(response['id']), failure: failureOf(response['error']) }
  },
}

const words =
  (role: 'user' | 'assistant') =>
  (event: JsonObject): ModelEvent => ({ kind: 'words', role, text: textOf(event['delta']), piece: true })

const events: Readonly<Record<string, (event: JsonObject) => ModelEvent | undefined>> = {
  'session.started': () => ({ kind: 'ready' }),
  'session.output_audio.delta': event => {
    const audio = audioOf(event['delta'])
    return audio && { kind: 'audio', item: { responseId: '', itemId: 'live', contentIndex: 0 }, audio }
  },
  'session.input_transcript.delta': words('user'),
  'session.output_transcript.delta': words('assistant'),
  'response.event': event => readWith(nested, objectOf(event['event'])),
  error: event => ({ kind: 'error', failure: failureOf(event['error']) }),
  'session.closed': event => {
    const reason = textOf(event['reason']).slice(0, 64)
    return { kind: 'over', reason: `the session was closed: ${reason}`, expired: reason === 'expired' }
  },
}

/** History the API takes at the start of a session. */
const MAX_MESSAGES = 128

/** GPT-Live: it listens and speaks at once and minds interruptions itself, so nothing is cut off and no turn is asked for. */
export const live: ModelDialect = {
  turns: false,
  read: event => readWith(events, event),
  open({ model, session }, format, tools, before) {
    const delegation = objectOf(session['delegation'])
    const responses = objectOf(delegation['responses'])
    const input = [
      ...listOf(session['input']),
      ...before.map(({ role, text }) => ({
        type: 'message',
        role,
        content: [{ type: role === 'user' ? 'input_text' : 'output_text', text }],
      })),
    ].slice(-MAX_MESSAGES)
    return [
      {
        type: 'session.start',
        session: {
          ...session,
          model,
          audio: { ...objectOf(session['audio']), format },
          ...(input.length > 0 && { input }),
          ...(tools.length > 0 && {
            delegation: {
              ...delegation,
              responses: { ...responses, tools: [...listOf(responses['tools']), ...tools] },
            },
          }),
        },
      },
    ]
  },
  audio: audio => ({ type: 'session.input_audio.append', audio }),
  greet: greeting => [
    live.tell(
      greeting === true
        ? 'The call is up: greet the caller.'
        : `The call is up: say this to the caller: ${greeting}`,
    ),
  ],
  tell: content => ({ type: 'session.instructions.append', content, delegation_id: null }),
  respond: () => ({ type: 'response.create' }),
  cancel: () => [],
  truncate: () => [],
  toolOutput: (id, output) => ({
    type: 'response.item.create',
    item: { type: 'function_call_output', call_id: id, output },
  }),
  close: () => [{ type: 'session.close' }],
}
