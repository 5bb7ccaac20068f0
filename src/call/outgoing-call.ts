import type { SipError } from '../runtime/errors.ts'
import { OptionError, SipError as SipErrorClass } from '../runtime/errors.ts'
import type { NameAddr } from '../sip/message/name-addr.ts'
import type {
  HeaderList,
  InviteClientSession,
  InviteOptions,
  SessionBody,
} from '../sip/dialog/session-types.ts'
import { SipResponseError } from '../sip/dialog/errors.ts'
import type { ReplaceableDialog } from '../sip/dialog/replaces.ts'
import type { Destination } from '../sip/transport/destination.ts'
import { destinationOf } from '../sip/transport/locate.ts'
import type { DtmfSettings } from '../media/session/digit-roads.ts'
import type { SrtpMode, SrtpOptions } from '../media/session/srtp-options.ts'
import type { CallState, Cancellable, HangupOptions, Media } from './call-types.ts'
import { Call } from './call.ts'
import type { CallEnded } from './call-ended.ts'
import { checkHeaders, parseTarget } from './checks.ts'
import { identityHeaders } from './identity-options.ts'
import type { IdentityOptions } from './identity-options.ts'
import { reportListenerError } from './emitter.ts'
import { ringLimit } from './control-options.ts'
import type { CallControlOptions, EndpointControlOptions } from './control-options.ts'
import type { CallRtpOptions, CodecName } from './options.ts'
import type { Registration } from './registration.ts'
import { sdpBody, sdpText } from './sdp-body.ts'
import { anonymousFrom, fromOf, trunkRoute } from './trunk.ts'
import type { Trunk } from './trunk.ts'

export interface Progress {
  readonly statusCode: number
  readonly reasonPhrase: string
}

export interface CallOptions
  extends Cancellable, CallControlOptions, Pick<EndpointControlOptions, 'followRedirects'> {
  /** Gives up (CANCEL) when nobody has answered for so long, in milliseconds. Default 180,000; 0 lets it ring until the other side gives up. */
  readonly ringTimeoutMs?: number
  /** As whom and through whom; without one the call goes straight to the target. */
  readonly trunk?: Trunk
  /** As the address of record that is registered, the way its registrar wants it (RFC 3608); in place of `trunk`. */
  readonly registration?: Registration
  /** From, when it is not the trunk's: a URI or name-addr. */
  readonly from?: string
  readonly codecs?: readonly CodecName[]
  /** Whether SRTP is offered, or demanded; default what the trunk or else the endpoint says. */
  readonly srtp?: SrtpMode | SrtpOptions
  /** Whether comfort noise is offered; default what the endpoint says. */
  readonly comfortNoise?: boolean
  /** How long sound waits for stragglers; what is left out the endpoint says. */
  readonly rtp?: CallRtpOptions
  /** Roads of digits; what is left out the trunk says, or else the endpoint. */
  readonly dtmf?: DtmfSettings
  /** Who calls, beyond From: P-Asserted-Identity, Privacy, Diversion, User-to-User ... */
  readonly identity?: IdentityOptions
  /** Added to the INVITE. */
  readonly headers?: HeaderList
  /** Each 100: a server has taken the INVITE. Whoever dials by several ways dials no further from here on. */
  readonly onTrying?: () => void
  /** Each provisional response above 100: 180 means that it rings. */
  readonly onProgress?: (progress: Progress) => void
  /**
   * The other side has audio before it answers: its ringing tone, or an announcement. Called once, with the media that the answered call will have; audio may
   * flow both ways from then on. When several phones ring, the one heard is the last that brought audio. Without it nothing is heard before the answer.
   */
  readonly onEarlyMedia?: (media: Media, call: Call) => void
}

type Invite = (options: InviteOptions) => InviteClientSession

/** A call we make. `endpoint.call()` gives it once it is answered. */
export class OutgoingCall extends Call {
  readonly direction = 'outbound'
  #session: InviteClientSession | undefined
  #whenConfirmed: (() => void) | undefined
  /** Before the answer. */
  #heard: 'nothing' | 'early' | 'unwanted' = 'nothing'

  protected get session(): InviteClientSession {
    if (this.#session === undefined) throw new SipErrorClass('SIP_STATE', 'the INVITE has not been sent yet')
    return this.#session
  }

  get local(): NameAddr {
    return this.session.invite.from
  }

  get remote(): NameAddr {
    return this.session.invite.to
  }

  /** @internal */
  override get dialog(): ReplaceableDialog | undefined {
    return this.#session === undefined ? undefined : super.dialog
  }

  override get state(): CallState {
    return this.#session === undefined && this.endedValue === undefined ? 'trying' : super.state
  }

  override hangup(options: HangupOptions = {}): Promise<CallEnded> {
    if (this.#session !== undefined) return super.hangup(options)
    this.endNow({ by: 'local', cause: 'cancelled' })
    return this.ended
  }

  /**
   * Sends the INVITE and resolves when the call is up; see `Endpoint.call` for what it throws.
   * @internal
   */
  async dial(invite: Invite, target: string, options: CallOptions): Promise<void> {
    const plan = planCall(target, options)
    const { signal, trunk } = options
    const headers = [...identityHeaders(options.identity), ...(options.headers ?? [])]
    signal?.throwIfAborted()
    this.limits.set(options)
    const from = plan.from ?? anonymousFrom(this.context.hostTowards(plan.towards))
    const { codecs, srtp = plan.srtp, comfortNoise, rtp } = options
    const dtmf = { ...plan.dtmf, ...options.dtmf }
    const media = await this.prepareMedia({ codecs, srtp, comfortNoise, dtmf, rtp }, plan.towards)
    signal?.throwIfAborted()
    const answered = this.#untilAnswered(signal, plan.ringMs)
    const { sessionTimer, followRedirects = this.context.followRedirects } = options
    this.#session = invite({
      ...(sessionTimer === undefined ? {} : { sessionTimer }),
      ...(followRedirects === undefined ? {} : { followRedirects }),
      target: plan.target,
      from,
      offer: sdpBody(media.createOffer()),
      headers,
      ...(trunk?.credentials === undefined ? {} : { credentials: trunk.credentials }),
      ...(plan.route.length === 0 ? {} : { route: plan.route.map(String) }),
      ...plan.registered,
      handlers: {
        ...this.commonHandlers(),
        onOfferRefused: () => {
          const plain = media.createPlainOffer()
          return plain === undefined ? undefined : sdpBody(plain)
        },
        onEarlyAnswer: (answer, { reliable }) => this.#hearEarly(answer, reliable, options.onEarlyMedia),
        ...(options.onTrying === undefined ? {} : { onTrying: options.onTrying }),
        onProgress: ({ statusCode, reasonPhrase, dialogTag }) => {
          this.noteFork(dialogTag)
          try {
            options.onProgress?.({ statusCode, reasonPhrase })
          } catch (error) {
            reportListenerError('onProgress', error)
          }
        },
      },
    })
    this.began()
    await answered
  }

  /** One that came reliably is the answer, and has to be kept to, whether anybody listens or not. */
  #hearEarly(answer: SessionBody, reliable: boolean, listener: CallOptions['onEarlyMedia']): boolean {
    if (listener === undefined && !reliable) return false
    const media = this.openMedia
    media.acceptAnswer(sdpText(answer))
    if (this.#heard !== 'nothing') return true
    this.#heard = listener === undefined ? 'unwanted' : 'early'
    try {
      listener?.(media, this)
    } catch (error) {
      reportListenerError('onEarlyMedia', error)
    }
    return true
  }

  protected override confirmed(): void {
    super.confirmed()
    // Nobody asked for what was to be heard before the answer.
    if (this.#heard === 'unwanted') this.media.input.clear()
    this.#whenConfirmed?.()
  }

  /** Resolves with the ACK; rejects when the call ends before, nobody answers in time or `signal` aborts. */
  #untilAnswered(signal: AbortSignal | undefined, ringMs: number | undefined): Promise<void> {
    const { clock } = this.context
    return new Promise((resolve, reject) => {
      const settle = (error?: unknown): void => {
        timer?.cancel()
        signal?.removeEventListener('abort', onAbort)
        this.#whenConfirmed = undefined
        if (error === undefined) resolve()
        else reject(error)
      }
      const giveUp = (error: unknown): void => {
        void this.hangup()
        settle(error)
      }
      const onAbort = (): void => giveUp(signal?.reason)
      const timer =
        ringMs === undefined
          ? undefined
          : clock.setTimer(clock.now() + ringMs, () =>
              giveUp(new SipErrorClass('SIP_TIMEOUT', `nobody answered within ${ringMs} ms (ringTimeoutMs)`)),
            )
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#whenConfirmed = () => settle()
      void this.ended.then(ended => settle(callFailure(ended, this.#session)))
    })
  }
}

interface CallPlan {
  readonly target: string
  readonly from: string | undefined
  readonly route: readonly NameAddr[]
  readonly srtp: SrtpMode | SrtpOptions | undefined
  readonly dtmf: DtmfSettings | undefined
  /** Undefined: for ever. */
  readonly ringMs: number | undefined
  /** What a registration decides. */
  readonly registered: Partial<InviteOptions>
  /** The first hop. */
  readonly towards: Destination
}

/** Everything the caller passed in, checked before anything is opened. @throws OptionError naming the field */
function planCall(target: string, options: CallOptions): CallPlan {
  const { registration } = options
  checkHeaders(options.headers)
  if (registration !== undefined && options.trunk !== undefined)
    throw new OptionError('registration', 'give it or a trunk: a call is made as one of them')
  const called = parseTarget(target, 'target')
  const registered = registration?.routeTo(called.uri)
  const trunk = registered?.trunk ?? options.trunk
  const route = trunkRoute(trunk)
  return {
    target: called.uriText,
    from: fromOf(options.from, trunk),
    route,
    srtp: trunk?.srtp,
    dtmf: trunk?.dtmf,
    ringMs: ringLimit(options.ringTimeoutMs),
    registered: registered?.invite ?? {},
    towards: registered?.invite.destination ?? destinationOf((route[0] ?? called).uri),
  }
}

/** Why a call did not come about, as the error `endpoint.call()` throws. */
function callFailure(ended: CallEnded, session: InviteClientSession | undefined): SipError {
  const response = session?.end?.response
  if (response !== undefined && response.statusCode >= 300 && ended.error?.code !== 'SIP_AUTH') {
    return new SipResponseError('INVITE', response)
  }
  return (
    ended.error ?? new SipErrorClass('SIP_STATE', `the call was not answered: ${ended.cause}, by ${ended.by}`)
  )
}
