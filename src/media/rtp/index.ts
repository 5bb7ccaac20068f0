export { classifyPacket } from './demux.ts'
export type { MediaPacketKind } from './demux.ts'
export { JitterBuffer } from './jitter-buffer.ts'
export type { JitterBufferOptions, PlayoutDelayOptions } from './jitter-options.ts'
export type { JitterBufferSnapshot, Playout, PlayoutKind, PushVerdict } from './playout.ts'
export { SymmetricLatch } from './latch.ts'
export type { SymmetricLatchOptions, SymmetricLatchSnapshot } from './latch.ts'
export { MediaTimeout } from './media-timeout.ts'
export { Pacer } from './pacer.ts'
export type { PacedHandle, PacedStream, PacerOptions, PacerSnapshot } from './pacer.ts'
export {
  headerExtensions,
  packHeaderExtensions,
  parseRtp,
  parseRtpInto,
  RtpView,
  writeRtp,
  writeRtpHeader,
} from './packet.ts'
export type { HeaderExtension, RtpFields } from './packet.ts'
export { PortPool } from './port-pool.ts'
export type { MediaPort, PortPoolOptions, PortPoolSnapshot } from './port-pool.ts'
export { RtpSender } from './rtp-sender.ts'
export type { RtpSenderOptions } from './rtp-sender.ts'
export { SequenceTracker } from './sequence.ts'
export { ReceptionStatistics } from './statistics.ts'
export type { ReceptionReport, ReceptionSnapshot } from './statistics.ts'
export { TelephoneEventReceiver } from './telephone-event-receiver.ts'
export type { ReceivedDigit, StartedDigit } from './telephone-event-receiver.ts'
export { TelephoneEventSender, writeTelephoneEvent } from './telephone-event.ts'
