import type { DiagnosticsChannel } from '../../runtime/diagnostics.ts'
import { diagnosticsChannel } from '../../runtime/diagnostics.ts'

/** What routing did with a call; several in a row when one action falls back to another. */
export interface RouteEvent {
  /** Our id of the call. */
  readonly call: string
  /** The route's name; `none` when none fitted. */
  readonly route: string
  readonly action: 'agent' | 'reject' | 'redirect' | 'number' | 'queue'
  /** The agent, status, trunk or place in the queue; no number and no URI, which are personal data. */
  readonly detail: string
  /** Why the action before it came to nothing. */
  readonly after?: string
}

export const routeChannel: DiagnosticsChannel<RouteEvent> = diagnosticsChannel('offhook:route')
