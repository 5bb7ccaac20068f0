import { OptionError, SipError } from '../../runtime/errors.ts'
import type { Clock } from '../../runtime/runtime.ts'
import type { Call } from '../call.ts'
import { ringLimit } from '../control-options.ts'
import type { CallOptions } from '../outgoing-call.ts'
import type { Carrier } from './carrier.ts'
import { leftWay, mayGoOn, TrunkCallError } from './failures.ts'
import type { Heard, LeftWay } from './failures.ts'
import type { FailoverSettings } from './options.ts'

/** A call by a trunk. The trunk says as whom and by which way. */
export interface TrunkCallOptions extends Omit<CallOptions, 'trunk' | 'registration' | 'from'> {
  /** Who calls, when it is not the trunk's caller: a number, or a SIP URI. */
  readonly caller?: string
}

/** One edge of one trunk, ready to dial. */
export interface Way {
  readonly trunk: string
  readonly edge: string
  readonly carrier: Carrier
  readonly failover: Required<FailoverSettings>
  dial(options: CallOptions): Promise<Call>
}

/**
 * Dials by one way after the other until one takes the call. Never two at a time, and no other once a phone may have rung.
 * @throws TrunkCallError; OptionError; the reason of `signal`
 */
export async function dialInOrder(
  ways: readonly Way[],
  options: CallOptions,
  clock: Clock,
): Promise<{ readonly call: Call; readonly way: Way }> {
  const ringMs = ringLimit(options.ringTimeoutMs)
  const startedAt = clock.now()
  const left: LeftWay[] = []
  /** Its calls a second are used up, by whichever edge. */
  let full: string | undefined
  for (const [index, way] of ways.entries()) {
    options.signal?.throwIfAborted()
    if (way.trunk === full) continue
    // At least a moment, so that it is the call that says why it ends.
    const remaining = ringMs === undefined ? 0 : Math.max(1, ringMs - (clock.now() - startedAt))
    let heard: Heard = 'nothing'
    const attempt: CallOptions = {
      ...options,
      ringTimeoutMs: remaining,
      onTrying: () => {
        if (heard === 'nothing') heard = 'trying'
        options.onTrying?.()
      },
      onProgress: progress => {
        heard = 'progress'
        options.onProgress?.(progress)
      },
    }
    try {
      return { call: await way.dial(attempt), way }
    } catch (error) {
      const aborted = options.signal?.aborted === true
      if (aborted || !(error instanceof SipError) || error instanceof OptionError) throw error
      left.push(leftWay(way.carrier, way.trunk, way.edge, error))
      if (error.code === 'SIP_LIMIT') full = way.trunk
      const isLast = ways.slice(index + 1).every(({ trunk }) => trunk === full)
      if (isLast || !mayGoOn(error, heard, way.failover)) throw new TrunkCallError(error.code, left)
    }
  }
  throw new OptionError('trunks', 'there is none to call by; give one at least')
}
