import { ProxyRequire } from '../message/headers/capabilities.ts'
import { MaxForwards } from '../message/headers/core.ts'
import type { SipRequest } from '../message/message.ts'
import type { Fingerprint } from './fingerprint.ts'
import type { ProxyAnswer } from './types.ts'

export interface ValidationRules {
  readonly fingerprint: Fingerprint
  /** Lower case. */
  readonly extensions: ReadonlySet<string>
  /** Whether credentials are part of what makes a request the same: not for a stateless proxy. */
  readonly withCredentials: boolean
}

interface Rule {
  readonly rfc: string
  readonly check: (request: SipRequest, rules: ValidationRules) => ProxyAnswer | undefined
}

/** What a proxy looks at before it forwards, in this order; syntax was checked when the message came in. */
const rules: readonly Rule[] = [
  {
    rfc: 'RFC 3261 §16.3 2',
    check: ({ uri }) => (uri.kind === 'other' ? { statusCode: 416 } : undefined),
  },
  {
    rfc: 'RFC 3261 §16.3 3',
    check: request => {
      if (request.get(MaxForwards) !== 0) return undefined
      return { statusCode: request.method === 'OPTIONS' ? 200 : 483 }
    },
  },
  {
    rfc: 'RFC 3261 §16.3 4, RFC 5393 §4.2',
    check: (request, { fingerprint, withCredentials }) =>
      fingerprint.isLoop(request, withCredentials) ? { statusCode: 482 } : undefined,
  },
  {
    rfc: 'RFC 3261 §16.3 5',
    check: (request, { extensions }) => {
      const unknown = (request.get(ProxyRequire) ?? []).filter(tag => !extensions.has(tag.toLowerCase()))
      if (unknown.length === 0) return undefined
      return { statusCode: 420, headers: [['Unsupported', unknown.join(', ')]] }
    },
  },
]

/** The refusal that a request deserves by RFC 3261 §16.3, if any. */
export function validate(request: SipRequest, facts: ValidationRules): ProxyAnswer | undefined {
  for (const { check } of rules) {
    const answer = check(request, facts)
    if (answer !== undefined) return answer
  }
  return undefined
}
