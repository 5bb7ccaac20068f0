/**
 * Networks that the play-out was not tuned with: other families than those of bench/traces, and other seeds. Two minutes of 20 ms
 * packets each; seeded, the same on every machine. What a model may do:
 *
 * - everyday jitter, two evenly spread delays added, and a heavy tail (Pareto)
 * - a grid: packets leave together every so many ms, as a base station schedules them; some need another round (HARQ)
 * - stalls of random length at random moments, after which all comes at once: handovers, spikes of mobile networks
 * - a queue that fills and drains again and again (bufferbloat)
 * - Gilbert-Elliott loss; a sender's clock off by so many ppm; in-order delivery
 */

import { seededRandom } from '../../src/testing/seeded-random.ts'
import type { Trace } from './trace.ts'

export interface NetworkModel {
  readonly name: string
  readonly seed: number
  readonly delayMs?: number
  readonly jitterMs: number
  readonly tailMs?: number
  readonly gridMs?: number
  readonly anotherRound?: number
  /** Mean time between stalls, and their least and greatest length, ms. */
  readonly stallEveryMs?: number
  readonly stallMs?: readonly [number, number]
  /** Period of the queue, ms; it fills to `queueMs` over four fifths of `queueBusyMs` and drains over the last. */
  readonly queueEveryMs?: number
  readonly queueBusyMs?: number
  readonly queueMs?: number
  /** Chance per packet to go bad and good again, and the loss in the bad state; a tenth of a percent otherwise. */
  readonly toBad?: number
  readonly toGood?: number
  readonly badLoss?: number
  readonly driftPpm?: number
}

export const heldOutNetworks: readonly NetworkModel[] = [
  { name: 'office LAN', seed: 401, jitterMs: 0.8 },
  {
    name: 'LTE, scheduled every 10 ms, handovers',
    seed: 402,
    jitterMs: 3,
    gridMs: 10,
    anotherRound: 0.1,
    stallEveryMs: 18_000,
    stallMs: [60, 130],
  },
  {
    name: 'mobile, spikes of 100-300 ms',
    seed: 403,
    jitterMs: 6,
    tailMs: 1,
    stallEveryMs: 9000,
    stallMs: [100, 300],
  },
  {
    name: 'Wi-Fi, bursts of loss',
    seed: 404,
    jitterMs: 5,
    tailMs: 1.5,
    stallEveryMs: 20_000,
    stallMs: [40, 100],
    toBad: 0.004,
    toGood: 0.15,
    badLoss: 0.4,
  },
  {
    name: 'DSL, bufferbloat to 200 ms',
    seed: 405,
    jitterMs: 3,
    queueEveryMs: 15_000,
    queueBusyMs: 5000,
    queueMs: 200,
  },
  { name: 'satellite, 300 ms', seed: 406, delayMs: 300, jitterMs: 6, tailMs: 0.5 },
  { name: 'clock 200 ppm slow', seed: 407, jitterMs: 4, driftPpm: 200 },
  { name: 'clock 200 ppm fast', seed: 408, jitterMs: 4, driftPpm: -200 },
]

const packets = 6000
const packetMs = 20
const tailCapMs = 100

export function traceOfModel(model: NetworkModel): Trace {
  const { delayMs = 20, tailMs = 0.2, gridMs = 0, anotherRound = 0, driftPpm = 0, badLoss = 0 } = model
  const { stallEveryMs = Infinity, stallMs = [0, 0], queueEveryMs = Infinity, queueBusyMs = 0 } = model
  const random = seededRandom(model.seed)
  const between = (least: number, most: number): number => least + random.float() * (most - least)
  const arrivals: { at: number; sequence: number }[] = []
  let bad = false
  let last = 0
  let stallAt = between(0.5, 1.5) * stallEveryMs
  let stallEnds = 0
  for (let sequence = 0; sequence < packets; sequence += 1) {
    if (random.float() < (bad ? (model.toGood ?? 1) : (model.toBad ?? 0))) bad = !bad
    const sent = sequence * packetMs * (1 + driftPpm / 1e6)
    let at = sent + delayMs + (random.float() + random.float()) * model.jitterMs
    at += Math.min(tailCapMs, tailMs * (random.float() ** -0.7 - 1))
    const into = sent % queueEveryMs
    if (into < queueBusyMs) at += (model.queueMs ?? 0) * fill(into / queueBusyMs)
    if (random.float() < anotherRound) at += 8
    if (gridMs > 0) at = Math.ceil(at / gridMs) * gridMs
    if (at >= stallAt) {
      stallEnds = stallAt + between(stallMs[0], stallMs[1])
      stallAt += between(0.5, 1.5) * stallEveryMs
    }
    at = Math.max(last, at, at < stallEnds ? stallEnds : 0)
    if (random.float() < (bad ? badLoss : model.toBad === undefined ? 0 : 0.001)) continue
    last = at
    arrivals.push({ at: Math.round(at * 10) / 10, sequence })
  }
  return { name: model.name, packetMs, size: 160, driftPpm, arrivals }
}

function fill(part: number): number {
  return part < 0.8 ? part / 0.8 : (1 - part) * 5
}
