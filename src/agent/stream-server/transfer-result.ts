import type { TransferResult } from '../../call/transfer-options.ts'
import { SipError } from '../../runtime/errors.ts'
import type { Clock } from '../../runtime/runtime.ts'

/** For an answer over the stream. */
const TRANSFER_MS = 60_000

/** What the carrier says of a transfer over the stream. `listen` gets what takes its word, and undefined when nobody waits any more. */
export function wordOfTransfer(
  clock: Clock,
  gone: AbortSignal,
  listen: (take: ((outcome: string) => void) | undefined) => void,
): Promise<TransferResult> {
  return new Promise(resolve => {
    const settle = (result: TransferResult): void => {
      timer.cancel()
      gone.removeEventListener('abort', hungUp)
      listen(undefined)
      resolve(result)
    }
    const hungUp = (): void =>
      settle({ outcome: 'unknown', cause: 'hung-up', reason: 'the carrier ended the call before it told' })
    const timer = clock.setTimer(clock.now() + TRANSFER_MS, () =>
      settle({ outcome: 'unknown', cause: 'silence', reason: 'the carrier did not tell how it went' }),
    )
    gone.addEventListener('abort', hungUp)
    listen(outcome => settle(outcomeOf(outcome)))
  })
}

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
function outcomeOf(outcome: string): TransferResult {
  if (outcome === 'transferred')
    return { outcome, cause: 'notified', reason: 'the carrier reached the target' }
  if (outcome === 'failed')
    return { outcome, cause: 'notified', reason: 'the carrier did not reach the target' }
  if (outcome === 'unknown') return taken()
  return refused(`the carrier would not: ${outcome.slice(0, 100)}`)
}
