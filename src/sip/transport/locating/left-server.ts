import { writeHostPort } from '../../message/host.ts'
import type { Target } from '../locate.ts'

/** A server that did not take the request. */
export interface LeftServer {
  readonly target: Target
  /** `no response (Timer B)`, `503 Service Unavailable`, or what the transport said. */
  readonly reason: string
  /** Of a server that answered. */
  readonly statusCode?: number
  /** Milliseconds for which it is tried last. */
  readonly avoidedMs: number
}

/** `udp 192.0.2.1:5060 (example.com)`. */
export function writeTarget({ transport, address, port, host }: Target): string {
  return `${transport} ${writeHostPort(address, port)}${host === address ? '' : ` (${host})`}`
}

/** Each with its reason, in the order they were tried. */
export function writeLeft(left: readonly LeftServer[]): string {
  return left.map(({ target, reason }) => `${writeTarget(target)}: ${reason}`).join('; ')
}

/** `INVITE left udp 192.0.2.1:5060 (example.com): no response (Timer B); next udp 192.0.2.2:5060 (example.com)`. */
export function writeLeaving(method: string, left: LeftServer, next: Target | undefined): string {
  return `${method} left ${writeLeft([left])}; ${next === undefined ? 'no other' : `next ${writeTarget(next)}`}`
}
