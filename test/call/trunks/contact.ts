import type { SipRequest } from '../../../src/sip/message/message.ts'

/** The URI that a REGISTER binds. */
export function contactOf({ contacts }: SipRequest): string | undefined {
  return contacts === '*' ? undefined : contacts[0]?.uriText
}
