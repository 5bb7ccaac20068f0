import { quote } from '../message/scanner.ts'
import type { Refusal } from './core-types.ts'

interface RefusingError {
  readonly statusCode?: unknown
  readonly warning?: unknown
}

/**
 * What an owner's error means on the wire: its `statusCode` when that is a refusal, else 488 (RFC 3261 §14.2, §21.4.26), and its
 * `warning` (`{ code, text }`) as a Warning header (§20.43).
 */
export function refusalOf(error: unknown, agent: string): Refusal {
  const { statusCode, warning } = (typeof error === 'object' && error !== null ? error : {}) as RefusingError
  const status =
    typeof statusCode === 'number' && Number.isInteger(statusCode) && statusCode >= 400 && statusCode <= 699
      ? statusCode
      : 488
  const value = warningValue(warning, agent)
  return value === undefined ? { statusCode: status } : { statusCode: status, headers: [['Warning', value]] }
}

function warningValue(warning: unknown, agent: string): string | undefined {
  if (typeof warning !== 'object' || warning === null) return undefined
  const { code, text } = warning as { code?: unknown; text?: unknown }
  if (typeof code !== 'number' || typeof text !== 'string') return undefined
  return `${code} ${agent} ${quote(text.replaceAll(/[\r\n\0]+/g, ' '))}`
}
