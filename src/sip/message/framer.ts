import { SipParseError } from './errors.ts'
import { hashStep, idAt, ids } from './names.ts'
import { limitsFrom } from './limits.ts'
import type { MessageLimits } from './limits.ts'

export type Framed =
  | { readonly kind: 'message'; readonly bytes: Buffer }
  /** CRLF CRLF between messages: to be answered by one CRLF (RFC 5626 §3.5.1). */
  | { readonly kind: 'ping' }
  /** One CRLF between messages: the answer to our ping (or an empty line that RFC 3261 §7.5 lets be). */
  | { readonly kind: 'pong' }

export interface FramerOptions {
  limits?: Partial<MessageLimits> | undefined
}
