import type { Clock, Random } from '../../runtime/runtime.ts'
import type { Credentials, DigestClient } from '../auth/client.ts'
import { stripBrackets } from '../message/host.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { Uri } from '../message/uri.ts'
import type { TransactionLayer } from '../transaction/transaction-layer.ts'
import type { Destination } from '../transport/destination.ts'
import type { Flow } from '../transport/flow.ts'
import { familyOf, isLoopback, isPrivate } from '../transport/addresses.ts'
import { destinationOf } from '../transport/locate.ts'
import type { DialogEvent } from './core-types.ts'
import type { Dialog, DialogRequest } from './dialog.ts'
import type { SessionTimerPolicy } from './session-timer.ts'
import type { Reliability } from './reliable-provisional.ts'
import type { HeaderList } from './session-types.ts'

/** What sessions need of the core that owns them. */
export interface SessionHost {
  readonly clock: Clock
  readonly random: Random
  readonly transactions: TransactionLayer
  /** Milliseconds, RFC 3261 §17.1.1.1. */
  readonly t1: number
  readonly t2: number
  readonly allow: readonly string[]
  readonly supported: readonly string[]
  readonly accept: readonly string[]
  /** What is made of 100rel (RFC 3262). */
  readonly reliability: Reliability
  /** Undefined: off, and not in `supported`. */
  readonly sessionTimer: SessionTimerPolicy | undefined
  /** User-Agent or Server. */
  identity(kind: 'request' | 'response'): HeaderList
  /** Identity, Allow and Supported, for INVITE, UPDATE and their 2xx, and for OPTIONS. */
  capabilities(kind: 'request' | 'response'): HeaderList
  newTag(): string
  newCallId(): string
  /** A digest client for these credentials, or the core's own; undefined when there are none. */
  digest(credentials: Credentials | undefined): DigestClient | undefined
  /** Contact for messages to that destination or over that flow; `user` is its user part, `secure` makes it a `sips` URI (RFC 3261 §12.1.1). */
  contact(where: Flow | Destination, user: string | undefined, secure?: boolean): string
  /** Sends the ACK and keeps it for repeated 2xx. One that cannot be sent is published, never thrown. */
  acknowledge(response: SipResponse, ack: DialogRequest, flow: Flow | undefined): void
  /** Sends the ACK of that 2xx again; false when none is kept. */
  repeatAck(response: SipResponse): boolean
  /** A 2xx of a dialog nobody wants: ACK, then BYE (RFC 3261 §13.2.2.4). */
  dropFork(
    invite: SipRequest,
    response: SipResponse,
    digest: DigestClient | undefined,
    flow: Flow | undefined,
  ): void
  /** BYE and its repeats after 401 or 407; settles when it is answered or given up. Never rejects. */
  bye(
    dialog: Dialog,
    headers: HeaderList,
    digest: DigestClient | undefined,
    flow: Flow | undefined,
  ): Promise<void>
  publish(event: Omit<DialogEvent, 'core' | 'at'>): void
  readonly hasSubscribers: boolean
}

/**
 * Where a request in a dialog goes: over the dialog's connection while that is open, whatever the Contact says of transports; over the UDP flow the
 * peer was last heard by when its Contact is an address behind a NAT; and else to the next hop. A route is followed as it is: its private
 * addresses belong to those who recorded it.
 * @throws SipTransportError a next hop we cannot send to
 */
export function routeOver({ request, nextHop }: DialogRequest, flow: Flow | undefined): Destination {
  // `sips` is never sent over less than TLS (RFC 5630 §3.1).
  if (nextHop.kind === 'sip' && nextHop.scheme === 'sips' && flow?.secure === false)
    return destinationOf(nextHop)
  if (flow === undefined || flow.closed || !(flow.reliable || isBehindNat(request, nextHop, flow))) {
    const destination = destinationOf(nextHop)
    // Of several servers of a domain, the one that has the dialog.
    if (flow === undefined || flow.reliable || familyOf(stripBrackets(destination.host)) !== 0)
      return destination
    return { ...destination, first: { transport: flow.transport, ...flow.remote } }
  }
  const { transport, remote } = flow
  return { transport, host: remote.address, port: remote.port, flow }
}

function isBehindNat(request: SipRequest, nextHop: Uri, flow: Flow): boolean {
  if (request.headers.has('Route') || nextHop.kind !== 'sip') return false
  const { address } = flow.remote
  return isPrivate(nextHop.host) && !isPrivate(address) && !isLoopback(address)
}
