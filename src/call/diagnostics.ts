import type { DiagnosticsChannel } from '../runtime/diagnostics.ts'
import { diagnosticsChannel } from '../runtime/diagnostics.ts'
import type { Call } from './call.ts'
import type { CallState } from './call-types.ts'
import type { CallEnded } from './call-ended.ts'
import type { TransferResult } from './transfer-options.ts'

/** What happens to calls, for traces and metrics. `endpoint` tells the endpoints of one process apart. */
export type CallDiagnostics = { readonly endpoint: object; readonly call: Call } & (
  | { readonly kind: 'began' }
  | { readonly kind: 'state'; readonly state: CallState }
  | { readonly kind: 'hold'; readonly by: 'local' | 'remote'; readonly active: boolean }
  | { readonly kind: 'recording'; readonly file: string }
  /** Asked for (`transferor`: by us, `transferee`: of us); with `result` how one that we asked for ended. */
  | {
      readonly kind: 'transfer'
      readonly role: 'transferor' | 'transferee'
      readonly target: string
      readonly attended: boolean
      readonly result?: TransferResult
    }
  | { readonly kind: 'ended'; readonly ended: CallEnded }
)

export const callChannel: DiagnosticsChannel<CallDiagnostics> = diagnosticsChannel('offhook:call')
