import { OptionError } from '../../runtime/errors.ts'
import type { StandardWebhook } from '../signatures/standard-webhooks.ts'
import { verifyStandardWebhook } from '../signatures/standard-webhooks.ts'
import type { JsonObject } from '../streams/json.ts'
import { objectFrom, objectOf, textOf } from '../streams/json.ts'
import type { OpenAiDialect } from './sip-calls.ts'

/** A SIP call that reached a project of OpenAI and waits for a decision. */
export interface OpenAiIncomingCall {
  /** Which interface tells of it. One call may be told of by both, with two ids. */
  readonly dialect: OpenAiDialect
  /** For `openAiSipCalls` of that dialect: `rtc_…` or `live_…`. */
  readonly id: string
  /** Of the message: the same again is the same message sent again. */
  readonly webhookId: string
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number
  /** Of the INVITE, in order, but those of authorization. Anybody may have written them. */
  readonly sipHeaders: readonly { readonly name: string; readonly value: string }[]
  /** The first of that name, in any case. */
  header(name: string): string | undefined
  /** Of the INVITE: the one thing both webhooks of a call share. */
  readonly callId: string | undefined
  /** Of its media, where it is told. */
  readonly mediaSecurity: 'rtp' | 'srtp' | undefined
}

interface Kind {
  readonly dialect: OpenAiDialect
  readonly id: string
}

/** By type; Live's had another name before. */
const kinds: Readonly<Record<string, Kind>> = {
  'realtime.call.incoming': { dialect: 'realtime', id: 'call_id' },
  'live.transport.incoming': { dialect: 'live', id: 'session_id' },
  'live.call.incoming': { dialect: 'live', id: 'session_id' },
}

/** Headers taken of one INVITE. */
const MAX_HEADERS = 256

/**
 * Checks the signature of a webhook and reads it; undefined when it tells of something else than a SIP call.
 * @throws SignatureError when OpenAI did not sign it; OptionError `secret`, or `body` when it is signed and no webhook of that form
 */
export function openAiWebhook(webhook: StandardWebhook): OpenAiIncomingCall | undefined {
  const { id: webhookId } = verifyStandardWebhook(webhook)
  const { body } = webhook
  const event = objectFrom(typeof body === 'string' ? body : Buffer.from(body).toString())
  if (event === undefined) throw new OptionError('body', 'no JSON object')
  const type = textOf(event['type'])
  const kind = Object.hasOwn(kinds, type) ? kinds[type] : undefined
  if (kind === undefined) return undefined
  const data = objectOf(event['data'])
  const id = textOf(data[kind.id])
  if (!/^[\w-]{1,200}$/.test(id)) throw new OptionError('body', `"${type}" lacks data.${kind.id}`)
  const sipHeaders = headersOf(data)
  const header = (name: string): string | undefined =>
    sipHeaders.find(found => found.name.toLowerCase() === name.toLowerCase())?.value
  const security = data['sip_media_security']
  const createdAt = event['created_at']
  return {
    dialect: kind.dialect,
    id,
    webhookId,
    createdAt: typeof createdAt === 'number' ? createdAt * 1000 : webhook.now,
    sipHeaders,
    header,
    // RFC 3261 §7.3.3 has a short form.
    callId: header('Call-ID') ?? header('i'),
    mediaSecurity: security === 'rtp' || security === 'srtp' ? security : undefined,
  }
}

/** Calls remembered; of more the oldest are forgotten. */
const MAX_REMEMBERED = 10_000

/**
 * Makes a function that is true for the first webhook of each call, and false for those of the other interface and those sent again, so
 * that a call is decided about once. With `dialect`, only that interface's count. An INVITE that is made again keeps its Call-ID (RFC 3261
 * §22.2) and is another call, to the interface that told of the first.
 */
export function onceForEachCall(dialect?: OpenAiDialect): (call: OpenAiIncomingCall) => boolean {
  const ids = new Memory<true>()
  /** Which interface told of it first, by Call-ID. */
  const tellers = new Memory<OpenAiDialect>()
  return ({ dialect: teller, id, callId }) => {
    if (dialect !== undefined && teller !== dialect) return false
    const key = `${teller} ${id}`
    if (ids.get(key) === true) return false
    ids.set(key, true)
    if (callId === undefined) return true
    const first = tellers.get(callId) ?? teller
    tellers.set(callId, first)
    return first === teller
  }
}

/** The latest so many. */
class Memory<Value> {
  readonly #values = new Map<string, Value>()

  get(key: string): Value | undefined {
    return this.#values.get(key)
  }

  set(key: string, value: Value): void {
    this.#values.set(key, value)
    if (this.#values.size <= MAX_REMEMBERED) return
    for (const oldest of this.#values.keys()) {
      this.#values.delete(oldest)
      return
    }
  }
}

function headersOf(data: JsonObject): OpenAiIncomingCall['sipHeaders'] {
  const list = Array.isArray(data['sip_headers']) ? data['sip_headers'] : []
  return list.slice(0, MAX_HEADERS).flatMap(entry => {
    const { name, value } = objectOf(entry)
    return typeof name === 'string' && typeof value === 'string' ? [{ name, value }] : []
  })
}
