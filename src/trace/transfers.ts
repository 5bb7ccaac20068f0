import type { CallDiagnostics } from '../call/diagnostics.ts'
import type { TransferResult } from '../call/transfer-options.ts'

/** One transfer of a call, without the people in it. */
export interface TransferRecord {
  /** Who asked: we the other party (`transferor`), or it us (`transferee`). */
  readonly role: 'transferor' | 'transferee'
  readonly attended: boolean
  /** How it ended, when we asked. */
  readonly outcome?: TransferResult['outcome']
  readonly cause?: TransferResult['cause']
  readonly statusCode?: number
}

/** What a trace keeps of the transfers of one call: the first 16. */
export interface KeptTransfers {
  readonly list: TransferRecord[]
  /** Refer-To without its headers, in the same order: personal data. */
  readonly targets: string[]
}

const mostTransfers = 16

/** Notes a transfer, or how the latest one ended; gives the line for the ladder. */
export function noteTransfer(
  kept: KeptTransfers,
  event: Omit<Extract<CallDiagnostics, { readonly kind: 'transfer' }>, 'call' | 'endpoint'>,
): string {
  const { role, attended, result, target } = event
  if (result === undefined) {
    if (kept.list.length < mostTransfers) {
      kept.list.push({ role, attended })
      kept.targets.push(target.replace(/\?[^>]*/, ''))
    }
    const kind = attended ? 'an attended transfer' : 'a transfer'
    return role === 'transferor' ? `we ask for ${kind}` : `the other party asks for ${kind}`
  }
  const { outcome, cause, statusCode } = result
  const at = kept.list.findLastIndex(entry => entry.role === role && entry.outcome === undefined)
  if (at >= 0) {
    kept.list[at] = {
      role,
      attended,
      outcome,
      cause,
      ...(statusCode === undefined ? {} : { statusCode }),
    }
  }
  return `transfer ${outcome}: ${cause}${statusCode === undefined ? '' : ` (${statusCode})`}`
}

/** The transfers in sentences. */
export function transferLines(transfers: readonly TransferRecord[] | undefined): string[] {
  return (transfers ?? []).map(({ role, attended, outcome, cause, statusCode }) => {
    const who = role === 'transferor' ? 'we asked for' : 'the other party asked for'
    const how =
      outcome === undefined
        ? ''
        : `: ${outcome}, ${cause ?? ''}${statusCode === undefined ? '' : ` (${statusCode})`}`
    return `  ${who} ${attended ? 'an attended' : 'a blind'} transfer${how}`
  })
}
