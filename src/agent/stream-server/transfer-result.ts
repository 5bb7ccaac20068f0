import type { TransferResult } from '../../call/transfer-options.ts'
import { SipError } from '../../runtime/errors.ts'

export function taken(): TransferResult {
  return {
    outcome: 'unknown',
    cause: 'no-notify',
    reason: 'the carrier took it; whether it succeeds is not told here',
  }
}

export function refused(reason: string): TransferResult {
  return { outcome: 'refused', cause: 'refer-refused', reason }
}

export function refusedBy(error: unknown): TransferResult {
  const reason = error instanceof Error ? error.message : String(error)
  const { statusCode } = error as { statusCode?: unknown }
  return {
    ...refused(reason),
    ...(typeof statusCode === 'number' && { statusCode }),
    ...(error instanceof SipError && { error }),
  }
}

/** As docs/engine-websocket.md has them. */
export function outcomeOf(outcome: string): TransferResult {
  if (outcome === 'transferred')
    return { outcome, cause: 'notified', reason: 'the carrier reached the target' }
  if (outcome === 'failed')
    return { outcome, cause: 'notified', reason: 'the carrier did not reach the target' }
  if (outcome === 'unknown') return taken()
  return refused(`the carrier would not: ${outcome.slice(0, 100)}`)
}
