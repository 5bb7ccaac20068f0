import { SipError } from '../../runtime/errors.ts'
import type { AudioSink } from '../audio/audio-sink.ts'
import type { AudioSource } from '../audio/audio-source.ts'
import type { Recording, RecordingOptions, RecordingSink } from '../audio/recording.ts'
import type { MediaAddress, NegotiatedAudio, NegotiatedCodec } from '../sdp/negotiated.ts'
import type { DtmfDigit, SendDtmfOptions, MediaChange, MediaSessionOptions, MediaStats } from './types.ts'

/**
 * The audio of one call: socket, codecs, jitter buffer, source and sink, renegotiated as often as the parties like.
 * Source, sink, SSRC and the RTP clock stay the same through every renegotiation.
 */
export class MediaSession {
  /** Set to hear that nothing has come for `timeoutMs` although it should; called once, and again after media came back and went. */
  onTimeout: ((silentMs: number) => void) | undefined
  /** The peer's first valid packet. */
  onFirstPacket: ((remote: MediaAddress) => void) | undefined
  /** An offer/answer was applied. */
  onChange: ((change: MediaChange) => void) | undefined
  /** Each digit as it ends, besides the iterables of `dtmf()`. */
  onDtmf: ((digit: DtmfDigit) => void) | undefined

  /** Takes a port and is ready to describe itself. Rejects with `SIP_LIMIT` when no port is free. */
  static open(_options: MediaSessionOptions): Promise<MediaSession> {
    return Promise.reject(notYet())
  }

  /** What the other party says; before the first answer nothing comes. */
  get input(): AudioSource {
    throw notYet()
  }

  /** What we say; writing before the first answer queues. */
  get output(): AudioSink {
    throw notYet()
  }

  /** The codec we send with. @throws {SipError} `SIP_STATE` before the first offer/answer */
  get codec(): NegotiatedCodec {
    throw notYet()
  }

  /** What was agreed last; `undefined` before the first offer/answer. */
  get negotiated(): NegotiatedAudio | undefined {
    throw notYet()
  }

  /** Where our RTP is received, as the peer is told. */
  get local(): MediaAddress {
    throw notYet()
  }

  /** We put the peer on hold. */
  get localHold(): boolean {
    throw notYet()
  }

  get remoteHold(): boolean {
    throw notYet()
  }

  get closed(): boolean {
    throw notYet()
  }

  /**
   * An offer with what we wish now; call `acceptAnswer` or `rollback` next. `hold` puts the peer on hold or takes it
   * off once the answer came; without it hold stays as it is.
   */
  createOffer(_options: { readonly hold?: boolean } = {}): string {
    throw notYet()
  }

  /** Answers an offer and applies it. @throws {SdpError} with the status to refuse it with; nothing has changed then */
  answerOffer(_offer: string | Uint8Array): string {
    throw notYet()
  }

  /** Applies the answer to `createOffer`. @throws {SdpError} nothing has changed then */
  acceptAnswer(_answer: string | Uint8Array): NegotiatedAudio {
    throw notYet()
  }

  /** Forgets an offer that was refused; what was agreed before stays in force. */
  rollback(): void {
    throw notYet()
  }

  /** Digits in order. Every call gives an independent queue of 64 digits from now on; the oldest are dropped. Ends with the call. */
  dtmf(_options?: { readonly signal?: AbortSignal }): AsyncIterableIterator<DtmfDigit> {
    throw notYet()
  }

  /**
   * Sends digits as RFC 4733 events, one after the other; `w` or `,` pauses 500 ms. Audio waits while a digit is sent.
   * Rejects with an `OptionError` for a bad digit, `SIP_STATE` when the peer takes no events, the reason of `signal`;
   * resolves when the call ends first.
   */
  sendDtmf(_digits: string, _options?: SendDtmfOptions): Promise<void> {
    return Promise.reject(notYet())
  }

  stats(): MediaStats {
    throw notYet()
  }

  /** Records both directions, side by side in time, to a WAV file or a sink. Rejects when the file cannot be made. */
  record(_target: string | RecordingSink, _options?: RecordingOptions): Promise<Recording> {
    return Promise.reject(notYet())
  }

  /** Ends source and sink, stops recordings, gives the port back. Idempotent. */
  close(): Promise<void> {
    return Promise.reject(notYet())
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

export type { DtmfDigit, MediaChange, MediaSessionOptions, MediaStats, SendDtmfOptions } from './types.ts'

function notYet(): SipError {
  return new SipError('SIP_STATE', 'the media session is not built yet')
}
