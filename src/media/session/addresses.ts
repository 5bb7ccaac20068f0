import type { Network, Resolver, SocketAddress } from '../../runtime/runtime.ts'
import type { MediaAddress } from '../sdp/negotiated.ts'

export function familyOf(address: string): 4 | 6 {
  return address.includes(':') ? 6 : 4
}

/** The address to tell the peer: the bound one, or when that is every interface, the first that is not loopback. */
export function reachable(bound: SocketAddress, network: Network): string {
  if (bound.address !== '0.0.0.0' && bound.address !== '::') return bound.address
  const found = network.interfaces().find(({ family }) => family === bound.family)
  return found?.address ?? (bound.family === 6 ? '::1' : '127.0.0.1')
}

/** `remote` with a numeric address: as it is, or looked up; `undefined` when the name is not known. */
export function resolveRemote(
  remote: MediaAddress,
  resolver: Resolver | undefined,
): MediaAddress | Promise<MediaAddress | undefined> {
  if (remote.address.includes(':') || /^[\d.]+$/.test(remote.address)) return remote
  return lookUp(remote, resolver)
}

async function lookUp(
  remote: MediaAddress,
  resolver: Resolver | undefined,
): Promise<MediaAddress | undefined> {
  const found = (await resolver?.address(remote.address)) ?? []
  const best = found.find(({ family }) => family === remote.family) ?? found[0]
  return best === undefined ? undefined : { address: best.address, family: best.family, port: remote.port }
}
