import type { Clock, Random } from '../../runtime/runtime.ts'
import { DigestClient } from '../auth/client.ts'
import type { Credentials } from '../auth/client.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import { timerValues } from '../transaction/timers.ts'
import type { TransactionLayer } from '../transaction/transaction-layer.ts'
import type { Destination } from '../transport/destination.ts'
import type { Flow } from '../transport/flow.ts'
import { Contacts } from './contacts.ts'
import type { DialogEvent, UserAgentCoreOptions } from './core-types.ts'
import { defaultAccept, defaultAllow } from './defaults.ts'
import { dialogChannel } from './diagnostics.ts'
import { Dialog } from './dialog.ts'
import type { DialogRequest } from './dialog.ts'
import { ExpiringMap } from './expiring-map.ts'
import { sendAuthenticated } from './outgoing.ts'
import type { Reliability } from './reliable-provisional.ts'
import { withReliability } from './reliable-provisional.ts'
import { routeOver } from './session-host.ts'
import type { SessionHost } from './session-host.ts'
import { resolveSessionTimer } from './session-timer.ts'
import type { SessionTimerPolicy } from './session-timer.ts'
import type { HeaderList } from './session-types.ts'
import { randomTag } from './tags.ts'

interface KeptAck {
  readonly ack: DialogRequest
  readonly flow: Flow | undefined
}

/** What the sessions of one core share: who we are, and the messages that may outlive a session, ACK and BYE. */
export class CoreSessionHost implements SessionHost {
  readonly clock: Clock
  readonly random: Random
  readonly transactions: TransactionLayer
  readonly t1: number
  readonly t2: number
  readonly allow: readonly string[]
  readonly supported: readonly string[]
  readonly accept: readonly string[]
  readonly reliability: Reliability
  readonly sessionTimer: SessionTimerPolicy | undefined
  /** 2xx of forks that nobody wanted. */
  forksEnded = 0
  readonly #core: object
  readonly #identities: Readonly<Record<'request' | 'response', HeaderList>>
  readonly #capabilities: Readonly<Record<'request' | 'response', HeaderList>>
  readonly #credentials: Credentials | undefined
  readonly #contacts: Contacts
  readonly #acks: ExpiringMap<KeptAck>
  /** BYEs under way. */
  #byes = 0

  constructor(core: object, options: UserAgentCoreOptions, maxAcks: number) {
    const { runtime } = options
    const { t1, t2 } = timerValues(options.timers)
    this.#core = core
    this.clock = runtime.clock
    this.random = runtime.random
    this.transactions = options.transactions
    this.t1 = t1
    this.t2 = t2
    this.#credentials = options.credentials
    this.#contacts = new Contacts(runtime.clock, options.transport)
    this.#acks = new ExpiringMap({ clock: runtime.clock, ttlMs: 64 * t1, max: maxAcks })
    const reliability = options.reliableProvisionals ?? 'supported'
    const sessionTimer = resolveSessionTimer(options.sessionTimer ?? 'off')
    const { allow, supported } = withReliability(reliability, options.allow ?? defaultAllow, [
      ...(options.supported ?? []),
      ...(sessionTimer === undefined ? [] : ['timer']),
    ])
    this.accept = options.accept ?? defaultAccept
    const { userAgent } = options
    const identities = {
      request: userAgent === undefined ? [] : [['User-Agent', userAgent] as const],
      response: userAgent === undefined ? [] : [['Server', userAgent] as const],
    }
    const common: readonly (readonly [string, string])[] = [
      ['Allow', allow.join(', ')],
      ...(supported.length === 0 ? [] : [['Supported', supported.join(', ')] as const]),
    ]
    this.#identities = identities
    this.#capabilities = {
      request: [...common, ...identities.request],
      response: [...common, ...identities.response],
    }
    this.reliability = reliability
    this.sessionTimer = sessionTimer
    this.allow = allow
    this.supported = supported
  }

  /** ACKs kept, and BYEs under way. */
  get size(): number {
    return this.#acks.size + this.#byes
  }

  get acksDropped(): number {
    return this.#acks.dropped
  }

  /** Nobody comes for the ACKs any more. */
  forgetAcks(): void {
    this.#acks.clear()
  }

  identity(kind: 'request' | 'response'): HeaderList {
    return this.#identities[kind]
  }

  capabilities(kind: 'request' | 'response'): HeaderList {
    return this.#capabilities[kind]
  }

  newTag(): string {
    return randomTag(this.random)
  }

  newCallId(): string {
    return randomTag(this.random, 16)
  }

  contact(where: Flow | Destination, user: string | undefined, secure?: boolean): string {
    return this.#contacts.for(where, user, secure)
  }

  publish(event: Omit<DialogEvent, 'core' | 'at'>): void {
    dialogChannel.publish({ ...event, core: this.#core, at: this.clock.now() })
  }

  get hasSubscribers(): boolean {
    return dialogChannel.hasSubscribers
  }

  digest(given: Credentials | undefined): DigestClient | undefined {
    const credentials = given ?? this.#credentials
    return credentials === undefined ? undefined : new DigestClient({ credentials, random: this.random })
  }

  acknowledge(response: SipResponse, ack: DialogRequest, flow: Flow | undefined): void {
    this.#acks.set(ackKey(response), { ack, flow })
    this.#sendAck(ack, flow)
  }

  repeatAck(response: SipResponse): boolean {
    const kept = this.#acks.get(ackKey(response))
    if (kept === undefined) return false
    this.#sendAck(kept.ack, kept.flow)
    return true
  }

  /** An ACK that cannot be sent is not the end: the 2xx comes again, and with it the next attempt. */
  #sendAck({ request, nextHop }: DialogRequest, flow: Flow | undefined): void {
    const lost = (error: unknown): void => {
      if (this.hasSubscribers) this.publish({ kind: 'dropped', callId: request.callId, error })
    }
    try {
      const sent = this.transactions.sendAck(request, routeOver({ request, nextHop }, flow))
      if ('then' in sent) sent.catch(lost)
    } catch (error) {
      lost(error)
    }
  }

  dropFork(
    invite: SipRequest,
    response: SipResponse,
    digest: DigestClient | undefined,
    flow: Flow | undefined,
  ): void {
    this.forksEnded++
    const dialog = Dialog.fromResponse(invite, response)
    const ack = dialog.createAck(invite, { headers: this.identity('request') })
    this.acknowledge(response, ack, flow)
    void this.bye(dialog, this.identity('request'), digest, flow)
  }

  async bye(
    dialog: Dialog,
    headers: HeaderList,
    digest: DigestClient | undefined,
    flow: Flow | undefined,
  ): Promise<void> {
    this.#byes++
    try {
      await sendAuthenticated(this.transactions, digest, () => {
        const { request, nextHop } = dialog.createRequest('BYE', { headers })
        return { request, destination: routeOver({ request, nextHop }, flow) }
      })
    } catch (error) {
      // The session is over whatever became of the BYE (RFC 3261 §15.1.1).
      if (this.hasSubscribers) this.publish({ kind: 'dropped', callId: dialog.id.callId, error })
    } finally {
      this.#byes--
    }
  }
}

/** One 2xx, repeats included: dialog and CSeq. */
function ackKey(response: SipResponse): string {
  return `${response.cseq.sequence} ${response.from.tag ?? ''} ${response.to.tag ?? ''} ${response.callId}`
}
