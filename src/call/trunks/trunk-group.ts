import { OptionError } from '../../runtime/errors.ts'
import type { Clock } from '../../runtime/runtime.ts'
import type { Call } from '../call.ts'
import { callOptions } from './carrier-trunk.ts'
import type { CarrierTrunk } from './carrier-trunk.ts'
import { dialInOrder } from './dial.ts'
import type { TrunkCallOptions } from './dial.ts'

export interface TrunkGroupStats {
  /** Calls that went by a trunk other than the first that was tried. */
  readonly failedOver: number
  readonly failed: number
}

/** Several trunks in the order to try them; those that are down come last. @throws OptionError */
export function createTrunkGroup(trunks: readonly CarrierTrunk[]): TrunkGroup {
  return new TrunkGroup(trunks)
}

/** The trunks stay yours: close them yourself. */
export class TrunkGroup {
  readonly trunks: readonly CarrierTrunk[]
  readonly #clock: Clock
  #failedOver = 0
  #failed = 0

  /** @internal */
  constructor(trunks: readonly CarrierTrunk[]) {
    const [first] = trunks
    if (first === undefined) throw new OptionError('trunks', 'give one at least')
    if (new Set(trunks.map(trunk => trunk.name)).size < trunks.length)
      throw new OptionError('trunks', 'two have the same name; give them different ones (name)')
    this.trunks = trunks
    this.#clock = first.clock
  }

  stats(): TrunkGroupStats {
    return { failedOver: this.#failedOver, failed: this.#failed }
  }

  /**
   * Calls by the first trunk that takes the call: each edge of the first, then each of the next, by the rules of one trunk. A trunk whose calls a second are used up
   * is passed over where its `cps.excess` is `refuse`.
   * @throws as `CarrierTrunk.call`
   */
  async call(to: string, options: TrunkCallOptions = {}): Promise<Call> {
    const order = this.trunks.toSorted(
      (one, other) => Number(one.state === 'down') - Number(other.state === 'down'),
    )
    const ways = order.flatMap(trunk => trunk.ways(to, options))
    try {
      const { call, way } = await dialInOrder(ways, callOptions(options), this.#clock)
      if (way.trunk !== ways[0]?.trunk) this.#failedOver++
      return call
    } catch (error) {
      this.#failed++
      throw error
    }
  }
}
