/** What `bestResponse` needs to know of a response. */
export interface Candidate {
  readonly statusCode: number
}

/** What the caller can act on: preferred among 4xx (RFC 3261 §16.7 6). */
const informative: ReadonlySet<number> = new Set([401, 407, 415, 420, 484])

/**
 * The response to send upstream, of all that were received (RFC 3261 §16.7 6): any 6xx, else the lowest class, and of 4xx one
 * that says how to ask again; of equals the first.
 */
export function bestResponse<R extends Candidate>(candidates: readonly R[]): R | undefined {
  let best: R | undefined
  for (const candidate of candidates) {
    if (best === undefined || rank(candidate) < rank(best)) best = candidate
  }
  return best
}

/** Lower is better. A 503 and what stands for one tells little: among 5xx it comes last. */
function rank({ statusCode }: Candidate): number {
  const status = Math.floor(statusCode / 100)
  if (status === 6) return 0
  const preferred =
    status === 4 ? (informative.has(statusCode) ? 0 : statusCode === 408 ? 2 : 1) : statusCode === 503 ? 2 : 1
  return status * 10 + preferred
}

/** A 401 or 407 goes on with the challenges of all others, so that the caller can answer them at once (§16.7 7). */
export function isChallenge({ statusCode }: Candidate): boolean {
  return statusCode === 401 || statusCode === 407
}
