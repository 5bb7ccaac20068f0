import { JitterBuffer } from '../../../src/media/rtp/jitter-buffer.ts'
import type { JitterBufferOptions } from '../../../src/media/rtp/jitter-options.ts'
import type { JitterBufferSnapshot, PlayoutKind } from '../../../src/media/rtp/playout.ts'

/**
 * A language for jitter-buffer sessions. A session is a list of ticks of 20 ms, separated by blanks; a tick is a list of
 * letters, done in order at the same time. `(...)xN` repeats ticks, and `tick*N` one tick.
 *
 * p  a packet arrives            l  a packet is lost on the way     d  the last packet arrives once more
 * h  a packet is held back       u  all held packets arrive         o  a packet of 300 ms ago arrives once more
 * s  the sender is silent, its clock goes on (no packet)            z  its clock stands still for this tick, no packet
 * m  the next packet has the marker                                 e  a packet that is no audio (a telephone event)
 * n  a comfort-noise packet                                         v  a packet with a payload that cannot be played
 * J  the timestamps jump ahead by an hour, j back by one            R  sequence numbers and timestamps start anew
 * S  a new source (SSRC)         k  a stray far off the sequence    1 3 6 packets of 10, 30, 60 ms from now on, 2 of 20
 * f  a packet that can recover the one before it (in-band FEC)
 * g  20 ms are played; what is to be stretched is, by 5 ms
 */
export interface SessionResult {
  /** What a listener gets, one letter per result of 20 ms: # sound (< shrunk, > grown), r recovered, c concealed, _ silence, n noise. */
  heard: string
  /** Packets played, by the order in which they were sent. */
  played: number[]
  sent: number
  stats: JitterBufferSnapshot
  /** The longest time between the sending and the playing of a packet, ms. */
  longestMs: number
}

interface Wire {
  id: number
  at: number
  sequence: number
  timestamp: number
  payload: Uint8Array
  payloadType: number
  marker: boolean
  ssrc: number
}

export const COMFORT_NOISE = 13
const UNITS_PER_MS = 8

/** G.711, in ms: eight octets each; an empty payload cannot be played. */
export const g711Duration = (payload: Uint8Array): number => payload.length / 8

const FEC = 96
const STRETCH_MS = 5
const letterOf: Record<PlayoutKind, string> = {
  normal: '#',
  shrink: '<',
  grow: '>',
  recover: 'r',
  conceal: 'c',
  silence: '_',
  noise: 'n',
}

export function runSession(text: string, options: Partial<JitterBufferOptions> = {}): SessionResult {
  const buffer = new JitterBuffer({
    clockRate: 8000,
    durationMsOf: g711Duration,
    isNoise: (_, payloadType) => payloadType === COMFORT_NOISE,
    recovers: payloadType => payloadType === FEC,
    ...options,
  })
  let now = 5000
  let sequence = 65_500
  let timestamp = 0xffff_ff00
  let ssrc = 1
  let packetMs = 20
  let marker = false
  let untilPacket = 0
  const sent: Wire[] = []
  const held: Wire[] = []
  const played: number[] = []
  let heard = ''
  let stock = 0
  let longestMs = 0

  const make = (length: number, payloadType = 0): Wire => {
    const payload = new Uint8Array(length)
    const id = sent.length
    if (length >= 4) new DataView(payload.buffer).setUint32(0, id)
    const packet = { id, at: now, sequence, timestamp: timestamp >>> 0, payload, payloadType, marker, ssrc }
    sent.push(packet)
    marker = false
    sequence = (sequence + 1) & 0xffff
    return packet
  }
  const arrive = (packet: Wire | undefined): void => {
    if (packet === undefined) return
    buffer.push(
      packet.sequence,
      packet.timestamp,
      packet.payload,
      packet.payloadType,
      packet.marker,
      packet.ssrc,
      now,
    )
  }
  /** The packets that a tick of 20 ms makes at the present packet time. */
  const tick = (deliver: (packet: Wire) => void): void => {
    untilPacket += 20
    while (untilPacket >= packetMs) {
      untilPacket -= packetMs
      deliver(make(packetMs * UNITS_PER_MS))
      timestamp += packetMs * UNITS_PER_MS
    }
  }
  const note = (payload: Uint8Array): void => {
    const id = new DataView(payload.buffer).getUint32(0)
    played.push(id)
    longestMs = Math.max(longestMs, now - sent[id]!.at)
  }
  const listen = (): void => {
    while (stock < 20) {
      const { kind, durationMs, payload, stretchMs } = buffer.pull(now, 20 - stock)
      stock += durationMs
      heard += letterOf[kind]
      if (kind === 'normal' || kind === 'shrink' || kind === 'grow') note(payload)
      if (kind === 'shrink' || kind === 'grow') {
        const follower = kind === 'shrink' ? buffer.follow() : undefined
        if (follower !== undefined) {
          stock += follower.durationMs
          heard += '#'
          note(follower.payload)
        }
        const ms = Math.min(STRETCH_MS, stretchMs) * (kind === 'shrink' ? -1 : 1)
        stock += ms
        buffer.stretched(ms, false, now)
      }
    }
    stock -= 20
  }
  const letters: Record<string, () => void> = {
    p: () => tick(arrive),
    l: () => tick(() => {}),
    h: () => tick(packet => held.push(packet)),
    u: () => held.splice(0).forEach(arrive),
    d: () => arrive(sent.at(-1)),
    o: () => arrive(sent.at(-15)),
    s: () => (timestamp += 160),
    z: () => {},
    m: () => (marker = true),
    e: () => buffer.pushOther(sequence++ & 0xffff, ssrc),
    n: () => {
      arrive(make(1, COMFORT_NOISE))
      timestamp += 160
    },
    v: () => {
      arrive(make(0))
      timestamp += 160
    },
    J: () => (timestamp += 3600 * 8000),
    j: () => (timestamp -= 3600 * 8000),
    R: () => {
      sequence = (sequence + 20_000) & 0xffff
      timestamp += 123_456_789
    },
    S: () => {
      ssrc += 1
      sequence = (sequence + 31_000) & 0xffff
      timestamp += 987_654_321
    },
    k: () => {
      buffer.push((sequence + 30_000) & 0xffff, timestamp >>> 0, new Uint8Array(160), 0, false, ssrc, now)
    },
    1: () => (packetMs = 10),
    2: () => (packetMs = 20),
    3: () => (packetMs = 30),
    6: () => (packetMs = 60),
    f: () => {
      arrive(make(packetMs * UNITS_PER_MS, FEC))
      timestamp += packetMs * UNITS_PER_MS
    },
    g: listen,
  }
  for (const group of expand(text)) {
    for (const letter of group) {
      const act = letters[letter]
      if (act === undefined) throw new Error(`no letter ${letter} in the session language`)
      act()
    }
    now += 20
  }
  return { heard, played, sent: sent.length, stats: buffer.snapshot(), longestMs }
}

function expand(text: string): string[] {
  const flat = text.replaceAll(/\(([^()]*)\)x(\d+)/g, (_, inner: string, count: string) =>
    `${inner} `.repeat(Number(count)),
  )
  return flat
    .trim()
    .split(/\s+/)
    .flatMap(group => {
      const [letters = '', count = '1'] = group.split('*')
      return Array.from({ length: Number(count) }, () => letters)
    })
}

/** `###cc#` as `3#2c1#`. */
export function runs(heard: string): string {
  return heard.replaceAll(/(.)\1*/g, run => `${run.length}${run[0]}`)
}
