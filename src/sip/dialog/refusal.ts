import { SipError } from '../../runtime/errors.ts'
import type { SipErrorCode } from '../../runtime/errors.ts'
import { quote } from '../message/scanner.ts'
import type { Refusal } from './core-types.ts'

interface RefusingError {
  readonly statusCode?: unknown
  readonly warning?: unknown
}

/** Of errors that name no status. Everything else is a fault on our side: 500. */
const statusByCode: Partial<Record<SipErrorCode, number>> = {
  SIP_PARSE: 400,
  SIP_SDP: 488, // RFC 3261 §14.2, §21.4.26
  SIP_LIMIT: 503, // §21.5.4
}

/**
 * What an error means on the wire, the one place where that is decided: its `statusCode` when that is a refusal (400 to 699), else what its
 * `code` says, else 500; and its `warning` (`{ code, text }`) as a Warning header (§20.43). `agent` is who warns: a host or a pseudonym.
 */
export function refusalOf(
  error: unknown,
  agent = 'offhook',
): Refusal & { readonly headers: readonly (readonly [name: string, value: string])[] } {
  const { statusCode, warning } = (typeof error === 'object' && error !== null ? error : {}) as RefusingError
  const value = warningValue(warning, agent)
  return {
    statusCode: isRefusal(statusCode) ? statusCode : statusOf(error),
    headers: value === undefined ? [] : [['Warning', value]],
  }
}

function isRefusal(status: unknown): status is number {
  return typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 699
}

function statusOf(error: unknown): number {
  return (error instanceof SipError ? statusByCode[error.code] : undefined) ?? 500
}

function warningValue(warning: unknown, agent: string): string | undefined {
  if (typeof warning !== 'object' || warning === null) return undefined
  const { code, text } = warning as { code?: unknown; text?: unknown }
  if (typeof code !== 'number' || !(code >= 100 && code <= 999 && Number.isInteger(code))) return undefined
  if (typeof text !== 'string') return undefined
  const host = agent.includes(':') ? `[${agent}]` : agent
  return `${code} ${host} ${quote(text.replaceAll(/[\r\n\0]+/g, ' '))}`
}
