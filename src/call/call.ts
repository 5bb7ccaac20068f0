import type { SipError } from '../runtime/errors.ts'
import { SipError as SipErrorClass } from '../runtime/errors.ts'
import type { Admitted } from '../sip/auth/admission.ts'
import type { Headers } from '../sip/message/headers.ts'
import type { SipResponse } from '../sip/message/message.ts'
import type { NameAddr } from '../sip/message/name-addr.ts'
import type {
  IncomingRequest,
  InviteSession,
  SessionBody,
  SessionEnd,
  SessionHandlers,
} from '../sip/dialog/session-types.ts'
import type { Destination } from '../sip/transport/destination.ts'
import type { Flow } from '../sip/transport/flow.ts'
import { transports } from '../sip/transport/transports.ts'
import type { Recording, RecordingOptions } from '../media/audio/recording.ts'
import type { RecordingSink } from '../media/audio/recording-sink.ts'
import type { MediaSession } from '../media/session/media-session.ts'
import type { OfferWishes } from '../media/session/offer-wishes.ts'
import type { DtmfDigit, SendDtmfOptions } from '../media/session/types.ts'
import type { CallEnded, Reason } from './call-ended.ts'
import { CallEndedError, callEndedOf, endWithoutSession } from './call-ended.ts'
import { callChannel } from './diagnostics.ts'
import { checkHeaders } from './checks.ts'
import { InfoRoad, receiveDtmfInfo } from './dtmf-info-road.ts'
import { CallHold, offerChange } from './call-hold.ts'
import { CallLimits } from './call-limits.ts'
import { CallRecordings } from './call-recordings.ts'
import type { Bridgeable } from './bridge-codecs.ts'
import type {
  CallContext,
  CallEvents,
  CallState,
  DtmfOptions,
  HangupOptions,
  Media,
  MediaWishes,
} from './call-types.ts'
import { SafeEmitter } from './emitter.ts'
import { CallIdentity } from './identity.ts'
import { checkRequestMethod, checkedRequest } from './requests.ts'
import type { RequestHandler, RequestOptions } from './requests.ts'
import { sdpBody, sdpText } from './sdp-body.ts'
import { sleep } from './sleep.ts'
import { CallTransfers, replaceableDialog } from './transfer.ts'
import type { TransferOptions, TransferResult } from './transfer-options.ts'
import type { ReplaceableDialog } from '../sip/dialog/replaces.ts'

/**
 * One phone call, either way. Every method may be called at any time: what no longer makes sense after the end
 * throws `SIP_STATE` (or does nothing, as `hangup` does).
 */
export abstract class Call extends SafeEmitter<CallEvents> {
  /** Ours: unique, short, safe in file names. */
  readonly id: string
  abstract readonly direction: 'inbound' | 'outbound'
  /** Aborts, with a `CallEndedError` as its reason, when the call is over: pass it to everything. */
  readonly signal: AbortSignal
  /** Settles once, never rejects: how the call ended is a value. */
  readonly ended: Promise<CallEnded>
  /** Which policy let an incoming call in, and whom it took the caller for; undefined where the endpoint asks nobody. */
  readonly admission: Admitted | undefined
  /** @internal */
  protected readonly context: CallContext
  /** @internal */
  protected readonly limits: CallLimits
  readonly #abort = new AbortController()
  readonly #settle: (ended: CallEnded) => void
  #endedValue: CallEnded | undefined
  #transfers: CallTransfers | undefined
  #forkTags: Set<string> | undefined
  /** What the other side says it supports; `undefined` before the answer. */
  #supported: readonly string[] | undefined
  #allowed: string | undefined
  #override: Partial<CallEnded> | undefined
  #media: MediaSession | undefined
  #answeredAt: number | undefined
  #wished = false
  #began = false
  readonly #recordings: CallRecordings
  readonly #hold = new CallHold((by, active) => this.#tellHold(by, active))
  #requestHandlers: Map<string, RequestHandler> | undefined
  #identity: CallIdentity | undefined

  /** @internal */
  constructor(context: CallContext, admission?: Admitted) {
    super()
    this.context = context
    this.admission = admission
    this.id = context.newId()
    this.#recordings = new CallRecordings(context.files)
    this.limits = new CallLimits({
      clock: context.clock,
      duration: context.duration,
      onExpiring: remainingMs => void this.safeEmit('expiring', remainingMs),
      onExpired: ({ endAtMs }) =>
        this.endWith({
          by: 'local',
          cause: 'max-duration',
          error: new SipErrorClass('SIP_LIMIT', `the call lasted ${endAtMs} ms (maxDurationMs)`),
        }),
    })
    this.signal = this.#abort.signal
    let settle!: (ended: CallEnded) => void
    this.ended = new Promise(resolve => {
      settle = resolve
    })
    this.#settle = settle
  }

  /** The session underneath; subclasses have it from their first moment to their last. */
  protected abstract get session(): InviteSession

  /** The SIP Call-ID. */
  get callId(): string {
    return this.session.callId
  }

  get state(): CallState {
    return this.#endedValue === undefined ? this.session.state : 'terminated'
  }

  /** Who we are in this call: To of an incoming INVITE, From of an outgoing one. */
  abstract get local(): NameAddr

  /** The other party, as its From or To says: a claim, not a proof. */
  abstract get remote(): NameAddr

  /** What the INVITE says of who calls and how the call came here; `identity.caller` is the best of it. */
  get identity(): CallIdentity {
    this.#identity ??= new CallIdentity(this.session.invite, this.admission)
    return this.#identity
  }

  /** The header fields of the INVITE. */
  get headers(): Headers {
    return this.session.invite.headers
  }

  /** @throws SipError SIP_STATE before the call has audio: `answer()` and `endpoint.call()` return it */
  get media(): Media {
    return this.openMedia
  }

  /** How the call ended; undefined while it goes on. */
  get endedValue(): CallEnded | undefined {
    return this.#endedValue
  }

  /**
   * Ends the call in whatever way its state asks for: CANCEL, a refusal, or BYE. May be called any number of times; resolves when the
   * call is over.
   */
  hangup(options: HangupOptions = {}): Promise<CallEnded> {
    checkHeaders(options.headers)
    this.session.hangup({
      ...(options.reason === undefined
        ? {}
        : { reasons: [{ ...options.reason, text: options.reason.text }] }),
      ...(options.headers === undefined ? {} : { headers: options.headers }),
    })
    this.#wished = true
    return this.ended
  }

  /** Puts the other party on hold (`sendonly`, RFC 3264 §8.4). @throws SipError when the peer refuses; the call stays as it was */
  async hold(): Promise<void> {
    await this.#hold.change(this.session, this.openMedia, true)
  }

  /** Takes the other party off hold. @throws SipError when the peer refuses */
  async resume(): Promise<void> {
    await this.#hold.change(this.session, this.openMedia, false)
  }

  /**
   * Offers other codecs (by name, in order of preference, of those the call was made with) or another address to send our audio to, when
   * the host has moved or found out how it is reached, or new keys for SRTP (`rekey`); `input` and `output` stay. @throws OptionError; SipError when the peer refuses: the
   * call stays as it was
   */
  async renegotiate(changes: Omit<OfferWishes, 'hold'>): Promise<void> {
    const { codecs, address, rekey } = changes
    await offerChange(this.session, this.openMedia, {
      ...(codecs !== undefined && { codecs }),
      ...(address !== undefined && { address }),
      ...(rekey !== undefined && { rekey }),
    })
  }

  /**
   * Sends digits `0-9 * # A-D` one after the other, `!` for a flash; `w` or `,` waits half a second. They go as telephone events (RFC 4733) where
   * those are agreed on, else by INFO, else as tones, unless `via` or the option `dtmf` says otherwise. Settles when the last has been sent.
   * @throws OptionError; SipError SIP_STATE the other party takes none by that road; the reason of `signal`
   */
  async sendDtmf(digits: string, options: SendDtmfOptions = {}): Promise<void> {
    await this.openMedia.sendDtmf(digits, options)
  }

  /**
   * The digits the other party presses, each once, in order, whichever road they come by; ends with the call. It reads from the moment it is called,
   * not from that of the first `next()`. Digits pressed while nobody reads are kept (64) for the next
   * reader, unless it asks for `fresh` ones.
   */
  dtmf(options: DtmfOptions = {}): AsyncIterable<DtmfDigit> {
    return this.openMedia.dtmf(options)
  }

  /** Records both directions to a WAV file (or a sink): the remote party left, we right, unless `channels` is `mixed`. */
  async record(target: string | RecordingSink, options: RecordingOptions = {}): Promise<Recording> {
    const media = this.openMedia
    if (typeof target !== 'string') return media.record(target, options)
    const recording = await this.#recordings.start(media, target, options)
    if (callChannel.hasSubscribers)
      callChannel.publish({ kind: 'recording', endpoint: this.context.endpoint, call: this, file: target })
    return recording
  }

  /**
   * Sends a request in the call (INFO, MESSAGE, OPTIONS …) and gives its final response, whatever the status; 401 and 407 are answered.
   * @throws OptionError methods and headers that are the call's own; SipTimeoutError, SipTransportError: the call ends with it
   */
  request(method: string, options: RequestOptions = {}): Promise<SipResponse> {
    return this.session.request(method, checkedRequest(method, options))
  }

  /**
   * Answers requests of that method in this call, in place of the endpoint's `requests`; `undefined` takes the handler away. What nobody takes is
   * answered by the rules: OPTIONS and an empty INFO 200, another INFO 415, MESSAGE 405, an unknown method 501.
   * @throws OptionError a method that is the call's own
   */
  onRequest(method: string, handler: RequestHandler | undefined): void {
    checkRequestMethod(method, 'method')
    this.#requestHandlers ??= new Map()
    if (handler === undefined) this.#requestHandlers.delete(method)
    else this.#requestHandlers.set(method, handler)
  }

  /**
   * Asks the other party to call somebody else (REFER): a sip:, sips: or tel: URI, or a name-addr, is a blind transfer; a call of ours is an attended
   * one, whose place the new call takes (RFC 3891). How it went is a value; unless it is `transferred` this call is as usable as before.
   * @throws OptionError; SipError SIP_STATE a call that is not up, or a transfer under way; the reason of `signal`
   */
  transfer(target: string | Call, options: TransferOptions = {}): Promise<TransferResult> {
    const party =
      typeof target === 'string'
        ? target
        : { call: target, session: target.session, supported: target.#supported }
    return this.#transferring.transfer(party, options)
  }

  /**
   * What a Replaces may mean (RFC 3891); undefined while there is no dialog.
   * @internal
   */
  get dialog(): ReplaceableDialog | undefined {
    return this.state === 'trying' ? undefined : replaceableDialog(this.session, this.#forkTags)
  }

  /**
   * What a bridge has to know.
   * @internal
   */
  get bridgeable(): Bridgeable {
    return {
      media: this.#media,
      confirmed: this.state === 'confirmed',
      offered: this.offered,
      endpointCodecs: this.context.codecs,
    }
  }

  /** Waits on the call's clock, so that it works in virtual time; resolves early when the call ends. */
  sleep(ms: number): Promise<void> {
    return sleep(this.context.clock, ms, this.signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hangup()
  }

  /** The offer that came with the INVITE. */
  protected get offered(): SessionBody | undefined {
    return undefined
  }

  protected get openMedia(): MediaSession {
    if (this.#media === undefined) {
      throw new SipErrorClass(
        'SIP_STATE',
        'the call has no audio yet; await answer() or endpoint.call() first',
      )
    }
    return this.#media
  }

  protected get hasMedia(): boolean {
    return this.#media !== undefined
  }

  /** Opens the audio of this call; what ends too early closes it again. */
  protected async prepareMedia(wishes: MediaWishes, towards: Flow | Destination): Promise<MediaSession> {
    const { codecs, srtp, comfortNoise, dtmf, rtp } = wishes
    const media = await this.context.openMedia({
      token: this.id,
      codecs,
      srtp,
      comfortNoise,
      dtmf,
      rtp,
      towards,
    })
    if (this.#endedValue !== undefined) {
      void media.close()
      throw this.signal.reason
    }
    this.#media = media
    media.signalling = new InfoRoad(this)
    media.trust('send' in towards ? towards.remote.address : towards.host)
    // Nobody has to speak before the ACK.
    media.expectMedia = false
    media.onTimeout = silentMs => {
      const seconds = Math.round(silentMs / 1000)
      this.endWith({
        by: 'timeout',
        cause: 'media-timeout',
        error: new SipErrorClass(
          'SIP_MEDIA_TIMEOUT',
          `no RTP arrived for ${seconds} s; check that the address in our SDP can be reached (option advertise) and that UDP is not blocked`,
        ),
      })
    }
    media.onRecordingError = (error, file) => {
      const where = file === undefined ? '' : ` to ${file}`
      const message = `the recording${where} of call ${this.id} broke off: ${error.message}; what was written before plays, and the call goes on`
      this.context.report(new SipErrorClass('SIP_MEDIA', message, { cause: error }))
    }
    media.onDtmfStart = start => void this.safeEmit('dtmfStart', start)
    media.onChange = ({ first }) => {
      this.#hold.noteRemote(media.remoteHold)
      if (!first) this.safeEmit('media', media)
    }
    return media
  }

  /** The callbacks every INVITE session of a call has in common. */
  protected commonHandlers(): SessionHandlers {
    return {
      onOffer: offer => sdpBody(this.openMedia.answerOffer(sdpText(offer))),
      // Whoever asks for an offer amid a call may mean to hand it to another, to whom our stream begins anew.
      onOfferRequest: () => sdpBody(this.openMedia.createOffer({ rekey: true })),
      onAnswer: answer => this.takeAnswer(answer),
      onOfferLapsed: () => this.openMedia.rollback(),
      onConfirmed: () => this.confirmed(),
      onRequest: incoming => this.receiveRequest(incoming),
      onAccepted: ({ headers }) => this.accepted(headers),
      onStateChange: state => this.#stateChanged(state),
      onEnd: end => this.#finish(end),
    }
  }

  /** The peer's answer to an offer of ours. */
  protected takeAnswer(answer: SessionBody): void {
    this.openMedia.acceptAnswer(sdpText(answer))
  }

  /** A request in the call other than INVITE, UPDATE and BYE; false: nobody takes it. */
  protected receiveRequest(incoming: IncomingRequest): boolean {
    if (this.#transferring.receive(incoming)) return true
    const { desk } = this.context
    const { method } = incoming.request
    const handler = this.#requestHandlers?.get(method) ?? desk.handlerOf(method)
    return desk.receive(incoming, this, handler) || receiveDtmfInfo(incoming, this.#media)
  }

  /**
   * The other side says that it takes such requests.
   * @internal
   */
  peerAllows(method: string): boolean {
    return this.#allowed?.split(/[\s,]+/).includes(method) === true
  }

  /** A branch of our INVITE that rings. */
  protected noteFork(tag: string | undefined): void {
    if (tag === undefined || (this.#forkTags?.size ?? 0) >= 64) return
    this.#forkTags ??= new Set()
    this.#forkTags.add(tag)
  }

  /** The 2xx, theirs or ours. */
  protected accepted(headers: Headers): void {
    const theirs = this.session.role === 'client' ? headers : this.headers
    this.#supported = theirs.getAll('Supported')
    this.#allowed = theirs.getAll('Allow').join()
  }

  get #transferring(): CallTransfers {
    this.#transfers ??= new CallTransfers({
      call: this,
      session: () => this.session,
      endpoint: this.context.endpoint,
      clock: this.context.clock,
      desk: this.context.transfers,
      listened: () => this.listenerCount('transfer') > 0,
      emit: request => this.safeEmit('transfer', request),
    })
    return this.#transfers
  }

  protected began(): void {
    this.#began = true
    if (callChannel.hasSubscribers)
      callChannel.publish({ kind: 'began', endpoint: this.context.endpoint, call: this })
  }

  /** The ACK has passed: offer and answer are complete. */
  protected confirmed(): void {
    const media = this.#media
    if (media === undefined) return
    media.expectMedia = true
    const { flow } = this.session
    if (flow !== undefined) media.noteSignalling(transports[flow.transport].secure)
  }

  /**
   * Ends the call here and now, whatever the other side may think: before its INVITE, or when nobody answers our BYE any more.
   * @internal
   */
  endNow(override: Pick<CallEnded, 'by' | 'cause'> & Partial<CallEnded>): void {
    this.#finish(endWithoutSession(override.by), override)
  }

  /** Hangs up and remembers why, for a cause that signalling cannot know. */
  protected endWith(override: Partial<CallEnded> & { readonly error: SipError }, reason?: Reason): void {
    if (this.#endedValue !== undefined || this.#wished) return
    this.#override ??= override
    void this.hangup(reason === undefined ? {} : { reason })
  }

  /** What `endWith` does, without hanging up: the subclass ends the call its own way. */
  protected explainEnd(override: Partial<CallEnded>): void {
    this.#override ??= override
  }

  #tellHold(by: 'local' | 'remote', active: boolean): void {
    if (callChannel.hasSubscribers)
      callChannel.publish({ kind: 'hold', endpoint: this.context.endpoint, call: this, by, active })
    this.safeEmit('hold', by, active)
  }

  #stateChanged(state: CallState): void {
    if (state === 'confirmed') {
      this.#answeredAt ??= this.context.clock.now()
      this.limits.answered()
    }
    if (callChannel.hasSubscribers)
      callChannel.publish({ kind: 'state', endpoint: this.context.endpoint, call: this, state })
    this.safeEmit('state', state)
  }

  #finish(end: SessionEnd, override = this.#override): void {
    if (this.#endedValue !== undefined) return
    const durationMs = this.#answeredAt === undefined ? 0 : this.context.clock.now() - this.#answeredAt
    const ended = callEndedOf(end, durationMs, override)
    this.#endedValue = ended
    this.limits.over()
    const closing = this.#media?.close() ?? Promise.resolve()
    // Until then files are still being written.
    void closing.finally(() => this.#recordings.release())
    // First: what served the call tells its own end before the record is closed.
    this.#abort.abort(new CallEndedError(ended))
    if (this.#began && callChannel.hasSubscribers)
      callChannel.publish({ kind: 'ended', endpoint: this.context.endpoint, call: this, ended })
    this.#settle(ended)
    this.context.onEnded(this, closing)
  }
}
