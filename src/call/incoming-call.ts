import { OptionError, SipError } from '../runtime/errors.ts'
import type { Admitted } from '../sip/auth/admission.ts'
import type { SipRequest } from '../sip/message/message.ts'
import type { NameAddr } from '../sip/message/name-addr.ts'
import type { HeaderList, InviteServerSession, SessionBody } from '../sip/dialog/session-types.ts'
import { refusalOf } from '../sip/dialog/refusal.ts'
import type { Destination } from '../sip/transport/destination.ts'
import type { Flow } from '../sip/transport/flow.ts'
import type { DtmfSettings } from '../media/session/digit-roads.ts'
import type { SrtpMode, SrtpOptions } from '../media/session/srtp-options.ts'
import type { CallContext, HangupOptions, Media } from './call-types.ts'
import { Call } from './call.ts'
import type { CallEnded, Reason } from './call-ended.ts'
import { checkHeaders } from './checks.ts'
import type { CallControlOptions } from './control-options.ts'
import type { CallRtpOptions, CodecName } from './options.ts'
import { asRefusal, statusOfReason, withReason } from './reasons.ts'
import type { CauseRefusal } from './reasons.ts'
import { sdpBody, sdpText } from './sdp-body.ts'

export interface AnswerOptions extends Pick<CallControlOptions, 'maxDurationMs' | 'expiringNoticeMs'> {
  /** Codecs to accept, in order of preference; default those of the endpoint. */
  readonly codecs?: readonly CodecName[]
  /** Whether SRTP is taken, or demanded; default what the endpoint says. */
  readonly srtp?: SrtpMode | SrtpOptions
  /** Roads of digits; what is left out the endpoint says. */
  readonly dtmf?: DtmfSettings
  /** Whether comfort noise is taken; default what the endpoint says. */
  readonly comfortNoise?: boolean
  /** How long sound waits for stragglers; what is left out the endpoint says. */
  readonly rtp?: CallRtpOptions
  /** Added to the 200. */
  readonly headers?: HeaderList
}

export interface ProgressOptions {
  /** 183 Session Progress unless set; 180 says that it rings as well. */
  readonly statusCode?: 180 | 182 | 183
  /** Codecs to accept, in order of preference; default those of the endpoint. They hold for the answer, too. */
  readonly codecs?: readonly CodecName[]
  /** As `AnswerOptions.srtp`; it holds for the answer, too. */
  readonly srtp?: SrtpMode | SrtpOptions
  /** Roads of digits; what is left out the endpoint says. */
  readonly dtmf?: DtmfSettings
  /** As `AnswerOptions.comfortNoise`; it holds for the answer, too. */
  readonly comfortNoise?: boolean
  /** As `AnswerOptions.rtp`; it holds for the answer, too. */
  readonly rtp?: CallRtpOptions
  /** Added to the provisional response. */
  readonly headers?: HeaderList
}

export interface RejectOptions {
  readonly reasonPhrase?: string
  /** Goes out as a Reason header (RFC 3326, RFC 6432). */
  readonly reason?: Reason
  readonly headers?: HeaderList
}

/** A call somebody makes to us. */
export class IncomingCall extends Call {
  readonly direction = 'inbound'
  /**
   * The call that this one takes the place of (Replaces, RFC 3891), when a transfer leads here: answering this one hangs that one up, refusing
   * leaves it as it is.
   */
  readonly replaces: Call | undefined
  protected readonly session: InviteServerSession
  #answer: Promise<Media> | undefined
  #early: Promise<Media> | undefined
  /** The answer to our offer came in a PRACK. */
  #whenAgreed: (() => void) | undefined
  #whenConfirmed: (() => void) | undefined

  /** @internal */
  constructor(
    context: CallContext,
    session: InviteServerSession,
    {
      admission,
      replaces,
    }: { readonly admission: Admitted | undefined; readonly replaces: Call | undefined },
  ) {
    super(context, admission)
    this.session = session
    this.replaces = replaces
    session.handlers = this.commonHandlers()
    this.began()
    this.limits.ring(context.ringMs, () => this.#rangOut())
  }

  /** The INVITE as it came. */
  get invite(): SipRequest {
    return this.session.invite
  }

  protected override get offered(): SessionBody | undefined {
    return this.session.offer
  }

  get local(): NameAddr {
    return this.session.invite.to
  }

  get remote(): NameAddr {
    return this.session.invite.from
  }

  /** Tells the caller that it rings (180). May be repeated. */
  ring(options: { readonly headers?: HeaderList } = {}): void {
    checkHeaders(options.headers)
    this.session.ring(this.#early === undefined ? options : { ...options, statusCode: 180 })
  }

  /**
   * Early media: opens the audio and sends it on before the call is answered (183 with our session description), so that the caller hears an announcement
   * or a ringing tone of ours. `answer()` later gives the same media. Reliably where the caller can (RFC 3262); a caller that sent no offer must be able to.
   * @throws SdpError the offer has nothing we can speak; the caller was told 488
   * @throws SipError SIP_STATE the caller sent no offer and takes none before the answer
   * @throws CallEndedError the caller hung up first
   */
  async progress(options: ProgressOptions = {}): Promise<Media> {
    checkHeaders(options.headers)
    if (this.#answer !== undefined) return this.#answer
    if (this.session.offer === undefined && !this.session.canRingReliably) {
      throw new SipError(
        'SIP_STATE',
        'the caller sent no offer and does not take one before the answer (no 100rel); use ring() and answer()',
      )
    }
    this.#early ??= this.#begin(options)
    return this.#early
  }

  /**
   * Takes the call: opens the audio, agrees on a codec, sends 200. Resolves as soon as audio may flow both ways. A second call gives the
   * same media.
   * @throws SdpError the offer has nothing we can speak; the caller was told 488
   * @throws CallEndedError the caller hung up first
   */
  async answer(options: AnswerOptions = {}): Promise<Media> {
    checkHeaders(options.headers)
    this.limits.set(options)
    this.#answer ??= this.#take(options)
    return this.#answer
  }

  /**
   * Refuses with a final status from 400 to 699 (default 486 Busy Here), or with a Q.850 cause, `{ q850: 17 }`: the status is the one of RFC 3398, and
   * the cause goes out as Reason. Nothing happens when the call was answered or given up before.
   */
  reject(refusal: number | CauseRefusal = 486, options: RejectOptions = {}): void {
    const { statusCode, reason } = asRefusal(refusal, options.reason)
    if (!Number.isInteger(statusCode) || statusCode < 400 || statusCode > 699) {
      throw new OptionError(
        'statusCode',
        `${statusCode} does not refuse a call; give 400 to 699 (redirect() sends 3xx)`,
      )
    }
    checkHeaders(options.headers)
    this.session.reject(statusCode, withReason(options, reason))
  }

  /** An unanswered call is refused with the status the reason stands for; 480 without one. */
  override hangup(options: HangupOptions = {}): Promise<CallEnded> {
    const { reason } = options
    if (reason === undefined || this.session.answered) return super.hangup(options)
    checkHeaders(options.headers)
    this.session.reject(statusOfReason(reason), withReason(options, reason))
    return this.ended
  }

  #rangOut(): void {
    const rang = this.state === 'early'
    this.explainEnd({ by: 'timeout', cause: 'no-answer' })
    this.reject(rang ? { q850: 19 } : 408)
  }

  /** Sends the caller elsewhere: 302, or 301 when it is for good. `targets` are URIs. */
  redirect(targets: readonly string[], options: { readonly permanent?: boolean } = {}): void {
    this.session.redirect(targets, options)
  }

  /**
   * The handler returned: hang up, or refuse with 480 what nobody answered.
   * @internal
   */
  finish(): void {
    void this.hangup()
  }

  /**
   * The handler threw: 500 before the answer, BYE after it.
   * @internal
   */
  fail(error: SipError): void {
    this.explainEnd({ by: 'error', cause: 'failed', error })
    if (!this.session.reject(500))
      void this.hangup({ reason: { protocol: 'SIP', cause: 500, text: 'handler failed' } })
  }

  async #begin({ statusCode = 183, headers, ...wishes }: ProgressOptions): Promise<Media> {
    this.#throwIfOver()
    const { offer } = this.session
    try {
      const media = await this.prepareMedia(wishes, this.#towards())
      this.#throwIfOver()
      const body = sdpBody(offer === undefined ? media.createOffer() : media.answerOffer(sdpText(offer)))
      const agreed =
        offer === undefined
          ? new Promise<void>(resolve => {
              this.#whenAgreed = resolve
            })
          : undefined
      this.session.ring({ statusCode, body, ...(headers === undefined ? {} : { headers }) })
      if (agreed !== undefined) {
        await Promise.race([agreed, this.ended])
        this.#throwIfOver()
      }
      return media
    } catch (error) {
      if (this.endedValue === undefined && !this.session.answered) this.#refuse(error)
      throw error
    }
  }

  /** The audio is open already. */
  async #takeEarly(early: Promise<Media>, { headers }: AnswerOptions): Promise<Media> {
    const media = await early
    this.#throwIfOver()
    if (!this.session.answer(headers === undefined ? {} : { headers })) this.#throwIfOver()
    return media
  }

  async #take(options: AnswerOptions): Promise<Media> {
    if (this.#early !== undefined) return this.#takeEarly(this.#early, options)
    this.#throwIfOver()
    const { offer } = this.session
    try {
      const sdp = offer === undefined ? undefined : sdpText(offer)
      const media = await this.prepareMedia(options, this.#towards())
      this.#throwIfOver()
      const body = sdpBody(sdp === undefined ? media.createOffer() : media.answerOffer(sdp))
      // A late offer is complete only when the ACK has brought the answer (RFC 3264 §4).
      const complete =
        sdp === undefined
          ? new Promise<void>(resolve => {
              this.#whenConfirmed = resolve
            })
          : undefined
      const answered = this.session.answer({
        body,
        ...(options.headers === undefined ? {} : { headers: options.headers }),
      })
      if (!answered) this.#throwIfOver()
      if (complete !== undefined) {
        await Promise.race([complete, this.ended])
        this.#throwIfOver()
      }
      return media
    } catch (error) {
      if (this.endedValue === undefined && !this.session.answered) this.#refuse(error)
      throw error
    }
  }

  protected override takeAnswer(answer: SessionBody): void {
    super.takeAnswer(answer)
    this.#whenAgreed?.()
  }

  protected override confirmed(): void {
    super.confirmed()
    // RFC 3891 §3; not before the ACK, so that a caller who is gone does not cost both calls.
    void this.replaces?.hangup()
    this.#whenConfirmed?.()
  }

  /** Our media belongs on the address the INVITE came to. */
  #towards(): Flow | Destination {
    const { flow, invite } = this.session
    return flow ?? { host: invite.via.received ?? invite.via.host }
  }

  #refuse(error: unknown): void {
    const { statusCode, headers } = refusalOf(error)
    this.session.reject(statusCode, { headers })
  }

  #throwIfOver(): void {
    if (this.endedValue !== undefined) throw this.signal.reason
    if (this.session.answered && this.state !== 'confirmed' && !this.hasMedia) {
      throw new SipError(
        'SIP_STATE',
        'the call was refused or redirected already; it cannot be answered any more',
      )
    }
  }
}
