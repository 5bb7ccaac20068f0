import type { LocalCapabilities } from './capabilities.ts'
import {
  type MediaDescription,
  type SdpAddress,
  type SessionDescription,
  isMulticast,
  isNumeric,
  isUnspecified,
} from './description.ts'
import { type SdpError, unacceptable } from './error.ts'

/** Where a stream is received. A description without any `c=` most likely means the host that made it. */
export function addressOf(line: MediaDescription, session: SessionDescription): SdpAddress {
  return line.connection ?? session.connection ?? session.origin
}

export function localAddress({ address, family }: LocalCapabilities): SdpAddress {
  return { address, family: family ?? (address.includes(':') ? 6 : 4) }
}

/** Why we cannot send to the address of a stream, or `undefined` when we can (or need not, for it is on hold). */
export function addressProblem(
  line: MediaDescription,
  session: SessionDescription,
  capabilities: LocalCapabilities,
): SdpError | undefined {
  const address = addressOf(line, session)
  if (address === session.origin && isUnspecified(address))
    return unacceptable('the description has no connection address', 'c', 399)
  if (isMulticast(address)) return unacceptable('multicast is not available', 'c', 330)
  const ours = localAddress(capabilities)
  if (isNumeric(address) && !isUnspecified(address) && address.family !== ours.family)
    return unacceptable(`IPv${address.family} is not available, only IPv${ours.family}`, 'c', 301)
  return undefined
}
