import type { SipError } from '../runtime/errors.ts'
import { SipError as SipErrorClass } from '../runtime/errors.ts'
import type { InviteOptions } from '../sip/dialog/session-types.ts'
import { NameAddr } from '../sip/message/name-addr.ts'
import type { Uri } from '../sip/message/uri.ts'
import { RegistrationClient } from '../sip/registration/client.ts'
import type { RegistrationClientHost } from '../sip/registration/client.ts'
import type { RegistrationPhase } from '../sip/registration/client-machine.ts'
import type { RegistrationOptions } from '../sip/registration/client-options.ts'
import type { Destination } from '../sip/transport/destination.ts'
import { destinationOf } from '../sip/transport/locate.ts'
import { SafeEmitter } from './emitter.ts'
import type { Trunk } from './trunk.ts'

/** `failed`: not bound; either the next attempt is planned (`retryInMs`), or the registrar refused for good. */
export type RegistrationState = 'registering' | 'registered' | 'failed' | 'unregistered'

export interface RegistrationEvents extends Record<string, unknown[]> {
  /** Bound, for the first time or again after a failure; refreshes are silent. */
  registered: []
  /** `retryInMs` is when the next attempt comes; undefined when the registrar refused for good (403, wrong password). */
  failed: [error: SipError, retryInMs: number | undefined]
  unregistered: []
}

const states: Readonly<Record<RegistrationPhase, RegistrationState>> = {
  idle: 'registering',
  registering: 'registering',
  registered: 'registered',
  refreshing: 'registered',
  waiting: 'failed',
  ending: 'unregistered',
  unregistering: 'unregistered',
  unregistered: 'unregistered',
  refused: 'failed',
}

/** What a call needs of the registration it is made through. */
export interface CallRoute {
  readonly trunk: Trunk
  readonly invite: Pick<InviteOptions, 'route' | 'contact' | 'credentials'> & {
    readonly destination: Destination
  }
}

/**
 * An address of record bound to this endpoint, for as long as it is wanted: calls to it arrive at `endpoint.serve`, and
 * `endpoint.call(target, { registration })` makes calls as it. `endpoint.register()` gives it at once; await `ready`.
 */
export class Registration extends SafeEmitter<RegistrationEvents> {
  /** Resolves when bound for the first time. Rejects when the registrar refuses for good, or it was unregistered before. */
  readonly ready: Promise<void>
  readonly #client: RegistrationClient
  readonly #ended: Promise<void>

  /** @throws OptionError */
  constructor(
    host: RegistrationClientHost,
    options: RegistrationOptions,
    onGone: (gone: Registration) => void,
  ) {
    super()
    this.#client = new RegistrationClient(host, options)
    let settle: { resolve: () => void; reject: (error: SipError) => void } | undefined
    this.ready = new Promise((resolve, reject) => (settle = { resolve, reject }))
    // Who waits for it learns; a program that listens to the events instead need not catch.
    this.ready.catch(() => {})
    this.#ended = new Promise(resolve => {
      this.#client.handlers = {
        onRegistered: () => {
          settle?.resolve()
          this.safeEmit('registered')
        },
        onFailed: (error, retryInMs) => {
          if (retryInMs === undefined) settle?.reject(error)
          this.safeEmit('failed', error, retryInMs)
        },
        onUnregistered: () => {
          settle?.reject(
            new SipErrorClass('SIP_STATE', 'it was unregistered before the registrar had taken it'),
          )
          resolve()
          onGone(this)
          this.safeEmit('unregistered')
        },
      }
    })
    this.#client.start()
  }

  get state(): RegistrationState {
    return states[this.#client.phase]
  }

  /** The address of record, a URI. */
  get aor(): string {
    return this.#client.plan.aor.uriText
  }

  /** Seconds the registrar granted last. */
  get expiresSeconds(): number | undefined {
    return this.#client.granted?.expiresSeconds
  }

  /** Our Contact as registered, a URI. */
  get contact(): string | undefined {
    return this.#client.contact
  }

  /** A URI that always leads to this device (RFC 5627), when the registrar gave one. */
  get publicGruu(): string | undefined {
    return this.#client.granted?.publicGruu
  }

  /** The same without the address of record in it. */
  get temporaryGruu(): string | undefined {
    return this.#client.granted?.temporaryGruu
  }

  /** The Service-Route of the registrar, in order (RFC 3608). */
  get serviceRoute(): readonly string[] {
    return this.#client.granted?.serviceRoute ?? []
  }

  /** Takes the binding away; resolves when the registrar has answered, or the attempt was given up (32 s). Never rejects; idempotent. */
  unregister(): Promise<void> {
    this.#client.stop()
    return this.#ended
  }

  /**
   * Ends it without a word to the registrar.
   * @internal
   */
  abandon(): void {
    this.#client.abandon()
  }

  /**
   * How a call to that URI goes as this address of record.
   * @internal
   */
  routeTo(target: Uri): CallRoute {
    const client = this.#client
    const { plan, granted, route, destination } = client
    const { proxy, credentials, aor } = plan
    const [first] = route
    const contact = this.#callContact()
    const next = destinationOf(first === undefined ? target : NameAddr.parse(first).uri)
    const sameWay =
      granted?.outbound === true ||
      (next.host === destination.host && (next.port ?? 5060) === (destination.port ?? 5060))
    return {
      trunk: {
        aor: aor.uriText,
        ...(aor.displayName === undefined ? {} : { displayName: aor.displayName }),
        ...(proxy === undefined ? {} : { outboundProxy: proxy.uriText }),
        ...(credentials === undefined ? {} : { credentials }),
      },
      invite: {
        route,
        destination: sameWay ? destination : next,
        ...(contact === undefined ? {} : { contact }),
        ...(credentials === undefined ? {} : { credentials }),
      },
    }
  }

  /** The GRUU; with outbound, our Contact with `ob`, so that the other side reaches us over the flow (RFC 5626 §4.3). */
  #callContact(): string | undefined {
    const { granted, contact } = this.#client
    if (granted?.publicGruu !== undefined) return `<${granted.publicGruu}>`
    if (granted?.outbound !== true || contact === undefined) return undefined
    const { uri } = new NameAddr({ uri: contact })
    return uri.kind === 'sip' ? `<${uri.withParam('ob', true).toString()}>` : undefined
  }
}
