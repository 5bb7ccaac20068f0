import t from 'tap'
import { SymmetricLatch } from '../../../src/media/rtp/latch.ts'
import type { SymmetricLatchOptions } from '../../../src/media/rtp/latch.ts'

const SDP = { address: '10.0.0.5', port: 4000 }
const OTHER_SDP = { address: '203.0.113.9', port: 6000 }
const NAT = '198.51.100.7:40000'
const NAT2 = '198.51.100.7:40002'
const STRAY = '192.0.2.66:5555'
const SIGNALLED = '10.0.0.5:4000'

/** One packet: when, from where, SSRC, whether it is the call's; or new signalling. */
type Step =
  | [at: number, from: string, ssrc: number, accepted: boolean]
  | { reset: typeof SDP; remote: string }

interface Session {
  name: string
  options?: Partial<SymmetricLatchOptions>
  steps: Step[]
  remote: string
  strays?: number
  rebinds?: number
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
    name: 'the first valid source behind a NAT',
    steps: [
      [0, NAT, 1, true],
      [20, NAT, 1, true],
    ],
    remote: NAT,
  },
  {
    name: 'a stray while the call flows',
    steps: [
      [0, NAT, 1, true],
      [10, STRAY, 2, false],
      [20, NAT, 1, true],
    ],
    remote: NAT,
    strays: 1,
  },
  {
    name: 'a stray with the right SSRC while the call flows',
    steps: [
      [0, NAT, 1, true],
      [10, STRAY, 1, false],
    ],
    remote: NAT,
    strays: 1,
  },
  {
    name: 'the signalled source takes over from a stray that was first',
    steps: [
      [0, STRAY, 9, true],
      [5, SIGNALLED, 1, true],
      [10, STRAY, 9, false],
    ],
    remote: SIGNALLED,
    strays: 1,
    rebinds: 1,
  },
  {
    name: 'a NAT that gives a new port is followed after a silence',
    steps: [
      [0, NAT, 1, true],
      [499, NAT2, 1, false],
      [500, NAT2, 1, true],
      [520, NAT2, 1, true],
    ],
    remote: NAT2,
    strays: 1,
    rebinds: 1,
  },
  {
    name: 'another SSRC is not followed, however long the silence',
    steps: [
      [0, NAT, 1, true],
      [60_000, STRAY, 2, false],
    ],
    remote: NAT,
    strays: 1,
  },
  {
    name: 'a new SSRC from the same source belongs to the call',
    steps: [
      [0, NAT, 1, true],
      [20, NAT, 2, true],
      [600, NAT2, 2, true],
    ],
    remote: NAT2,
    rebinds: 1,
  },
  {
    name: 're-INVITE with the same address: sends on to the source, follows the next one',
    steps: [[0, NAT, 1, true], { reset: SDP, remote: NAT }, [20, NAT2, 3, true]],
    remote: NAT2,
  },
  {
    name: 're-INVITE with a new address: sends there at once, then follows',
    steps: [
      [0, NAT, 1, true],
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
      [60, NAT, 1, false],
      [80, NAT, 1, true],
    ],
    remote: NAT,
    strays: 4,
  },
  {
    name: 'confirmations: the signalled source needs none',
    options: { confirmations: 3 },
    steps: [[0, SIGNALLED, 1, true]],
    remote: SIGNALLED,
  },
  {
    name: 'strict: only the signalled source',
    options: { mode: 'strict' },
    steps: [
      [0, NAT, 1, false],
      [20, SIGNALLED, 1, true],
      [5000, NAT, 1, false],
    ],
    remote: SIGNALLED,
    strays: 2,
  },
]

for (const { name, options, steps, remote, strays = 0, rebinds = 0 } of sessions) {
  t.test(name, async t => {
    const latch = new SymmetricLatch({ expected: SDP, ...options })
    const where = (): string => `${latch.remote.address}:${latch.remote.port}`
    for (const step of steps) {
      if (!Array.isArray(step)) {
        latch.reset(step.reset)
        t.equal(where(), step.remote)
        continue
      }
      const [at, from, ssrc, accepted] = step
      const [address, port] = from.split(':')
      t.equal(latch.accept(address!, Number(port), ssrc, at), accepted, `${from} at ${at}`)
    }
    t.equal(where(), remote)
    t.match(latch.snapshot(), { strays, rebinds })
  })
}
