import { JitterBuffer } from '../../../src/media/rtp/jitter-buffer.ts'
import type { JitterBufferOptions } from '../../../src/media/rtp/jitter-options.ts'
import type { JitterBufferSnapshot } from '../../../src/media/rtp/playout.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { g711Duration } from './jitter-session.ts'

export interface StreamConditions {
  packets: number
  seed: number
  /** Each packet is delayed by 0 … this, evenly spread: packets overtake each other. */
  jitterMs?: number
  /** Shares of the packets. */
  loss?: number
  duplicate?: number
  /** How much faster the receiver's clock runs. */
  driftPpm?: number
  /** Chance that a silence of up to a second begins before a packet, and that the source changes. */
  silence?: number
  switches?: number
  packetMs?: number
  /** How much of what is to be stretched is, ms; 0 for sound that cannot be. Default 8. */
  stretchMs?: number
  options?: JitterBufferOptions
}

export interface StreamResult {
  stats: JitterBufferSnapshot
  /** Packets that arrived, duplicates not counted. */
  arrived: number
  played: number
  /** Every packet played was sent after the one played before it. */
  ordered: boolean
  deepest: number
  longestResultMs: number
  /** Longest time from sending to playing, ms. */
  longestDelayMs: number
  /** A letter per result. */
  heard: string
}

interface Arrival {
  at: number
  sentAt: number
  sequence: number
  timestamp: number
  ssrc: number
  payload: Uint8Array
}

const MAX_SWITCH_JITTER_MS = 100

/** One stream over a bad network into a jitter buffer that is pulled every 20 ms. */
export function simulateStream(conditions: StreamConditions): StreamResult {
  const {
    jitterMs = 0,
    loss = 0,
    duplicate = 0,
    driftPpm = 0,
    silence = 0,
    switches = 0,
    packetMs = 20,
    stretchMs = 8,
  } = conditions
  const random = seededRandom(conditions.seed)
  const buffer = new JitterBuffer(conditions.options ?? { clockRate: 8000, durationMsOf: g711Duration })
  const arrivals: Arrival[] = []
  let arrived = 0
  let time = 0
  let ssrc = 1
  let switchedAt = 0
  let sequence = random.integer(0, 0xffff)
  let timestamp = random.uint32()
  for (let id = 0; id < conditions.packets; id += 1) {
    let opens = false
    if (random.float() < silence) {
      const pause = random.integer(1, 50) * 20
      time += pause
      timestamp += pause * 8
    }
    // Not two within the jitter, nor any in a network worse than that: which of two sources shuffled together is the newer
    // cannot be known.
    if (random.float() < switches && time - switchedAt > 2 * jitterMs && jitterMs <= MAX_SWITCH_JITTER_MS) {
      switchedAt = time
      opens = true
      ssrc += 1
      sequence = random.integer(0, 0xffff)
      timestamp = random.uint32()
    }
    const payload = new Uint8Array(packetMs * 8)
    new DataView(payload.buffer).setUint32(0, id)
    const sentAt = time * (1 + driftPpm / 1e6)
    const packet = { sentAt, sequence: sequence & 0xffff, timestamp: timestamp >>> 0, ssrc, payload }
    // A source of which nothing came before it was left again cannot be told from a new one.
    if (random.float() >= loss || opens) {
      arrivals.push({ ...packet, at: sentAt + random.float() * jitterMs })
      arrived += 1
      if (random.float() < duplicate) arrivals.push({ ...packet, at: sentAt + random.float() * jitterMs })
    }
    sequence += 1
    timestamp += packetMs * 8
    time += packetMs
  }
  arrivals.sort((a, b) => a.at - b.at)

  const sentAt = new Map(
    arrivals.map(({ payload, sentAt }) => [new DataView(payload.buffer).getUint32(0), sentAt]),
  )
  let next = 0
  let last = -1
  let played = 0
  let ordered = true
  let deepest = 0
  let stock = 0
  let longestResultMs = 0
  let longestDelayMs = 0
  const heard: string[] = []
  for (let now = 7; now < time * Math.min(1, 1 + driftPpm / 1e6) + jitterMs; now += 20) {
    for (; next < arrivals.length && arrivals[next]!.at <= now; next += 1) {
      const { sequence, timestamp, payload, ssrc, at } = arrivals[next]!
      buffer.push(sequence, timestamp, payload, 0, false, ssrc, at)
    }
    deepest = Math.max(deepest, buffer.depth)
    const note = (payload: Uint8Array): void => {
      const id = new DataView(payload.buffer).getUint32(0)
      if (id <= last) ordered = false
      last = id
      played += 1
      longestDelayMs = Math.max(longestDelayMs, now - sentAt.get(id)!)
    }
    while (stock < 20) {
      const result = buffer.pull(now, 20 - stock)
      const { kind, durationMs, stretchMs: most } = result
      stock += durationMs
      longestResultMs = Math.max(longestResultMs, durationMs)
      heard.push(kind[0]!)
      if (kind !== 'normal' && kind !== 'shrink' && kind !== 'grow') continue
      note(result.payload)
      if (kind === 'normal') continue
      const follower = kind === 'shrink' ? buffer.follow() : undefined
      if (follower !== undefined) {
        stock += follower.durationMs
        note(follower.payload)
      }
      const ms = Math.min(stretchMs, most) * (kind === 'shrink' ? -1 : 1)
      stock += ms
      if (ms !== 0) buffer.stretched(ms, false, now)
    }
    stock -= 20
  }
  return {
    stats: buffer.snapshot(),
    arrived,
    played,
    ordered,
    deepest,
    longestResultMs,
    longestDelayMs,
    heard: heard.join(''),
  }
}
