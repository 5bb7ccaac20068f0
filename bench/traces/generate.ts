/**
 * Writes the traces beside this file anew: `node dist/bench/traces/generate.js`. They are models, not captures: seeded, and
 * the same on every machine. 20 ms packets for two minutes each, through
 *
 * - a Gilbert-Elliott channel: two states, each with a loss of its own
 * - a heavy-tailed (Pareto) delay on top of a little Gaussian-like jitter
 * - stalls in which nothing arrives, and after which all comes at once: off-channel scans in a row on Wi-Fi, handovers on LTE,
 *   queues that build up on a busy line
 * - in-order delivery, as radio links and queues have it
 * - a sender's clock that is slow by so many ppm
 */

import { writeFileSync } from 'node:fs'
import { seededRandom } from '../../src/testing/seeded-random.ts'

interface Model {
  readonly seed: number
  /** Half-width of the everyday jitter, ms, and the scale and cap of the heavy tail. */
  readonly jitterMs: number
  readonly tailMs: number
  readonly tailCapMs: number
  /** Gilbert-Elliott: chance per packet to go bad and to go good again, and the loss in either state. */
  readonly toBad: number
  readonly toGood: number
  readonly goodLoss: number
  readonly badLoss: number
  /** Extra delay per packet in the bad state: a queue builds up by so many ms per packet, up to the cap. */
  readonly queueMs: number
  readonly queueCapMs: number
  /** Every so often so many stalls of that length, so far apart from end to begin. */
  readonly stallEveryMs: number
  readonly stalls: number
  readonly stallMs: number
  readonly stallGapMs: number
  readonly driftPpm: number
}

const calm = { jitterMs: 1, tailMs: 0.3, tailCapMs: 10, toBad: 0, toGood: 1, goodLoss: 0, badLoss: 0 }
const still = { queueMs: 0, queueCapMs: 0, stallEveryMs: Infinity, stalls: 0, stallMs: 0, stallGapMs: 0 }

const models: Readonly<Record<string, Model>> = {
  lan: { ...calm, ...still, seed: 11, driftPpm: 0 },
  wifi: {
    ...still,
    seed: 12,
    jitterMs: 4,
    tailMs: 1.2,
    tailCapMs: 80,
    toBad: 0.002,
    toGood: 0.1,
    goodLoss: 0.001,
    badLoss: 0.1,
    stallEveryMs: 24_000,
    stalls: 6,
    stallMs: 130,
    stallGapMs: 180,
    driftPpm: 20,
  },
  lte: {
    seed: 13,
    jitterMs: 6,
    tailMs: 1.5,
    tailCapMs: 60,
    toBad: 0.0006,
    toGood: 0.03,
    goodLoss: 0,
    badLoss: 0.01,
    queueMs: 4,
    queueCapMs: 70,
    stallEveryMs: 37_000,
    stalls: 2,
    stallMs: 150,
    stallGapMs: 260,
    driftPpm: -15,
  },
  bursty: {
    seed: 14,
    jitterMs: 3,
    tailMs: 0.8,
    tailCapMs: 60,
    toBad: 0.0008,
    toGood: 0.02,
    goodLoss: 0.002,
    badLoss: 0.08,
    queueMs: 3,
    queueCapMs: 120,
    stallEveryMs: Infinity,
    stalls: 0,
    stallMs: 0,
    stallGapMs: 0,
    driftPpm: 0,
  },
  drifting: { ...calm, ...still, seed: 15, jitterMs: 3, driftPpm: 300 },
}

const packets = 6000
const packetMs = 20

for (const [name, model] of Object.entries(models)) {
  writeFileSync(new URL(`../../../bench/traces/${name}.trace`, import.meta.url), traceOf(name, model))
}

function traceOf(name: string, model: Model): string {
  const random = seededRandom(model.seed)
  const tokens: string[] = []
  let bad = false
  let queue = 0
  let lastArrival = 0
  let lastTenths = 0
  let lastSequence = -1
  for (let sequence = 0; sequence < packets; sequence += 1) {
    if (random.float() < (bad ? model.toGood : model.toBad)) bad = !bad
    queue = bad ? Math.min(model.queueCapMs, queue + model.queueMs) : Math.max(0, queue - 6)
    const everyday = (random.float() + random.float()) * model.jitterMs
    const tail = Math.min(model.tailCapMs, model.tailMs * (random.float() ** -0.7 - 1))
    const sent = sequence * packetMs * (1 + model.driftPpm / 1e6)
    const arrival = Math.max(lastArrival, stalled(sent + 20 + everyday + tail + queue, model))
    if (random.float() < (bad ? model.badLoss : model.goodLoss)) continue
    lastArrival = arrival
    const tenths = Math.round(arrival * 10)
    const step = sequence - lastSequence
    tokens.push(`${tenths - lastTenths}${step === 1 ? '' : `+${step}`}`)
    lastTenths = tenths
    lastSequence = sequence
  }
  const lines = [
    `# ${name}: a model, not a capture; made by generate.ts, which says how`,
    '# each packet: tenths of a ms since the one before, +n when the sequence number is n further',
    `packet-ms ${packetMs} size 160 drift-ppm ${model.driftPpm}`,
  ]
  for (let at = 0; at < tokens.length; at += 24) lines.push(tokens.slice(at, at + 24).join(' '))
  return `${lines.join('\n')}\n`
}

/** What would arrive during a stall arrives when it is over. */
function stalled(at: number, { stallEveryMs, stalls, stallMs, stallGapMs }: Model): number {
  if (stalls === 0) return at
  const into = (at % stallEveryMs) - stallEveryMs / 2
  const period = stallMs + stallGapMs
  if (into < 0 || into >= stalls * period || into % period >= stallMs) return at
  return at + stallMs - (into % period)
}
