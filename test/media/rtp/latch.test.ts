import { array, assert, constantFrom, integer, property, record } from 'fast-check'
import t from 'tap'
import { SymmetricLatch } from '../../../src/media/rtp/latch.ts'
import type { SymmetricLatchOptions } from '../../../src/media/rtp/latch.ts'

const SDP = { address: '10.0.0.5', port: 4000 }
const OTHER_SDP = { address: '203.0.113.9', port: 6000 }
const NAT = '198.51.100.7:40000'
const NAT2 = '198.51.100.7:40002'
const STRAY = '192.0.2.66:5555'
const SIGNALLED = '10.0.0.5:4000'

/** One packet: when, from where, SSRC, whether it is the call's; sequence number and timestamp as they fall due, if not told. */
type Packet = readonly [
  at: number,
  from: string,
  ssrc: number,
  accepted: boolean,
  sequence?: number,
  timestamp?: number,
]
/** Packets, or new signalling, or where SIP comes from. */
type Step = Packet | { reset: typeof SDP; remote: string } | { trust: string }

interface Session {
  name: string
  options?: Partial<SymmetricLatchOptions>
  steps: readonly Step[]
  remote: string
  strays?: number
  spoofed?: number
  rebinds?: number
}

/** `count` packets of one stream, `everyMs` apart. */
function stream(
  [from, ssrc, accepted]: readonly [from: string, ssrc: number, accepted: boolean],
  { at = 0, count = 5, everyMs = 20 } = {},
): Packet[] {
  return Array.from({ length: count }, (_, i) => [
    at + i * everyMs,
    from,
    ssrc,
    accepted,
    (at / 20 + i) & 0xffff,
    at * 8 + i * 160,
  ])
}

const sessions: Session[] = [
  { name: 'nothing has come: the signalled address', steps: [], remote: SIGNALLED },
  {
    name: 'the signalled source',
    steps: [
      [0, SIGNALLED, 1, true],
      [20, SIGNALLED, 1, true],
    ],
    remote: SIGNALLED,
  },
  {
    name: 'an unknown source behind a NAT: after five packets in order',
    steps: [...stream([NAT, 1, false], { count: 4 }), [80, NAT, 1, true], [100, NAT, 1, true]],
    remote: NAT,
    strays: 4,
  },
  {
    name: 'another port of the signalled address: at once',
    steps: [[0, '10.0.0.5:4444', 1, true]],
    remote: '10.0.0.5:4444',
  },
  {
    name: 'behind the NAT that SIP comes from: at once',
    steps: [{ trust: '198.51.100.7' }, [0, NAT, 1, true]],
    remote: NAT,
  },
  {
    name: 'a flood before the first packet, ten times as fast as speech: not followed',
    steps: [...stream([STRAY, 9, false], { count: 300, everyMs: 2 }), [700, SIGNALLED, 1, true]],
    remote: SIGNALLED,
    strays: 300,
  },
  {
    name: 'packets of an unknown source with other numbers each: not followed',
    steps: Array.from({ length: 100 }, (_, i): Packet => [
      i * 20,
      STRAY,
      9,
      false,
      (i * 7919) & 0xffff,
      i * 31_337,
    ]),
    remote: SIGNALLED,
    strays: 100,
  },
  {
    name: 'a stray while the call flows',
    steps: [{ trust: '198.51.100.7' }, [0, NAT, 1, true], [10, STRAY, 2, false], [20, NAT, 1, true]],
    remote: NAT,
    strays: 1,
  },
  {
    name: 'a stray with the right SSRC, and even the right numbers, while the call flows',
    steps: [{ trust: '198.51.100.7' }, [0, NAT, 1, true], [10, STRAY, 1, false], [20, NAT, 1, true]],
    remote: NAT,
    strays: 1,
    spoofed: 1,
  },
  {
    name: 'an unknown source that was first loses the call to the signalled one',
    steps: [
      ...stream([STRAY, 9, false], { count: 4 }),
      [80, STRAY, 9, true],
      [85, SIGNALLED, 1, true],
      [100, STRAY, 9, false],
    ],
    remote: SIGNALLED,
    strays: 5,
    rebinds: 1,
  },
  {
    name: 'an unknown source that was first loses the call to the NAT that SIP comes from',
    steps: [
      { trust: '198.51.100.7' },
      ...stream([STRAY, 9, false], { count: 4 }),
      [80, STRAY, 9, true],
      [85, NAT, 1, true],
      [100, STRAY, 9, false],
    ],
    remote: NAT,
    strays: 5,
    rebinds: 1,
  },
  {
    name: 'a NAT that gives a new port: the stream is followed after 250 ms of silence',
    steps: [
      { trust: '198.51.100.7' },
      [0, NAT, 1, true],
      [240, NAT2, 1, false],
      [260, NAT2, 1, true],
      [280, NAT2, 1, true],
    ],
    remote: NAT2,
    strays: 1,
    spoofed: 1,
    rebinds: 1,
  },
  {
    name: 'a phone that changes networks: its stream goes on from an unknown address',
    steps: [
      [0, SIGNALLED, 1, true],
      [900, STRAY, 1, true],
      [920, STRAY, 1, true],
      [940, NAT, 9, false],
    ],
    remote: STRAY,
    strays: 1,
    rebinds: 1,
  },
  {
    name: 'the right SSRC after a silence, but numbers that are not due: not followed',
    steps: [
      [0, SIGNALLED, 1, true],
      // The sequence number is due, the timestamp is not.
      [1000, STRAY, 1, false, 50, 800_000],
      // The timestamp is due, the sequence number is far off, or behind.
      [1020, STRAY, 1, false, 5000, 8160],
      [1040, STRAY, 1, false, 65_530, 8320],
      // Neither is, in a row of any length.
      ...stream([STRAY, 1, false], { at: 100_000, count: 50 }).map(
        ([, from, ssrc, accepted, sequence], i): Packet => [
          1060 + i * 20,
          from,
          ssrc,
          accepted,
          sequence ?? 0,
          i * 160,
        ],
      ),
    ],
    remote: SIGNALLED,
    strays: 53,
    spoofed: 53,
  },
  {
    name: 'another SSRC from an unknown address is not followed, however long the silence',
    steps: [[0, SIGNALLED, 1, true], ...stream([STRAY, 2, false], { at: 60_000, count: 50 })],
    remote: SIGNALLED,
    strays: 50,
  },
  {
    name: 'a new stream from another port of the same host, after 2 s of silence',
    steps: [
      { trust: '198.51.100.7' },
      [0, NAT, 1, true],
      ...stream([NAT2, 7, false], { at: 500, count: 75 }),
      [2000, NAT2, 7, true],
    ],
    remote: NAT2,
    strays: 75,
    rebinds: 1,
  },
  {
    name: 'a new SSRC from the same source belongs to the call',
    steps: [{ trust: '198.51.100.7' }, [0, NAT, 1, true], [20, NAT, 2, true], [600, NAT2, 2, true]],
    remote: NAT2,
    rebinds: 1,
  },
  {
    name: 're-INVITE with the same address: the source stays, strangers are not let in',
    steps: [
      { trust: '198.51.100.7' },
      [0, NAT, 1, true],
      { reset: SDP, remote: NAT },
      ...stream([STRAY, 3, false], { at: 20, count: 50 }),
      [1020, NAT, 1, true],
    ],
    remote: NAT,
    strays: 50,
  },
  {
    name: 're-INVITE with the same address: the same host may begin another stream, without a silence',
    steps: [
      { trust: '198.51.100.7' },
      [0, NAT, 1, true],
      { reset: SDP, remote: NAT },
      ...stream([NAT2, 3, false], { at: 20, count: 4 }),
      [100, NAT2, 3, true],
    ],
    remote: NAT2,
    strays: 4,
    rebinds: 1,
  },
  {
    name: 're-INVITE with a new address: sends there at once, then follows',
    steps: [
      { trust: '198.51.100.7' },
      [0, NAT, 1, true],
      { trust: '203.0.113.9' },
      { reset: OTHER_SDP, remote: '203.0.113.9:6000' },
      [20, '203.0.113.9:6000', 3, true],
      [21, NAT, 1, false],
    ],
    remote: '203.0.113.9:6000',
    strays: 1,
  },
  {
    name: 'confirmations: n in a row of one source',
    options: { confirmations: 3 },
    steps: [
      [0, NAT, 1, false],
      [20, STRAY, 1, false],
      [40, NAT, 1, false],
      [60, NAT, 1, true],
    ],
    remote: NAT,
    strays: 3,
  },
  {
    name: 'strict: only the signalled source',
    options: { mode: 'strict' },
    steps: [...stream([NAT, 1, false], { count: 20 }), [400, SIGNALLED, 1, true], [5000, NAT, 1, false]],
    remote: SIGNALLED,
    strays: 21,
    spoofed: 1,
  },
  {
    name: 'authenticated: the newest packet is the peer, wherever it comes from',
    options: { authenticated: true },
    steps: [
      [0, NAT, 1, true, 100],
      [20, NAT, 1, true, 101],
      [40, NAT2, 1, true, 102],
      // Copied by somebody on the way and late: older than what came.
      [45, STRAY, 1, false, 101],
      [60, NAT2, 1, true, 103],
      [80, NAT, 5, true, 9],
    ],
    remote: NAT,
    strays: 1,
    spoofed: 1,
    rebinds: 2,
  },
]

for (const { name, options, steps, remote, strays = 0, spoofed = 0, rebinds = 0 } of sessions) {
  t.test(name, async t => {
    const latch = new SymmetricLatch({ expected: SDP, ...options })
    const where = (): string => `${latch.remote.address}:${latch.remote.port}`
    for (const step of steps) {
      if ('trust' in step) {
        latch.trust(step.trust)
        continue
      }
      if ('reset' in step) {
        latch.reset(step.reset)
        t.equal(where(), step.remote)
        continue
      }
      const [at, from, ssrc, accepted, sequence = Math.round(at / 20), timestamp = at * 8] = step
      const [address, port] = from.split(':')
      const packet = { ssrc, sequence, timestamp }
      if (latch.accept(address!, Number(port), packet, at) !== accepted) t.fail(`${from} at ${at}`)
    }
    t.equal(where(), remote)
    t.match(latch.snapshot(), { strays, spoofed, rebinds })
  })
}

t.test('numbers wrap round while the stream moves', async t => {
  const latch = new SymmetricLatch({ expected: SDP })
  latch.accept('10.0.0.5', 4000, { ssrc: 1, sequence: 65_530, timestamp: 0xffff_ff00 }, 0)
  const due = { ssrc: 1, sequence: 44, timestamp: (0xffff_ff00 + 8000) >>> 0 }
  t.equal(latch.accept('198.51.100.7', 1, due, 1000), true)
})

t.test('guessing the numbers is hopeless: a million packets with the right SSRC into a silence', async t => {
  const latch = new SymmetricLatch({ expected: SDP })
  latch.accept('10.0.0.5', 4000, { ssrc: 1, sequence: 1000, timestamp: 500_000 }, 0)
  let seed = 3
  const next = (): number => (seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) | 0)
  let taken = 0
  for (let i = 0; i < 1_000_000; i += 1) {
    const packet = { ssrc: 1, sequence: next() >>> 16, timestamp: next() >>> 0 }
    if (latch.accept('192.0.2.66', 5555, packet, 1000)) taken += 1
  }
  t.equal(taken, 0)
})

t.test('strangers are told of one at a time, and at most once in ten seconds', async t => {
  const latch = new SymmetricLatch({ expected: SDP })
  const reports: string[] = []
  const spray = (port: number, at: number, ssrc: number): void => {
    latch.accept('192.0.2.66', port, { ssrc, sequence: 1, timestamp: 1 }, at)
    const report = latch.takeReport()
    if (report !== undefined) reports.push(`${at}: ${report.port} ${report.packets} ${report.spoofed}`)
  }
  spray(1, 0, 9)
  t.same(reports, [], 'nobody is followed yet: it may be the peer')
  latch.accept('10.0.0.5', 4000, { ssrc: 1, sequence: 1, timestamp: 1 }, 5)
  for (let at = 10; at < 25_000; at += 10) {
    latch.accept('10.0.0.5', 4000, { ssrc: 1, sequence: at / 10, timestamp: at * 8 }, at)
    spray(2, at, 1)
  }
  t.same(reports, ['10: 2 1 1', '10010: 2 1001 1001', '20010: 2 2001 2001'])
})

t.test('a thousand sources: eight are remembered, all are counted', async t => {
  const latch = new SymmetricLatch({ expected: SDP })
  latch.accept('10.0.0.5', 4000, { ssrc: 1, sequence: 1, timestamp: 1 }, 0)
  for (let port = 1; port <= 1000; port += 1)
    latch.accept('192.0.2.66', port, { ssrc: 2, sequence: 1, timestamp: 1 }, 10)
  t.match(latch.snapshot(), { strays: 1000, sources: 8, unlisted: 992 })
  latch.accept('192.0.2.66', 5000, { ssrc: 2, sequence: 1, timestamp: 1 }, 3000)
  t.match(latch.snapshot(), { strays: 1001, sources: 9, unlisted: 992 }, 'a silent one gives its place')
  latch.reset(OTHER_SDP)
  t.match(latch.snapshot(), { strays: 1001, sources: 9, unlisted: 992 }, 'a new address forgets none of them')
})

t.test('with any traffic around, only packets of the followed source are the call (property)', async t => {
  const packet = record({
    from: constantFrom('192.0.2.66', '192.0.2.67'),
    port: integer({ min: 1, max: 30 }),
    ssrc: constantFrom(1, 2),
    sequence: integer({ min: 0, max: 65_535 }),
    timestamp: integer({ min: 0, max: 0xffff_ffff }),
  })
  assert(
    property(array(packet, { maxLength: 200 }), packets => {
      const latch = new SymmetricLatch({ expected: SDP })
      return packets.every(({ from, port, ...identity }, i) => {
        const at = i * 20
        // The peer speaks in between, as it does in a call.
        const peer = latch.accept('10.0.0.5', 4000, { ssrc: 1, sequence: i, timestamp: i * 160 }, at)
        return peer && !latch.accept(from, port, identity, at + 5) && latch.remote.address === '10.0.0.5'
      })
    }),
  )
  t.pass()
})
