import { diagnosticsChannel } from '../../runtime/diagnostics.ts'
import type { DiagnosticsChannel } from '../../runtime/diagnostics.ts'
import type { DialogEvent } from './core-types.ts'

/** State changes of sessions, errors of their owners' callbacks, and what was dropped. */
export const dialogChannel: DiagnosticsChannel<DialogEvent> = diagnosticsChannel('offhook:sip:dialog')
