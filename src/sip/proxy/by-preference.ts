import type { ProxyTarget } from './types.ts'

/**
 * Targets in the order of their `q` (RFC 3261 §16.6, §20.10): those with the same ring at the same time, the others one after
 * another. For `ProxyForward.targets`.
 */
export function byPreference<T extends Pick<ProxyTarget, 'q'>>(targets: readonly T[]): T[][] {
  const groups = new Map<number, T[]>()
  for (const target of targets) {
    const q = target.q ?? 1
    const group = groups.get(q)
    if (group === undefined) groups.set(q, [target])
    else group.push(target)
  }
  return [...groups].toSorted(([a], [b]) => b - a).map(([, group]) => group)
}
