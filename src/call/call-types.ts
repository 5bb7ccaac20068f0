/** What calls tell, take and need. */
import type { SipError } from '../runtime/errors.ts'
import type { Clock } from '../runtime/runtime.ts'
import type { RedirectOptions } from '../sip/dialog/redirect.ts'
import type { HeaderList, SessionState } from '../sip/dialog/session-types.ts'
import type { Destination } from '../sip/transport/destination.ts'
import type { Flow } from '../sip/transport/flow.ts'
import type { MediaSession } from '../media/session/media-session.ts'
import type { DtmfSettings } from '../media/session/digit-roads.ts'
import type { SrtpMode, SrtpOptions } from '../media/session/srtp-options.ts'
import type { DtmfStart } from '../media/session/types.ts'
import type { Call } from './call.ts'
import type { Reason } from './call-ended.ts'
import type { DurationLimit } from './control-options.ts'
import type { CallRtpOptions, CodecName } from './options.ts'
import type { RequestDesk } from './requests.ts'
import type { TransferDesk } from './transfer-desk.ts'
import type { TransferRequest } from './transfer-request.ts'

/** Dialog states of RFC 4235 §3.7.1, so that logs, dialog-info and this property agree. */
export type CallState = SessionState

export interface CallEvents extends Record<string, unknown[]> {
  state: [state: CallState]
  /** The media was put on hold, or taken off it, by us or by the other party. */
  hold: [by: 'local' | 'remote', active: boolean]
  /** A key went down: for barge-in, which should not wait until it is let go and `dtmf()` tells the digit. */
  dtmfStart: [start: DtmfStart]
  /** The other party asks us to call somebody else (REFER); without a listener it is declined with 603. */
  transfer: [request: TransferRequest]
  /** A re-INVITE or UPDATE changed codec, address or direction; `input` and `output` stay the same objects. */
  media: [media: Media]
  /** `maxDurationMs` will end the call so many milliseconds from now. */
  expiring: [remainingMs: number]
}

/** The audio of a call. */
export type Media = Pick<MediaSession, 'codec' | 'encryption' | 'passthrough' | 'input' | 'output' | 'stats'>

export interface HangupOptions {
  /** Goes out as a Reason header (RFC 3326). */
  readonly reason?: Reason
  readonly headers?: HeaderList
}

export interface Cancellable {
  readonly signal?: AbortSignal
}

export interface DtmfOptions extends Cancellable {
  /** Only digits pressed from now on. */
  readonly fresh?: boolean
}

/** What one call says about its media; the rest is the endpoint's. */
export interface MediaWishes {
  readonly codecs?: readonly CodecName[] | undefined
  readonly srtp?: SrtpMode | SrtpOptions | undefined
  readonly dtmf?: DtmfSettings | undefined
  readonly comfortNoise?: boolean | undefined
  readonly rtp?: CallRtpOptions | undefined
}

/** What a call needs of the endpoint it belongs to. */
export interface CallContext {
  readonly endpoint: object
  readonly clock: Clock
  newId(): string
  /** `token` marks the diagnostics of the media; `towards` decides which of our addresses it uses and SDP names. */
  openMedia(request: {
    readonly token: string
    readonly codecs: MediaWishes['codecs']
    readonly srtp: MediaWishes['srtp']
    readonly dtmf: MediaWishes['dtmf']
    readonly comfortNoise: MediaWishes['comfortNoise']
    readonly rtp: MediaWishes['rtp']
    readonly towards: Flow | Destination
  }): Promise<MediaSession>
  /** Our host in that direction, as others are told. */
  hostTowards(towards: Flow | Destination): string
  /** Files being recorded to, so that no two recordings share one. */
  readonly files: Set<string>
  readonly followRedirects: RedirectOptions | undefined
  /** How long calls may take unless they say otherwise. */
  readonly duration: DurationLimit | undefined
  /** How long an incoming call may ring, milliseconds. */
  readonly ringMs: number | undefined
  readonly desk: RequestDesk
  readonly transfers: TransferDesk
  /** What the endpoint was told to speak. */
  readonly codecs: readonly CodecName[]
  /** Something that the call survives but somebody should know of. */
  report(error: SipError): void
  /** The call is over; `closing` settles when its recordings are written and its port is free. */
  onEnded(call: Call, closing: Promise<void>): void
}
