import * as fc from 'fast-check'
import t from 'tap'
import { JitterBuffer } from '../../../src/media/rtp/jitter-buffer.ts'
import type { JitterBufferOptions } from '../../../src/media/rtp/jitter-options.ts'
import type { JitterBufferSnapshot } from '../../../src/media/rtp/playout.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { COMFORT_NOISE, g711Duration, runs, runSession } from './jitter-session.ts'
import { simulateStream } from './jitter-stream.ts'

interface Row {
  name: string
  session: string
  options?: Partial<JitterBufferOptions>
  /** What is heard, in runs; the delay is 60 ms at least unless the row says otherwise, so that what happens stands out. */
  heard: string
  stats?: Partial<JitterBufferSnapshot>
  /** How many of the packets are never played, those still waiting aside. Default 0. */
  unplayed?: number
  /** Bound of the time from sending to playing, ms. Default 60. */
  longestMs?: number
}

// The letters are explained in jitter-session.ts.
const rows: Row[] = [
  { name: 'a steady stream', session: 'pg*30', heard: '3_27#', stats: { lost: 0, depth: 3, delayMs: 60 } },
  {
    name: 'a steady stream, as it is without settings: 20 ms, and nothing is ever stretched',
    session: 'pg*3000',
    options: { minDelayMs: 20 },
    heard: '1_2999#',
    stats: { lost: 0, depth: 1, delayMs: 20, acceleratedMs: 0, expandedMs: 0 },
    longestMs: 20,
  },
  { name: 'nothing has come yet', session: 'g*5', heard: '5_', stats: { concealedMs: 0, silenceMs: 100 } },
  {
    name: 'one lost',
    session: 'pg*10 lg pg*20',
    heard: '3_10#1c17#',
    stats: { lost: 1, concealedFrames: 1 },
    unplayed: 1,
  },
  {
    name: 'three lost in a row',
    session: 'pg*10 lg*3 pg*20',
    heard: '3_9#1>3c17#',
    stats: { lost: 3 },
    unplayed: 3,
  },
  {
    name: 'a long loss is concealed for a while, then silent',
    session: 'pg*10 lg*20 pg*20',
    heard: '3_9#1>7c14_17#',
    stats: { lost: 20, underruns: 1 },
    unplayed: 20,
  },
  {
    name: 'every other one lost',
    session: 'pg*10 (lg pg)x5 pg*9',
    heard: '3_10#1c1#1c1#1c1#1c1#1c7#',
    stats: { lost: 5 },
    unplayed: 5,
  },
  {
    name: 'two the wrong way round',
    session: 'pg*10 hg pug pg*20',
    heard: '3_29#',
    stats: { lost: 0, late: 0 },
  },
  { name: 'one late by 40 ms', session: 'pg*10 hg pg pug pg*20', heard: '3_30#', stats: { late: 0 } },
  {
    name: 'one that comes after its time',
    session: 'pg*20 hg pg*4 pug pg*20',
    heard: '3_20#1c22#',
    stats: { lost: 1, late: 1 },
    unplayed: 1,
  },
  {
    name: 'the first packets the wrong way round',
    session: 'hg pug pg*20',
    heard: '3_19#',
    stats: { lost: 0, late: 0 },
  },
  {
    name: 'a duplicate of the newest',
    session: 'pg*10 dg pg*10',
    heard: '3_18#',
    stats: { duplicates: 1 },
  },
  { name: 'everything twice', session: 'pdg*20', heard: '3_17#', stats: { duplicates: 20 } },
  {
    name: 'a duplicate of one already played',
    session: 'pg*20 (pog)x20',
    heard: '3_37#',
    stats: { duplicates: 20, late: 0 },
  },
  {
    name: 'round the wrap of sequence number and timestamp',
    session: 'pg*200',
    heard: '3_197#',
    stats: { lost: 0, resyncs: 0 },
  },
  {
    name: 'two turns of the sequence number',
    session: 'pg*140000',
    heard: '3_139997#',
    stats: { lost: 0, resyncs: 0 },
  },
  {
    name: 'loss at the wrap',
    session: 'pg*34 lg*4 pg*20',
    heard: '3_33#1>5c17#',
    stats: { lost: 4 },
    unplayed: 4,
  },
  {
    name: 'an under-run: what comes late is still played, and the delay has grown',
    options: { minDelayMs: 20, startDelayMs: 60 },
    session: 'pg*20 hg*3 hg upg pg*40',
    heard: '3_19#1>1c31#1<2#1<1#1<1#1<1#1<2#',
    stats: { lost: 0, late: 0, underruns: 1, delayMs: 55 },
    longestMs: 100,
  },
  {
    name: 'a burst after 240 ms is played whole',
    session: 'pg*20 hg*10 upg pg*40',
    heard: '3_19#1>7c1_21#1<10#1<1#1<1#1<1#1<4#',
    stats: { lost: 0, overflowed: 0, delayMs: 175 },
    longestMs: 220,
  },
  {
    name: 'the delay comes back when the network is calm again',
    options: { minDelayMs: 20, startDelayMs: 60 },
    session: 'pg*20 hg*10 upg pg*1500',
    heard:
      '3_19#1>7c1_21#1<10#1<1#1<1#1<1#1<4#1<1#1<1#1<1#1<4#1<1#1<1#1<1#1<4#1<1#1<1#1<1#1<4#1<1#1<1#1<1#1<4#1<1#1<1#1<1#1<4#1<1#1<1#1<1#1<1404#',
    stats: { delayMs: 55 },
    longestMs: 220,
  },
  {
    name: 'a burst after a second: only the newest is played',
    options: { minDelayMs: 20, startDelayMs: 60 },
    session: 'pg*20 hg*50 upg pg*20',
    heard: '3_19#1>7c41_21#',
    stats: { overflowed: 49, delayMs: 20 },
    unplayed: 49,
  },
  {
    name: 'nobody pulls for two seconds: the newest is played',
    options: { minDelayMs: 20, startDelayMs: 60 },
    session: 'p*100 pg*20',
    heard: '20#',
    stats: { overflowed: 99 },
    unplayed: 99,
  },
  {
    name: 'silence of the sender: sequence goes on, timestamp leaps',
    session: 'pg*20 sg*20 mpg pg*20',
    heard: '3_19#1>7c14_18#',
    stats: { lost: 0 },
  },
  {
    name: 'a silence within the delay is no loss',
    session: 'pg*20 sg sg mpg pg*20',
    heard: '3_20#2_18#',
    stats: { lost: 0, concealedMs: 0 },
  },
  {
    name: 'a silence with the first packet after it lost',
    session: 'pg*20 sg*20 lg pg*20',
    heard: '3_19#1>7c15_17#',
    stats: { lost: 1 },
    unplayed: 1,
  },
  {
    name: 'comfort noise: silence, not loss',
    session: 'pg*20 ng sg*20 mpg pg*20',
    heard: '3_20#22n18#',
    stats: { lost: 0, concealedMs: 0, underruns: 0 },
  },
  {
    name: 'comfort noise renewed now and then',
    session: 'pg*20 (ng sg*9)x3 mpg pg*20',
    heard: '3_20#33n18#',
    stats: { concealedMs: 0 },
  },
  {
    name: 'a telephone event in between',
    session: 'pg*20 esg*8 mpg pg*20',
    heard: '3_19#1>8_18#',
    stats: { lost: 0, concealedMs: 0 },
  },
  {
    name: 'a telephone event while the clock of the sender stands',
    session: 'pg*20 eg*8 mpg pg*20',
    heard: '3_19#1>5_1#2>1#1>1#1>13#',
    stats: { lost: 0, concealedMs: 0 },
    longestMs: 160,
  },
  {
    name: 'a pause in which the clock of the sender stands',
    session: 'pg*20 zg*50 mpg pg*20',
    heard: '3_19#1>7c44_18#',
    stats: { resyncs: 1, lost: 0 },
  },
  {
    name: 'the timestamp jumps ahead',
    session: 'pg*20 Jpg pg*20',
    heard: '3_38#',
    stats: { resyncs: 1, lost: 0 },
  },
  {
    name: 'the timestamp jumps back',
    session: 'pg*20 jpg pg*20',
    heard: '3_38#',
    stats: { resyncs: 1, lost: 0 },
  },
  {
    name: 'the sequence starts anew: one packet until it is believed',
    session: 'pg*20 Rpg pg*20',
    heard: '3_20#1_17#',
    stats: { resyncs: 1, ignored: 1 },
    unplayed: 1,
  },
  { name: 'a new source', session: 'pg*20 Spg pg*20', heard: '3_38#', stats: { resyncs: 1, lost: 0 } },
  {
    name: 'a new source, with late packets of the old one',
    session: 'pg*20 hg hg Spug pg*20',
    heard: '3_20#2_18#',
    stats: { resyncs: 1, ignored: 2 },
    unplayed: 2,
  },
  {
    name: 'strays far off the sequence',
    session: 'pg*20 (kpg)x20',
    heard: '3_37#',
    stats: { ignored: 20, resyncs: 0 },
  },
  {
    name: 'a payload that cannot be played is silence, not loss',
    session: 'pg*20 vg pg*20',
    heard: '3_20#1_17#',
    stats: { ignored: 1, lost: 0 },
    unplayed: 1,
  },
  { name: 'packets of 10 ms', session: '1pg pg*20', heard: '3_36#', stats: { lost: 0 } },
  { name: 'packets of 30 ms', session: '3pg pg*29', heard: '4_18#', stats: { lost: 0 } },
  { name: 'packets of 60 ms', session: '6pg pg*29', heard: '5_9#', stats: { lost: 0 }, longestMs: 60 },
  {
    name: 'packets of 60 ms, one lost: three frames to conceal',
    session: '6pg pg*29 lg*3 pg*30',
    heard: '5_10#3c9#',
    stats: { lost: 1, concealedFrames: 3 },
    unplayed: 1,
  },
  {
    name: 'the packet time changes in mid-stream',
    session: 'pg*20 1pg pg*20 6pg pg*20',
    heard: '3_68#',
    stats: { lost: 0, concealedMs: 0 },
    longestMs: 80,
  },
  {
    name: 'three packets every 60 ms',
    session: '(pppg g g)x30',
    heard: '1_89#',
    stats: { lost: 0, concealedMs: 0 },
  },
  {
    name: 'a lost packet that the next one remembers is recovered, the one before it concealed (in-band FEC)',
    session: 'fg*10 lg fg*10 lg*2 fg*10',
    heard: '3_10#1r10#1c1r7#',
    stats: { lost: 3, recoveredMs: 40, concealedMs: 20 },
    unplayed: 3,
  },
  { name: 'the stream ends', session: 'pg*20 g*20', heard: '3_19#1>7c11_', stats: { lost: 0, underruns: 1 } },
  {
    name: 'the smallest ring holds its newest packets',
    options: { capacity: 4 },
    session: 'p*20 pg*10',
    heard: '10#',
    stats: {},
    unplayed: 17,
  },
]

for (const { name, session, options = {}, heard, stats = {}, unplayed = 0, longestMs = 60 } of rows) {
  t.test(name, async t => {
    const result = runSession(session, { minDelayMs: 60, ...options })
    t.equal(runs(result.heard), heard)
    t.match(result.stats, stats)
    t.equal(
      result.sent - result.stats.depth - result.played.length - count(session, 'n'),
      unplayed,
      'packets not played',
    )
    t.ok(result.longestMs <= longestMs, `played after ${result.longestMs} ms`)
    t.same(
      result.played,
      result.played.toSorted((a, b) => a - b),
      'in order',
    )
  })
}

function count(session: string, letter: string): number {
  let found = 0
  const flat = session.replaceAll(/\(([^()]*)\)x(\d+)/g, (_, inner: string, times: string) =>
    inner.repeat(Number(times)),
  )
  for (const character of flat) if (character === letter) found += 1
  return found
}

t.test('sound that has waited too long is shrunk, a little at a time and without a loss', async t => {
  const { stats, heard } = runSession('pg*20 hg*5 upg pg*400')
  t.equal(stats.overflowed, 0)
  t.ok(stats.acceleratedMs >= 40, `${stats.acceleratedMs} ms`)
  t.notMatch(heard, /<</, 'not two in a row')
})

t.test('a delay too short for the network grows by stretching, not by gaps', async t => {
  const options = { clockRate: 8000, durationMsOf: g711Duration, startDelayMs: 20 }
  const stiff = simulateStream({ packets: 1500, jitterMs: 90, seed: 3, options, stretchMs: 0 })
  const elastic = simulateStream({ packets: 1500, jitterMs: 90, seed: 3, options })
  t.ok(elastic.stats.expandedMs >= 20, `${elastic.stats.expandedMs} ms put in`)
  t.equal(stiff.stats.expandedMs, 0)
})

t.test('a result tells the payload, its type and timestamp, and that sound resumed', async t => {
  const buffer = new JitterBuffer({
    clockRate: 8000,
    durationMsOf: g711Duration,
    startDelayMs: 60,
    isNoise: (_, payloadType) => payloadType === COMFORT_NOISE,
  })
  const payload = new Uint8Array(160)
  buffer.push(1, 1000, payload, 8, true, 7, 0)
  buffer.push(2, 1160, payload, 8, false, 7, 20)
  t.match(buffer.pull(40), { kind: 'silence', durationMs: 20 })
  const first = buffer.pull(60)
  t.match(first, {
    kind: 'normal',
    durationMs: 20,
    payloadType: 8,
    timestamp: 1000,
    resumed: true,
    stretchMs: 0,
  })
  t.equal(first.payload, payload, 'by reference')
  t.match(buffer.pull(80), { kind: 'normal', timestamp: 1160, resumed: false })
})

t.test('the payload type may change from packet to packet', async t => {
  const durations: Record<number, number> = { 0: 20, 9: 10 }
  const buffer = new JitterBuffer({ clockRate: 8000, durationMsOf: (_, type) => durations[type] ?? 0 })
  for (let index = 0; index < 10; index += 1) {
    buffer.push(index, index * 160, new Uint8Array(80), index % 2 === 0 ? 0 : 9, false, 7, index * 20)
  }
  const heard = Array.from({ length: 4 }, (_, index) => buffer.pull(200 + index * 20)).length
  t.equal(heard, 4)
  t.match(buffer.snapshot(), { ignored: 0, duplicates: 0 })
  t.equal(buffer.push(10, 1600, new Uint8Array(80), 96, false, 7, 300), 'ignored', 'a type nobody can play')
})

t.test('verdicts of push', async t => {
  const buffer = new JitterBuffer({ clockRate: 8000, durationMsOf: g711Duration, startDelayMs: 40 })
  const push = (sequence: number, now: number): string =>
    buffer.push(sequence, sequence * 160, new Uint8Array(160), 0, false, 7, now)
  t.same([push(10, 0), push(11, 20), push(13, 60), push(11, 60)], ['queued', 'queued', 'queued', 'duplicate'])
  for (const now of [60, 80, 100, 120]) buffer.pull(now)
  t.equal(push(10, 121), 'duplicate')
  t.equal(push(12, 121), 'late')
  t.equal(push(30_000, 121), 'ignored')
})

t.test('options that contradict each other are refused', async t => {
  const base = { clockRate: 8000, durationMsOf: g711Duration }
  t.throws(() => new JitterBuffer({ ...base, minDelayMs: 100, startDelayMs: 60 }), { code: 'SIP_OPTION' })
  t.throws(() => new JitterBuffer({ ...base, startDelayMs: 501 }), { code: 'SIP_OPTION' })
  t.throws(() => new JitterBuffer({ ...base, capacity: 63 }), { code: 'SIP_OPTION' })
})

t.test('adapts: the delay is what the jitter of the network asks for', async t => {
  const target = [0, 20, 60, 120, 200].map(jitterMs => simulateStream({ packets: 2000, jitterMs, seed: 9 }))
  t.same(
    target.map(({ stats }) => stats.targetDelayMs),
    [20, 25, 60, 115, 190],
  )
  // A packet in ten may come after its time; overtaken by another it is lost then, else it is still played. With 200 ms of
  // reordering, ten packets deep, nearly all of them are overtaken by some.
  t.same(
    target.map(({ stats }) => stats.late),
    [0, 0, 2, 3, 50],
  )
})

t.test('adapts: clocks that drift apart by 200 ppm for half an hour never leave the bounds', async t => {
  for (const driftPpm of [-200, 200]) {
    const { stats } = simulateStream({ packets: 90_000, jitterMs: 10, driftPpm, seed: 4 })
    t.match(stats, { lost: 0, late: 0, resyncs: 0 })
    t.ok(stats.delayMs > 0 && stats.delayMs <= 100, `${stats.delayMs} ms`)
    t.equal(stats.concealedMs, 0)
    t.ok(stats.acceleratedMs + stats.expandedMs < 1800, 'stretched by less than 0.1 %')
  }
})

t.test('5 % loss, reordering by 60 ms of jitter: all that came is played, once and in order', async t => {
  const result = simulateStream({ packets: 3000, jitterMs: 60, loss: 0.05, duplicate: 0.05, seed: 6 })
  const { stats, played } = result
  t.ok(result.ordered)
  t.equal(played + stats.late + stats.depth, result.arrived)
  t.ok(stats.late <= 5)
})

const network = fc.record({
  seed: fc.integer(),
  packets: fc.constant(400),
  jitterMs: fc.integer({ min: 0, max: 300 }),
  loss: fc.double({ min: 0, max: 0.5, noNaN: true }),
  duplicate: fc.double({ min: 0, max: 0.3, noNaN: true }),
  driftPpm: fc.integer({ min: -500, max: 500 }),
  silence: fc.double({ min: 0, max: 0.1, noNaN: true }),
  switches: fc.double({ min: 0, max: 0.01, noNaN: true }),
  packetMs: fc.constantFrom(10, 20, 30, 40, 60),
  stretchMs: fc.integer({ min: 0, max: 15 }),
})

t.test('property: never out of order, never twice, never beyond its bounds', async t => {
  fc.assert(
    fc.property(network, conditions => {
      const { ordered, deepest, longestResultMs } = simulateStream(conditions)
      return ordered && deepest <= 64 && longestResultMs <= 60
    }),
    { numRuns: 150 },
  )
  t.pass()
})

t.test('property: the delay heard stays below the longest allowed', async t => {
  fc.assert(
    fc.property(network, conditions => {
      const { longestDelayMs } = simulateStream({ ...conditions, jitterMs: conditions.jitterMs / 2 })
      return longestDelayMs <= 500 + 20 + 150 + conditions.packetMs
    }),
    { numRuns: 60 },
  )
  t.pass()
})

t.test('property: the same packets give the same sound', async t => {
  fc.assert(
    fc.property(network, conditions => {
      const first = simulateStream(conditions)
      const second = simulateStream(conditions)
      return first.heard === second.heard && JSON.stringify(first.stats) === JSON.stringify(second.stats)
    }),
    { numRuns: 30 },
  )
  t.pass()
})

t.test('60,000 packets with random headers: no throw, no growth, time goes on', async t => {
  const random = seededRandom(3551)
  const buffer = new JitterBuffer({
    clockRate: 8000,
    durationMsOf: g711Duration,
    isNoise: (_, payloadType) => payloadType === COMFORT_NOISE,
  })
  let now = 0
  for (let round = 0; round < 60_000; round += 1) {
    now += random.float() * 40
    const wild = random.integer(0, 9)
    const sequence = wild < 5 ? round & 0xffff : random.integer(0, 0xffff)
    const timestamp = wild < 7 ? (round * 160) >>> 0 : random.uint32()
    if (wild === 0) buffer.pushOther(sequence, random.integer(1, 2))
    const payload = new Uint8Array(random.integer(0, 480))
    buffer.push(
      sequence,
      timestamp,
      payload,
      random.integer(0, 13),
      wild === 9,
      wild === 8 ? random.uint32() : 1,
      now,
    )
    const { durationMs } = buffer.pull(now)
    if (!(durationMs > 0 && durationMs <= 60)) throw new Error(`round ${round}: a result of ${durationMs} ms`)
  }
  t.ok(buffer.snapshot().depth <= 64)
})

t.test('what cannot be stretched is looked at less and less often; what can be is again at once', async t => {
  const buffer = new JitterBuffer({ clockRate: 8000, durationMsOf: g711Duration })
  let shrinks = 0
  let frames = 0
  /** One second, 150 ms behind the packets. */
  const second = (stretchMs: number): number => {
    shrinks = 0
    for (let tick = 0; tick < 50; tick += 1, frames += 1) {
      const at = frames * 20
      buffer.push(frames & 0xffff, frames * 160, new Uint8Array(160), 0, false, 1, at)
      if (frames < 8) continue
      if (buffer.pull(at).kind !== 'shrink') continue
      shrinks += 1
      if (stretchMs > 0) buffer.stretched(-stretchMs, false, at)
    }
    return shrinks
  }
  const tries = Array.from({ length: 10 }, () => second(0))
  t.ok(tries[0]! >= 5, `${tries[0]} in the first second`)
  t.ok(
    tries.slice(5).every(count => count <= 1),
    `later ${tries.slice(5).join(', ')}`,
  )
  second(0.1)
  t.ok(second(0.1) > 20, `${shrinks} once it succeeds`)
})
