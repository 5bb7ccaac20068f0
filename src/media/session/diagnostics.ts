import { diagnosticsChannel } from '../../runtime/diagnostics.ts'
import type { DiagnosticsChannel } from '../../runtime/diagnostics.ts'
import type {
  MediaDtmfEvent,
  MediaEvent,
  MediaReportEvent,
  MediaSessionOptions,
  MediaStats,
} from './types.ts'

export const mediaEventChannel: DiagnosticsChannel<MediaEvent> = diagnosticsChannel('offhook:media:event')
export const mediaDtmfChannel: DiagnosticsChannel<MediaDtmfEvent> = diagnosticsChannel('offhook:media:dtmf')
export const mediaReportChannel: DiagnosticsChannel<MediaReportEvent> =
  diagnosticsChannel('offhook:media:report')

/** The figures are made up only when somebody listens. */
export function publishReport(
  { call, runtime }: Pick<MediaSessionOptions, 'call' | 'runtime'>,
  stats: () => MediaStats,
): void {
  if (!mediaReportChannel.hasSubscribers) return
  mediaReportChannel.publish({ call, at: runtime.clock.now(), stats: stats() })
}
