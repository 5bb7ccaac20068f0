import { OptionError, SipError } from '../../runtime/errors.ts'
import type { OutOfDialogRequest } from '../dialog/core-types.ts'
import { admits, mediaType } from '../dialog/bodies.ts'
import { localKey } from '../dialog/dialog-id.ts'
import { randomTag } from '../dialog/tags.ts'
import { Event, Expires } from '../message/headers/session.ts'
import type { SipRequest } from '../message/message.ts'
import { isToken } from '../message/chars.ts'
import type {
  EventLimits,
  EventOptions,
  EventPackage,
  EventStats,
  SubscribeOptions,
  TerminateOptions,
} from './event-types.ts'
import { IncomingSubscription } from './incoming-subscription.ts'
import { SubscribeRequest } from './subscribe-request.ts'
import { Subscription } from './subscription.ts'
import type { SubscriptionSeat } from './subscription.ts'
import { readSubscriptionState } from './subscription-state.ts'

export const defaultEventLimits: EventLimits = { subscribing: 10_000, notifying: 10_000 }

/** Less than this may be refused as too brief; an hour or more never (RFC 6665 §4.2.1.1). */
const HOUR_SECONDS = 3600

/** Branches of one SUBSCRIBE, those that are over included; more are answered 481 and counted. */
const MAX_BRANCHES = 32

/** What one SUBSCRIBE of ours has led to: a subscription, and those of its other branches. */
interface Family {
  readonly first: Subscription
  readonly branches: Subscription[]
  /** Remote tags of branches that are over: their late NOTIFYs make no new ones. No more than `MAX_BRANCHES`. */
  readonly ended: Set<string>
  /** Until then a NOTIFY of another branch may come (RFC 6665 §4.4.1). */
  readonly forksUntil: number
}

/**
 * Subscriptions, made and notified (RFC 6665). Give it what the core receives: `core.onRequest = core.onSubscription = request =>
 * events.receive(request)`.
 */
export class Events {
  /** A new subscription: accept or reject it, now or later. Missing: 480. */
  onSubscribe: ((subscription: IncomingSubscription) => void) | undefined
  /** Another branch of a forked SUBSCRIBE answers, too: set its handlers. Missing, or false: it is answered 481. */
  onFork: ((branch: Subscription, of: Subscription) => boolean) | undefined

  readonly #options: EventOptions
  readonly #limits: EventLimits
  readonly #packages: ReadonlyMap<string, EventPackage>
  readonly #timerNMs: number
  readonly #families = new Map<string, Family>()
  readonly #incoming = new Map<string, IncomingSubscription>()
  readonly #all = new Set<Subscription>()
  readonly #seat: SubscriptionSeat
  #closing: (() => void) | undefined
  #refused = 0
  #forksRefused = 0
  #strayNotifies = 0
  #handlerErrors = 0

  /** @throws OptionError */
  constructor(options: EventOptions) {
    this.#options = options
    this.#limits = { ...defaultEventLimits, ...options.limits }
    this.#packages = new Map((options.packages ?? []).map(item => [item.name, item]))
    this.#timerNMs = 64 * (options.t1 ?? 500)
    const { minExpiresSeconds = 60, maxExpiresSeconds = 3600 } = options
    if (!(minExpiresSeconds >= 0 && minExpiresSeconds <= maxExpiresSeconds)) {
      throw new OptionError('minExpiresSeconds', 'must be from 0 to maxExpiresSeconds')
    }
    this.#seat = {
      host: options,
      timerNMs: this.#timerNMs,
      open: subscription => this.#open(subscription),
      gone: subscription => this.#gone(subscription),
      failed: error => this.#failed(error),
    }
  }

  get stats(): EventStats {
    return {
      subscribing: this.#all.size,
      notifying: this.#incoming.size,
      refused: this.#refused,
      forksRefused: this.#forksRefused,
      strayNotifies: this.#strayNotifies,
      handlerErrors: this.#handlerErrors,
    }
  }

  /** Subscriptions that others have with us. */
  get notifying(): Iterable<IncomingSubscription> {
    return this.#incoming.values()
  }

  /** For Allow-Events (RFC 6665 §8.2.2). */
  get allowEvents(): string {
    return [...this.#packages.keys()].join(', ')
  }

  /**
   * Subscribes. Callbacks run later, with the first NOTIFY at the earliest.
   * @throws OptionError an address that cannot be read
   * @throws SipError SIP_LIMIT at `limits.subscribing`, SIP_STATE when closing
   */
  subscribe(options: SubscribeOptions): Subscription {
    if (this.#closing !== undefined) throw new SipError('SIP_STATE', 'closing: no new subscriptions')
    if (this.#all.size >= this.#limits.subscribing) {
      throw new SipError(
        'SIP_LIMIT',
        `${this.#limits.subscribing} subscriptions are up: end one or raise limits.subscribing`,
      )
    }
    checkOptions(options)
    const subscription = new Subscription(this.#seat, options)
    this.#all.add(subscription)
    try {
      subscription.start()
    } catch (error) {
      subscription.abandon()
      throw error
    }
    return subscription
  }

  /** A SUBSCRIBE or NOTIFY of the core, in a dialog or not. False: not for us; in a dialog that means 481. */
  receive(incoming: OutOfDialogRequest): boolean {
    const { method } = incoming.request
    if (method === 'NOTIFY') return this.#receiveNotify(incoming)
    if (method !== 'SUBSCRIBE') return false
    return incoming.request.to.tag === undefined
      ? this.#receiveInitial(incoming)
      : this.#receiveInDialog(incoming)
  }

  /** Unsubscribes and terminates everything; resolves when the last word is said. Subscribers may come back elsewhere at once. */
  close(options: TerminateOptions = { reason: 'deactivated' }): Promise<void> {
    const done = new Promise<void>(resolve => {
      this.#closing = resolve
    })
    for (const subscription of this.#all) subscription.unsubscribe()
    for (const incoming of this.#incoming.values()) {
      if (incoming.decided) incoming.terminate(options)
      else incoming.reject(503)
    }
    this.#settle()
    return done
  }

  /** Forgets everything without a word. */
  abandon(): void {
    for (const subscription of this.#all) subscription.abandon()
    for (const incoming of this.#incoming.values()) incoming.abandon()
  }

  #settle(): void {
    if (this.#all.size === 0 && this.#incoming.size === 0) this.#closing?.()
  }

  // ---- subscriber -------------------------------------------------------------------------------------------------

  #open(subscription: Subscription): SubscribeRequest {
    const { clock, random } = this.#options.runtime
    this.#forget(subscription)
    const request = new SubscribeRequest(subscription.options, randomTag(random, 16), randomTag(random))
    this.#families.set(localKey(request.callId, request.localTag), {
      first: subscription,
      branches: [],
      ended: new Set(),
      forksUntil: clock.now() + this.#timerNMs,
    })
    return request
  }

  /** The family of its present dialog loses it, and goes with its last member. */
  #forget(subscription: Subscription): void {
    const { initial } = subscription
    if (initial === undefined) return
    const key = localKey(initial.callId, initial.localTag)
    const family = this.#families.get(key)
    if (family === undefined) return
    if (subscription.remoteTag !== undefined) family.ended.add(subscription.remoteTag)
    const branches = family.branches.filter(branch => branch !== subscription)
    if (family.first === subscription || branches.length !== family.branches.length) {
      const live = [family.first, ...branches].filter(
        member => member !== subscription && this.#all.has(member),
      )
      const [first, ...rest] = live
      if (first === undefined) this.#families.delete(key)
      else this.#families.set(key, { ...family, first, branches: rest })
    }
  }

  #gone(subscription: Subscription): void {
    this.#all.delete(subscription)
    this.#forget(subscription)
    this.#settle()
  }

  #receiveNotify(incoming: OutOfDialogRequest): boolean {
    const { request } = incoming
    const tag = request.to.tag
    const family = tag === undefined ? undefined : this.#families.get(localKey(request.callId, tag))
    if (family === undefined || !isAbout(request, family.first.options)) return this.#stray(incoming)
    const news = readSubscriptionState(request)
    if (news === undefined) {
      incoming.respond(400, { reasonPhrase: 'Bad Subscription-State' })
      return true
    }
    const remoteTag = request.from.tag ?? ''
    const members = [family.first, ...family.branches]
    const member =
      members.find(each => each.remoteTag === remoteTag) ??
      members.find(each => each.remoteTag === undefined && each.state !== 'waiting')
    if (member !== undefined) return member.receive(incoming, news) || this.#stray(incoming)
    return this.#receiveFork(incoming, family, news) || this.#stray(incoming)
  }

  #receiveFork(
    incoming: OutOfDialogRequest,
    family: Family,
    news: Parameters<Subscription['receive']>[1],
  ): boolean {
    const { first } = family
    const now = this.#options.runtime.clock.now()
    if (!first.options.package.forks || now >= family.forksUntil || this.onFork === undefined) return false
    if (family.ended.has(incoming.request.from.tag ?? '')) return false
    const room = family.ended.size + family.branches.length < MAX_BRANCHES
    if (!room || this.#all.size >= this.#limits.subscribing) {
      this.#forksRefused++
      return false
    }
    const { handlers: _, ...options } = first.options
    const branch = new Subscription(this.#seat, options, first)
    if (!this.onFork(branch, first)) return false
    this.#all.add(branch)
    family.branches.push(branch)
    return branch.receive(incoming, news, true)
  }

  #stray(incoming: OutOfDialogRequest): boolean {
    this.#strayNotifies++
    if (incoming.request.to.tag !== undefined) return false
    incoming.respond(481) // §4.1.3
    return true
  }

  // ---- notifier ---------------------------------------------------------------------------------------------------

  #receiveInitial(incoming: OutOfDialogRequest): boolean {
    const { request } = incoming
    const asked = readSubscribe(request)
    if (asked === undefined) {
      incoming.respond(400, { reasonPhrase: 'Bad Event or Expires' })
      return true
    }
    const wanted = this.#packages.get(asked.event)
    if (wanted === undefined) {
      incoming.respond(489, { headers: [['Allow-Events', this.allowEvents]] }) // §4.2.1.1
      return true
    }
    if (!acceptsAny(request, wanted)) {
      incoming.respond(406)
      return true
    }
    const expiresSeconds = this.#expires(incoming, asked.expiresSeconds ?? wanted.defaultExpiresSeconds)
    if (expiresSeconds === undefined) return true
    if (this.#closing !== undefined || this.#incoming.size >= this.#limits.notifying) {
      this.#refused++
      incoming.respond(503, { headers: [['Retry-After', String(this.#options.retryAfterSeconds ?? 30)]] })
      return true
    }
    if (this.onSubscribe === undefined) {
      incoming.respond(480)
      return true
    }
    const key = localKey(request.callId, incoming.localTag)
    const subscription = new IncomingSubscription({
      host: this.#options,
      incoming,
      package: wanted,
      event: request.headers.get('Event') ?? wanted.name,
      expiresSeconds,
      onGone: () => {
        this.#incoming.delete(key)
        this.#settle()
      },
      onError: error => this.#failed(error),
    })
    this.#incoming.set(key, subscription)
    try {
      this.onSubscribe(subscription)
    } catch (error) {
      this.#failed(error)
      if (!subscription.decided) subscription.reject(500)
    }
    return true
  }

  #receiveInDialog(incoming: OutOfDialogRequest): boolean {
    const { request } = incoming
    const subscription = this.#incoming.get(localKey(request.callId, request.to.tag ?? ''))
    if (subscription === undefined) return false
    const asked = readSubscribe(request)
    if (asked === undefined) {
      incoming.respond(400, { reasonPhrase: 'Bad Event or Expires' })
      return true
    }
    // §4.5.2: one subscription in a dialog.
    if (asked.event !== subscription.package.name) return false
    const seconds = asked.expiresSeconds ?? subscription.package.defaultExpiresSeconds
    const expiresSeconds = this.#expires(incoming, seconds)
    return expiresSeconds === undefined || subscription.receive(incoming, expiresSeconds)
  }

  /** What can be granted; undefined: answered 423 (RFC 6665 §4.2.1.1). */
  #expires(incoming: OutOfDialogRequest, asked: number): number | undefined {
    const { minExpiresSeconds = 60, maxExpiresSeconds = 3600 } = this.#options
    if (asked > 0 && asked < minExpiresSeconds && asked < HOUR_SECONDS) {
      incoming.respond(423, { headers: [['Min-Expires', String(minExpiresSeconds)]] })
      return undefined
    }
    return Math.min(asked, maxExpiresSeconds)
  }

  #failed(_error: unknown): void {
    this.#handlerErrors++
  }
}

function checkOptions({ package: { name }, eventParams = {}, expiresSeconds = 0 }: SubscribeOptions): void {
  if (!/^[\w!%*`'~+-]+(?:\.[\w!%*`'~+-]+)*$/.test(name))
    throw new OptionError('package', `${JSON.stringify(name)} is no event name`)
  for (const [param, value] of Object.entries(eventParams)) {
    if (!isToken(param) || !isToken(value))
      throw new OptionError('eventParams', `${param} is not a token, or its value is none`)
  }
  if (!Number.isInteger(expiresSeconds) || expiresSeconds < 0) {
    throw new OptionError('expiresSeconds', 'give whole seconds, 0 to fetch the state once')
  }
}

/** Undefined: it cannot be read. A missing Event is none that anybody knows. */
function readSubscribe(
  request: SipRequest,
): { readonly event: string; readonly expiresSeconds: number | undefined } | undefined {
  try {
    return { event: request.get(Event)?.value ?? '', expiresSeconds: request.get(Expires) }
  } catch {
    return undefined
  }
}

/** RFC 6665 §8.2.1: the same package, and the same `id` or none. */
function isAbout(notify: SipRequest, { package: { name }, eventParams }: SubscribeOptions): boolean {
  try {
    const event = notify.get(Event)
    return event?.value === name && event.params.value('id') === eventParams?.['id']
  } catch {
    return false
  }
}

function acceptsAny(request: SipRequest, { contentTypes }: EventPackage): boolean {
  const accept = request.headers.getAll('Accept').flatMap(value => value.split(','))
  const types = accept.map(mediaType).filter(type => type !== '')
  return types.length === 0 || contentTypes.some(type => admits(types, type))
}
