import type { DtmfRoad } from './digit-roads.ts'

/** When what one road reports is a press that another has reported already. */
interface Rule {
  /** The road that reports now. */
  readonly road: DtmfRoad
  /** A road that reported the same digit. */
  readonly after: DtmfRoad
  /** How far apart the two may be, ms: from the end of the one to the start of the other. */
  readonly withinMs: number
  /** A road reports a press once, or it may tell of it in pieces. */
  readonly repeats: boolean
}

/**
 * Events come as they are sent, INFO through the proxies and repeated after half a second and a second where it was lost, tones through the
 * jitter buffer and in pieces where a gateway cuts them out late.
 */
export const sameDigitRules: readonly Rule[] = [
  { road: 'rtp', after: 'info', withinMs: 2000, repeats: false },
  { road: 'rtp', after: 'inband', withinMs: 1000, repeats: false },
  { road: 'info', after: 'rtp', withinMs: 2000, repeats: false },
  { road: 'info', after: 'inband', withinMs: 2000, repeats: false },
  { road: 'inband', after: 'rtp', withinMs: 1000, repeats: true },
  { road: 'inband', after: 'info', withinMs: 2000, repeats: true },
]

/** How far apart `road` and `after` may tell of one press, ms. */
export function withinMs(road: DtmfRoad, after: DtmfRoad): number {
  return sameDigitRules.find(rule => rule.road === road && rule.after === after)?.withinMs ?? 0
}

interface Press {
  readonly digit: string
  readonly roads: Set<DtmfRoad>
  readonly startMs: number
  endMs: number
}

/** Presses remembered: more than fit into the longest window at 80 ms each. */
const HISTORY = 32

/** Makes one stream of what several roads report: each press once, by the road that told of it first. Times are on one clock, ms. */
export class DigitMerge {
  readonly #presses: Press[] = []
  /** What is pressed at the moment, by road and digit, as far as it is that road's to tell. */
  readonly #open: Map<string, Press> = new Map()
  #merged = 0

  /** Reports that told of a press known already. */
  get merged(): number {
    return this.#merged
  }

  /** A press begins; false when it is known from another road. */
  start(road: DtmfRoad, digit: string, startMs: number): boolean {
    const known = this.#find(road, digit, startMs)
    if (known !== undefined) {
      known.roads.add(road)
      this.#merged += 1
      return false
    }
    const press: Press = { digit, roads: new Set([road]), startMs, endMs: Infinity }
    this.#presses.push(press)
    if (this.#presses.length > HISTORY) this.#presses.shift()
    this.#open.set(road + digit, press)
    return true
  }

  /** The press that `start` told of ends after so long: when it began; undefined when it is another road's to tell. */
  end(road: DtmfRoad, digit: string, durationMs: number): number | undefined {
    const press = this.#open.get(road + digit)
    if (press === undefined) return undefined
    this.#open.delete(road + digit)
    press.endMs = press.startMs + durationMs
    return press.startMs
  }

  #find(road: DtmfRoad, digit: string, startMs: number): Press | undefined {
    return this.#presses.find(
      press =>
        press.digit === digit &&
        sameDigitRules.some(
          rule =>
            rule.road === road &&
            press.roads.has(rule.after) &&
            (rule.repeats || !press.roads.has(road)) &&
            startMs >= press.startMs - rule.withinMs &&
            startMs <= press.endMs + rule.withinMs,
        ),
    )
  }
}
