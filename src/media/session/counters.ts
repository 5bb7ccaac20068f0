/** `now` with the counters named in `keys` added up over what was counted `before`. */
export function addCounters<K extends string, T extends Readonly<Record<K, number>>>(
  now: T,
  before: T | undefined,
  keys: readonly K[],
): T {
  if (before === undefined) return now
  const sums = Object.fromEntries(keys.map(key => [key, now[key] + before[key]]))
  return { ...now, ...sums }
}
