import { createRequest } from '../message/build.ts'
import type { SipMessage, SipRequest, SipResponse } from '../message/message.ts'
import type { NameAddr } from '../message/name-addr.ts'
import type { Uri } from '../message/uri.ts'
import type { DialogId } from './dialog-id.ts'
import { recordedRouteSet, routeRequest } from './route-set.ts'
import type { RouteSet } from './route-set.ts'
import type { HeaderList, SessionBody } from './session-types.ts'

export interface DialogRequestOptions {
  readonly headers?: HeaderList
  readonly body?: SessionBody
}

/** A request built by a dialog, and where its route says it goes first. */
export interface DialogRequest {
  readonly request: SipRequest
  readonly nextHop: Uri
}

/** What to do with a request that arrived in the dialog. */
export type Verdict =
  | { readonly accept: true }
  /** RFC 3261 §12.2.2: its CSeq is lower than one seen before: 500. */
  | { readonly accept: false; readonly statusCode: 500 }

const accepted: Verdict = { accept: true }
const outOfOrder: Verdict = { accept: false, statusCode: 500 }

/**
 * One peer-to-peer relationship (RFC 3261 §12), without I/O: identity, sequence numbers, route set and remote target. It makes requests and
 * judges those that arrive; who sends them is not its affair.
 */
export class Dialog {
  readonly role: 'client' | 'server'
  readonly id: DialogId
  /** From of the requests we make, tag included. */
  readonly local: NameAddr
  /** To of the requests we make, with the peer's tag if it has one. */
  readonly remote: NameAddr
  #confirmed: boolean
  #routeSet: RouteSet
  #remoteTarget: Uri
  #localSequence: number
  #remoteSequence: number | undefined

  private constructor(init: {
    role: 'client' | 'server'
    id: DialogId
    local: NameAddr
    remote: NameAddr
    confirmed: boolean
    routeSet: RouteSet
    remoteTarget: Uri
    localSequence: number
    remoteSequence: number | undefined
  }) {
    this.role = init.role
    this.id = init.id
    this.local = init.local
    this.remote = init.remote
    this.#confirmed = init.confirmed
    this.#routeSet = init.routeSet
    this.#remoteTarget = init.remoteTarget
    this.#localSequence = init.localSequence
    this.#remoteSequence = init.remoteSequence
  }

  /**
   * The caller's side, from its request and a 101-299 to it (RFC 3261 §12.1.2). A response without a To tag is tolerated: the tag is then empty.
   * Without a Contact (some peers leave it out of 18x) the Request-URI stays the target.
   */
  static fromResponse(request: SipRequest, response: SipResponse): Dialog {
    return new Dialog({
      role: 'client',
      id: {
        callId: request.callId,
        localTag: request.from.tag ?? '',
        remoteTag: response.to.tag ?? '',
      },
      local: request.from,
      remote: response.to,
      confirmed: response.statusCode >= 200,
      routeSet: recordedRouteSet(response, 'client'),
      remoteTarget: contactOf(response) ?? request.uri,
      localSequence: request.cseq.sequence,
      remoteSequence: undefined,
    })
  }

  /** The callee's side, from the request received and the tag we put into To (RFC 3261 §12.1.1). */
  static fromRequest(request: SipRequest, localTag: string): Dialog {
    return new Dialog({
      role: 'server',
      id: { callId: request.callId, localTag, remoteTag: request.from.tag ?? '' },
      local: request.to.withParam('tag', localTag),
      remote: request.from,
      confirmed: false,
      routeSet: recordedRouteSet(request, 'server'),
      remoteTarget: contactOf(request) ?? request.from.uri,
      localSequence: 0,
      remoteSequence: request.cseq.sequence,
    })
  }

  get confirmed(): boolean {
    return this.#confirmed
  }

  get routeSet(): RouteSet {
    return this.#routeSet
  }

  get remoteTarget(): Uri {
    return this.#remoteTarget
  }

  /** Of the last request made; ACK takes its INVITE's. */
  get localSequence(): number {
    return this.#localSequence
  }

  get remoteSequence(): number | undefined {
    return this.#remoteSequence
  }

  /**
   * Early becomes confirmed. For the caller the 2xx decides the route set and target anew, since provisional responses need not carry
   * Record-Route (RFC 3261 §13.2.2.4). Later 2xx refresh the target only.
   */
  confirm(response?: SipResponse): void {
    if (this.#confirmed) return
    this.#confirmed = true
    if (response === undefined || this.role === 'server') return
    this.#routeSet = recordedRouteSet(response, 'client')
    this.refreshTarget(response)
  }

  /** The Contact of a target refresh request or of its 2xx (RFC 3261 §12.2.1.2, §12.2.2); the route set never changes again. */
  refreshTarget(message: SipMessage): void {
    const target = contactOf(message)
    if (target !== undefined) this.#remoteTarget = target
  }

  /** For numbers used by requests made elsewhere: a repeated INVITE after 401 takes the next one. */
  useSequence(sequence: number): void {
    if (sequence > this.#localSequence) this.#localSequence = sequence
  }

  /** A request in the dialog with the next CSeq (RFC 3261 §12.2.1.1). */
  createRequest(method: string, options: DialogRequestOptions = {}): DialogRequest {
    this.#localSequence++
    return this.#create(method, this.#localSequence, options)
  }

  /** The ACK for a 2xx: the INVITE's number, and its credentials (RFC 3261 §13.2.2.4, §22.1). */
  createAck(invite: SipRequest, options: DialogRequestOptions = {}): DialogRequest {
    const headers: (readonly [string, string])[] = []
    for (const name of ['Authorization', 'Proxy-Authorization']) {
      for (const value of invite.headers.getAll(name)) headers.push([name, value])
    }
    return this.#create('ACK', invite.cseq.sequence, {
      ...options,
      headers: [...headers, ...(options.headers ?? [])],
    })
  }

  #create(method: string, sequence: number, options: DialogRequestOptions): DialogRequest {
    const { requestUri, route, nextHop } = routeRequest(this.#remoteTarget, this.#routeSet)
    const { body } = options
    const request = createRequest({
      method,
      uri: requestUri,
      headers: [
        ...route.map(value => ['Route', value] as const),
        ['Max-Forwards', '70'],
        ['From', this.local.toString()],
        ['To', this.remote.toString()],
        ['Call-ID', this.id.callId],
        ['CSeq', `${sequence} ${method}`],
        ...(options.headers ?? []),
      ],
      ...(body === undefined ? {} : { body: body.body, contentType: body.contentType }),
    })
    return { request, nextHop }
  }

  /**
   * Takes in a request that belongs to the dialog: checks the order of CSeq (gaps are allowed, RFC 3261 §12.2.2) and refreshes the target.
   * ACK and CANCEL carry their INVITE's number and are not checked.
   */
  receive(request: SipRequest): Verdict {
    const { method } = request
    if (method === 'ACK' || method === 'CANCEL') return accepted
    const { sequence } = request.cseq
    if (this.#remoteSequence !== undefined && sequence < this.#remoteSequence) return outOfOrder
    this.#remoteSequence = sequence
    return accepted
  }
}

/** The URI of the first Contact, when there is one that can be read. */
function contactOf(message: SipMessage): Uri | undefined {
  try {
    const { contacts } = message
    return contacts === '*' ? undefined : contacts[0]?.uri
  } catch {
    return undefined
  }
}
