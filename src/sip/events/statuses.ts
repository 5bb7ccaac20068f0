import type { SipResponse } from '../message/message.ts'
import { MinExpires, RetryAfter } from '../message/headers/session.ts'
import { AllowEvents } from '../message/headers/capabilities.ts'
import type { HeaderDefinition } from '../message/definition.ts'

/** Answers to a SUBSCRIBE in the dialog, or to a NOTIFY, that end the subscription (RFC 6665 §4.1.2.2, §4.2.2, RFC 5057 §5.1). */
const ending: ReadonlySet<number> = new Set([404, 405, 410, 416, 480, 481, 482, 483, 484, 485, 489, 501, 604])

export function endsSubscription(statusCode: number): boolean {
  return ending.has(statusCode)
}

/** A header of a response, or undefined when it is missing or cannot be read. */
function read<T>(response: SipResponse, definition: HeaderDefinition<T>): T | undefined {
  try {
    return response.get(definition)
  } catch {
    return undefined
  }
}

export function minExpiresOf(response: SipResponse): number | undefined {
  return read(response, MinExpires)
}

export function retryAfterOf(response: SipResponse): number | undefined {
  return read(response, RetryAfter)?.seconds
}

export function allowEventsOf(response: SipResponse): readonly string[] {
  return read(response, AllowEvents) ?? []
}
