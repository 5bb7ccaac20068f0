import type { SipError } from '../runtime/errors.ts'
import { SipError as SipErrorClass } from '../runtime/errors.ts'
import { NameAddr } from '../sip/message/name-addr.ts'
import type { HeaderList, InviteClientSession, InviteOptions } from '../sip/dialog/session-types.ts'
import { SipResponseError } from '../sip/dialog/errors.ts'
import type { Cancellable } from './call.ts'
import { Call } from './call.ts'
import type { CallEnded } from './call-ended.ts'
import type { CodecName } from './options.ts'
import { sdpBody } from './sdp-body.ts'
import type { Trunk } from './trunk.ts'

export interface Progress {
  readonly statusCode: number
  readonly reasonPhrase: string
}

export interface CallOptions extends Cancellable {
  /** As whom and through whom; without one the call goes straight to the target. */
  readonly trunk?: Trunk
  /** From, when it is not the trunk's: a URI or name-addr. */
  readonly from?: string
  readonly codecs?: readonly CodecName[]
  /** Added to the INVITE. */
  readonly headers?: HeaderList
  /** Each provisional response above 100: 180 means that it rings. */
  readonly onProgress?: (progress: Progress) => void
}

type Invite = (options: InviteOptions) => InviteClientSession

/** A call we make. `endpoint.call()` gives it once it is answered. */
export class OutgoingCall extends Call {
  readonly direction = 'outbound'
  #session: InviteClientSession | undefined

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

  /** Sends the INVITE and resolves when the call is up; see `Endpoint.call` for what it throws. */
  async dial(invite: Invite, target: string, options: CallOptions): Promise<void> {
    options.signal?.throwIfAborted()
    const remoteHost = hostOf(target, options.trunk)
    const from =
      options.from ??
      fromOf(options.trunk) ??
      `sip:offhook@${bracketed(this.context.addressTowards(remoteHost))}`
    const media = await this.prepareMedia(options.codecs, remoteHost)
    if (options.signal?.aborted === true) {
      throw options.signal.reason
    }
    const { trunk, onProgress, headers, signal } = options
    let answered = false
    let giveUp: (() => void) | undefined
    const up = new Promise<void>((resolve, reject) => {
      giveUp = () => {
        void this.hangup()
        reject(signal?.reason as Error)
      }
      const handlers = this.commonHandlers()
      this.#session = invite({
        target,
        from,
        offer: sdpBody(media.createOffer()),
        ...(headers === undefined ? {} : { headers }),
        ...(trunk?.credentials === undefined ? {} : { credentials: trunk.credentials }),
        ...(trunk?.outboundProxy === undefined ? {} : { route: [routeValue(trunk.outboundProxy)] }),
        handlers: {
          ...handlers,
          onProgress: ({ statusCode, reasonPhrase }) => onProgress?.({ statusCode, reasonPhrase }),
          onConfirmed: () => {
            answered = true
            resolve()
          },
        },
      })
      this.began()
      void this.ended.then(() => resolve())
    })
    if (giveUp !== undefined) signal?.addEventListener('abort', giveUp, { once: true })
    try {
      await up
    } finally {
      if (giveUp !== undefined) signal?.removeEventListener('abort', giveUp)
    }
    if (this.endedValue !== undefined && !answered) throw callFailure(this.endedValue, this.session)
  }

  /** Gives back what a call held that failed before its INVITE. */
  abandon(): void {
    if (this.#session === undefined) void this.discard()
  }
}

function fromOf(trunk: Trunk | undefined): string | undefined {
  if (trunk === undefined) return undefined
  return new NameAddr({ displayName: trunk.displayName, uri: trunk.aor }).toString()
}

function bracketed(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

/** Why a call did not come about, as the error `endpoint.call()` throws. */
function callFailure(ended: CallEnded, session: InviteClientSession): SipError {
  const response = session.end?.response
  if (response !== undefined && response.statusCode >= 300 && ended.error?.code !== 'SIP_AUTH') {
    return new SipResponseError('INVITE', response)
  }
  return (
    ended.error ?? new SipErrorClass('SIP_STATE', `the call was not answered: ${ended.cause}, by ${ended.by}`)
  )
}

function routeValue(proxy: string): string {
  return proxy.includes('<') ? proxy : `<${/;lr\b/i.test(proxy) ? proxy : `${proxy};lr`}>`
}

function hostOf(target: string, trunk: Trunk | undefined): string | undefined {
  const uri = NameAddr.parse(trunk?.outboundProxy ?? target).uri
  return 'host' in uri && typeof uri.host === 'string' ? uri.host : undefined
}
