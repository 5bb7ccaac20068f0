import { Reason } from '../message/headers/session.ts'
import { quote } from '../message/scanner.ts'
import type { SipMessage } from '../message/message.ts'
import type { SessionReason } from './session-types.ts'

/** The Reason values of a message (RFC 3326); none when the header is absent or cannot be read. */
export function reasonsOf(message: SipMessage): readonly SessionReason[] {
  try {
    return (message.get(Reason) ?? []).map(({ value, params }) => {
      const cause = params.value('cause')
      return {
        protocol: value,
        cause: cause !== undefined && /^\d{1,9}$/.test(cause) ? Number(cause) : undefined,
        text: params.value('text'),
      }
    })
  } catch {
    return []
  }
}

/** A Reason value as it goes on the wire; text is always quoted there. */
export function reasonValue(reason: SessionReason | string): string {
  if (typeof reason === 'string') return reason
  const { protocol, cause, text } = reason
  return (
    protocol +
    (cause === undefined ? '' : `;cause=${cause}`) +
    (text === undefined ? '' : `;text=${quote(text)}`)
  )
}

/** The parts of Reason values given either way; one written out that cannot be read is left out. */
export function reasonParts(reasons: readonly (SessionReason | string)[]): readonly SessionReason[] {
  return reasons.flatMap(reason => {
    if (typeof reason !== 'string') return [reason]
    try {
      return Reason.parse(reason).map(({ value, params }) => ({
        protocol: value,
        cause: Number(params.value('cause') ?? Number.NaN),
        text: params.value('text'),
      }))
    } catch {
      return []
    }
  })
}
