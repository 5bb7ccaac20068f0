import { diagnosticsChannel } from '../../runtime/diagnostics.ts'
import type { DiagnosticsChannel } from '../../runtime/diagnostics.ts'
import type { MediaDtmfEvent, MediaEvent } from './types.ts'

export const mediaEventChannel: DiagnosticsChannel<MediaEvent> = diagnosticsChannel('offhook:media:event')
export const mediaDtmfChannel: DiagnosticsChannel<MediaDtmfEvent> = diagnosticsChannel('offhook:media:dtmf')
