/**
 * Two-way G.711 calls through an echo: CPU time per packet in and out against bare sockets, how exactly the packets
 * leave, and what a call keeps in memory.
 */

import { type BenchLine, type BenchOptions, benchLine, median } from './harness.ts'
import { BenchCaller } from './support/caller.ts'
import { MeasuredChild } from './support/measured-child.ts'
import { RtpLoad } from './support/rtp-load.ts'
import { voiceOf } from './support/voices.ts'

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const echoCalls = new URL(`./children/offhook-echo.${extension}`, import.meta.url)
const bareEcho = new URL(`./reference/udp-echo.${extension}`, import.meta.url)

/** Before anything is counted: code is compiled for as long as it is warming up, which no call pays for later. */
const settlingMs = 3000

/** A server's side of one round: its CPU time per packet pair and what it kept per call meanwhile. */
interface Round {
  readonly microsPerPair: number
  readonly kilobytesPerCall: number
  /** Packets that came back, of those sent: 1 unless the machine was too busy for the load. */
  readonly returned: number
  readonly counts: Readonly<Record<string, number>>
}

export async function run({ short }: BenchOptions): Promise<readonly BenchLine[]> {
  const sizes = short ? [20] : [50, 200, 500]
  const rounds = short ? 1 : 3
  const durationMs = short ? 1000 : 4000
  const lines: BenchLine[] = []
  for (const calls of sizes) {
    const ours: Round[] = []
    const reference: Round[] = []
    for (let round = 0; round < rounds; round += 1) {
      const measured = [
        async () => void ours.push(await measureCalls(calls, durationMs)),
        async () => void reference.push(await measureBareEcho(calls, durationMs)),
      ]
      for (const next of round % 2 === 0 ? measured : measured.toReversed()) await next()
    }
    lines.push(
      benchLine({
        name: `${calls} echo calls, packet in and out`,
        figure: median(ours.map(({ microsPerPair }) => microsPerPair)),
        unit: 'µs CPU/pair',
        reference: {
          name: 'bare node:dgram',
          figure: median(reference.map(({ microsPerPair }) => microsPerPair)),
        },
        limit: { maxRatio: 1.5 },
        note: `${rounds} × ${durationMs / 1000} s, ${calls * 50} packets/s each way, ${returnedPercent(ours)} % came back (reference ${returnedPercent(reference)} %)`,
      }),
      benchLine({
        name: `${calls} echo calls, memory`,
        figure: median(ours.map(({ kilobytesPerCall }) => kilobytesPerCall)),
        unit: 'kB/call',
        reference: {
          name: 'bare node:dgram',
          figure: median(reference.map(({ kilobytesPerCall }) => kilobytesPerCall)),
        },
        note: 'heap and buffers after a collection, calls up',
      }),
      ...(await measurePacing(calls, durationMs)),
    )
  }
  return lines
}

function returnedPercent(rounds: readonly Round[]): string {
  return (median(rounds.map(({ returned }) => returned)) * 100).toFixed(1)
}

async function measureCalls(calls: number, durationMs: number): Promise<Round> {
  return withCalls(calls, [], (child, load, heapBefore) =>
    measureRound(child, load, { calls, durationMs, heapBefore }),
  )
}

async function measureBareEcho(calls: number, durationMs: number): Promise<Round> {
  const child = await MeasuredChild.start(bareEcho, [String(calls)])
  const load = await openLoad(calls)
  try {
    load.aimAt(child.ports)
    const { counts } = await child.usage()
    return await measureRound(child, load, { calls, durationMs, heapBefore: counts['heapBefore'] ?? 0 })
  } finally {
    await load.stop()
    load.close()
    await child.stop()
  }
}

/** When the echo's packets leave against when they were due; its own process, because looking costs time. */
async function measurePacing(calls: number, durationMs: number): Promise<readonly BenchLine[]> {
  const { counts } = await withCalls(calls, ['--pacing'], (child, load, heapBefore) =>
    measureRound(child, load, { calls, durationMs, heapBefore }),
  )
  return ['p50', 'p99'].map(name => ({
    name: `${calls} echo calls, pacing error ${name}`,
    figure: counts[name] ?? Number.NaN,
    unit: 'ms',
  }))
}

/** Something like speech, with its pauses. */
async function openLoad(calls: number): Promise<RtpLoad> {
  const { voice } = await voiceOf('PCMU')
  return RtpLoad.open(calls, voice)
}

async function withCalls<T>(
  calls: number,
  args: readonly string[],
  work: (child: MeasuredChild, load: RtpLoad, heapBefore: number) => Promise<T>,
): Promise<T> {
  const child = await MeasuredChild.start(echoCalls, args)
  const load = await openLoad(calls)
  const caller = await BenchCaller.open(child.ports[0] ?? 0)
  try {
    const { heapBytes } = await child.usage({ collect: true })
    load.aimAt(await caller.place(load.ports))
    const result = await work(child, load, heapBytes)
    await caller.hangUpAll()
    return result
  } finally {
    caller.close()
    await load.stop()
    load.close()
    await child.stop()
  }
}

async function measureRound(
  child: MeasuredChild,
  load: RtpLoad,
  {
    calls,
    durationMs,
    heapBefore,
  }: { readonly calls: number; readonly durationMs: number; readonly heapBefore: number },
): Promise<Round> {
  load.start()
  await load.count(settlingMs)
  let received = 0
  let sent = 0
  const cpuMicros = await child.during(async () => {
    ;({ received, sent } = await load.count(durationMs))
  })
  const { heapBytes, counts } = await child.usage({ collect: true })
  return {
    microsPerPair: cpuMicros / ((sent + received) / 2),
    returned: received / sent,
    kilobytesPerCall: (heapBytes - heapBefore) / 1000 / calls,
    counts,
  }
}
