import type { Clock, Random, Resolver, UdpSocket } from '../../runtime/runtime.ts'
import type { LiveAudioSink } from '../audio/audio-sink.ts'
import type { LiveAudioSource } from '../audio/audio-source.ts'
import type { AudioCodec } from '../codec/codec.ts'
import type { PlayoutDelayOptions } from '../rtp/jitter-options.ts'
import type { Stranger } from '../rtp/strangers.ts'
import type { ReceivedDigit, StartedDigit } from '../rtp/telephone-event-receiver.ts'
import type { MediaAddress } from '../sdp/negotiated.ts'
import type { DigitSender } from './digit-sender.ts'

/** What happens on the way, to be told to the owner. */
export interface FlowEvents {
  onFirstPacket(remote: MediaAddress, codec: string | undefined): void
  /** The peer sends with another codec than before. */
  onCodec(codec: string): void
  /** The peer's packets come from elsewhere than its SDP says, and ours go there now. */
  onLatched(remote: MediaAddress): void
  /** Somebody else sends to our port; one is told of at a time, and rarely. */
  onStranger(stranger: Stranger): void
  onTimeout(silentMs: number): void
  onDigitStart(digit: StartedDigit): void
  onDigit(digit: ReceivedDigit): void
}

/** One turn is done: what was heard and sent in it, `undefined` where nothing flowed. */
export type TurnListener = (
  dueAt: number,
  heard: Int16Array | undefined,
  sent: Int16Array | undefined,
) => void

/** RTCP of a call as the flow meets it. */
export interface ControlChannel {
  /** A compound packet as its sender wrote it: where SRTP was agreed on it has been authenticated and decrypted. */
  datagram(bytes: Uint8Array, address: string, port: number, now: number): void
  /** In the first turn from the flow's `controlDueAt` on. */
  tick(now: number): void
}

export interface FlowOptions {
  readonly clock: Clock
  readonly random: Random
  readonly resolver: Resolver | undefined
  readonly socket: UdpSocket
  readonly codecs: readonly AudioCodec[]
  readonly source: LiveAudioSource
  readonly sink: LiveAudioSink
  readonly digits: DigitSender
  readonly frameMs: number
  readonly idle: 'silence' | 'off'
  readonly symmetric: boolean
  /** How long the peer may be silent, ms; 0 for ever. */
  readonly timeoutMs: number
  /** How long its first packet may take, also after a hold, ms; 0 for ever. */
  readonly firstPacketTimeoutMs: number
  /** How long sound waits for stragglers. */
  readonly delay: PlayoutDelayOptions | undefined
  /** When the frames' timestamps began. */
  readonly startedAt: number
  readonly events: FlowEvents
}
