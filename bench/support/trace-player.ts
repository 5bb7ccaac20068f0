import { readFileSync } from 'node:fs'
import { PCMU } from '../../src/media/codec/g711.ts'
import type { NegotiatedAudio } from '../../src/media/sdp/negotiated.ts'
import { PlayOut } from '../../src/media/session/play-out.ts'
import { type Trace, baseOf } from './trace.ts'

/** What a listener got of a trace. */
export interface TraceResult {
  /** From the fastest arrival possible to the ear, over all packets played, ms. */
  readonly meanDelayMs: number
  readonly lateLoss: number
  readonly concealedMs: number
  /** Share of the time by which sound was played shorter or longer. */
  readonly stretched: number
  readonly playedMs: number
}

/** After so many late packets in a row a fixed buffer begins anew. */
const lateRun = 5

/** A fixed buffer of `fixedDelayMs` at its best: it knows the fastest packet from the start, and begins anew when drift has emptied it. */
export function playFixed(trace: Trace, fixedDelayMs: number): TraceResult {
  const { arrivals, packetMs } = trace
  const base = baseOf(trace)
  let offset = base(0) + fixedDelayMs
  let late = 0
  let inRow = 0
  let played = 0
  let delay = 0
  for (const { at, sequence } of arrivals) {
    const sent = sequence * packetMs
    if (at > sent + offset) {
      late += 1
      inRow += 1
      if (inRow === lateRun) {
        offset = Math.max(offset, base(sent) + fixedDelayMs)
        inRow = 0
      }
      continue
    }
    inRow = 0
    played += 1
    delay += offset - base(sent)
  }
  const sentPackets = (arrivals.at(-1)?.sequence ?? 0) + 1
  return {
    meanDelayMs: delay / played,
    lateLoss: late,
    concealedMs: (sentPackets - played) * packetMs,
    stretched: 0,
    playedMs: played * packetMs,
  }
}

/** The trace through the play-out of a call: real speech in G.711, 20 ms frames, virtual time. */
export function playAdaptive(trace: Trace): TraceResult {
  const { arrivals, packetMs } = trace
  const base = baseOf(trace)
  const first = arrivals[0]!
  const payloads = speech()
  const playOut = new PlayOut({ codecs: [PCMU], sampleRate: 8000, frameMs: 20 }, 8000)
  playOut.configure({
    receivePayloadTypes: new Map([[0, { name: 'PCMU', clockRate: 8000, channels: 1 }]]),
    receiveTelephoneEvents: new Map(),
  } as unknown as NegotiatedAudio)
  const out = new Int16Array(160)
  const end = arrivals.at(-1)!.at
  let next = 0
  let delay = 0
  let count = 0
  for (let now = first.at + 7; now < end; now += 20) {
    for (; next < arrivals.length && arrivals[next]!.at <= now; next += 1) {
      const { at, sequence } = arrivals[next]!
      const payload = payloads[sequence % payloads.length]!.slice()
      playOut.jitter.push(sequence & 0xffff, sequence * packetMs * 8, payload, 0, false, 1, at)
    }
    const before = playOut.jitter.snapshot().played
    playOut.frame(now, out)
    const { played, delayMs, baselineMs } = playOut.jitter.snapshot()
    if (played === before) continue
    // The buffer counts from its first packet, which may have been slow.
    const sent = now - base(now)
    delay += delayMs + baselineMs + (first.at - first.sequence * packetMs) - base(sent)
    count += 1
  }
  const stats = playOut.jitter.snapshot()
  if (stats.resyncs > 0) throw new Error('the buffer began anew in the middle of a trace')
  const playedMs = stats.played * packetMs
  return {
    meanDelayMs: delay / count,
    lateLoss: stats.late,
    concealedMs: stats.concealedMs,
    stretched: (stats.acceleratedMs + stats.expandedMs) / playedMs,
    playedMs,
  }
}

/** The greeting of the demo and a second of pause after it, in G.711 packets of 20 ms. */
function speech(): readonly Uint8Array[] {
  const file = readFileSync(new URL('../../../assets/menu-welcome.wav', import.meta.url))
  const rate = file.readUInt32LE(24)
  const step = rate / 8000
  const samples = Int16Array.from({ length: Math.floor((file.length - 44) / 2 / step) + 8000 }, (_, i) => {
    const at = 44 + 2 * Math.round(i * step)
    return at + 2 <= file.length ? file.readInt16LE(at) : 0
  })
  const encoder = PCMU.encoder()
  const packets: Uint8Array[] = []
  for (let at = 0; at + 160 <= samples.length; at += 160) {
    const payload = new Uint8Array(160)
    encoder.encode(samples.subarray(at, at + 160), payload)
    packets.push(payload)
  }
  return packets
}
