import { SipParseError } from '../sip/message/errors.ts'
import type { SipRequest, SipResponse } from '../sip/message/message.ts'

type Message = SipRequest | SipResponse

/** What tells the calls of one endpoint apart by their messages. */
export interface MessagePlace {
  /** Keys of the calls it may belong to: as one that we made, and as one made to us. */
  readonly keys: readonly string[]
  /** Of the INVITE that begins a call: it stays the same when the message is repeated, and in nothing else. */
  readonly attempt: string | undefined
}

/**
 * The key of a call is its Call-ID, which way it was made, and the caller's tag: an endpoint that calls itself has two
 * calls with one Call-ID.
 */
export function callKey(
  direction: 'inbound' | 'outbound',
  callId: string,
  callerTag: string | undefined,
): string {
  return `${direction} ${callerTag ?? ''} ${callId}`
}

/** Undefined for a message whose headers cannot be read. */
export function placeOf(message: Message, direction: 'in' | 'out'): MessagePlace | undefined {
  return readable(() => {
    const { callId } = message
    const from = message.from.tag
    const to = message.to.tag
    if (message.kind === 'request' && message.method === 'INVITE' && to === undefined) {
      const way = direction === 'in' ? 'inbound' : 'outbound'
      const attempt = `${message.via.branch ?? ''} ${message.cseq.sequence}`
      return { keys: [callKey(way, callId, from)], attempt }
    }
    const oursIsFrom = (direction === 'out') === (message.kind === 'request')
    const [ours, theirs] = oursIsFrom ? [from, to] : [to, from]
    return {
      keys: [callKey('outbound', callId, ours), callKey('inbound', callId, theirs)],
      attempt: undefined,
    }
  })
}

/** The method a message is about: its own, or that of the request it answers. */
export function methodOf(message: Message): string | undefined {
  return message.kind === 'request' ? message.method : readable(() => message.cseq.method)
}

function readable<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    if (error instanceof SipParseError) return undefined
    throw error
  }
}
