import type { Reachable } from '../registration/registrar.ts'
import { byPreference } from './by-preference.ts'
import type { ProxyTarget } from './types.ts'

/**
 * What `registrar.lookup()` finds as targets, for `ProxyForward.targets`: by the Path, the connection or the NAT each contact registered by;
 * those with the same `q` ring at the same time.
 */
export function registeredTargets(
  contacts: readonly Reachable[],
  common: Pick<ProxyTarget, 'answerMs' | 'headers'> = {},
): ProxyTarget[][] {
  return byPreference(
    contacts.map(({ binding, target, route, destination }) => ({
      ...common,
      uri: target,
      route,
      q: binding.q,
      ...(destination !== undefined && { destination }),
    })),
  )
}
