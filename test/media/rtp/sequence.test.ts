import t from 'tap'
import { SequenceTracker } from '../../../src/media/rtp/sequence.ts'
import type { SequenceOptions, SequenceVerdict } from '../../../src/media/rtp/sequence.ts'

interface Row {
  name: string
  options?: SequenceOptions
  sequences: number[]
  verdicts: SequenceVerdict[]
  /** The extended number of the last packet, counted from the first one's cycle. */
  extended?: number
}

const rows: Row[] = [
  { name: 'in order', sequences: [5, 6, 7], verdicts: ['first', 'next', 'next'], extended: 7 },
  { name: 'a gap is still next', sequences: [5, 9], verdicts: ['first', 'next'], extended: 9 },
  { name: 'the newest again', sequences: [5, 5], verdicts: ['first', 'repeat'], extended: 5 },
  { name: 'reordered', sequences: [5, 7, 6], verdicts: ['first', 'next', 'old'], extended: 6 },
  { name: 'wrap', sequences: [65535, 0], verdicts: ['first', 'next'], extended: 65536 },
  { name: 'wrap with a gap', sequences: [65530, 4], verdicts: ['first', 'next'], extended: 65540 },
  {
    name: 'reordered around the wrap',
    sequences: [65534, 0, 65535, 1],
    verdicts: ['first', 'next', 'old', 'next'],
    extended: 65537,
  },
  { name: 'before the first', sequences: [0, 65535], verdicts: ['first', 'old'], extended: -1 },
  {
    name: 'one stray far ahead is ignored',
    sequences: [5, 30000, 6],
    verdicts: ['first', 'jump', 'next'],
    extended: 6,
  },
  {
    name: 'one stray far behind is ignored',
    sequences: [1000, 800, 1001],
    verdicts: ['first', 'jump', 'next'],
    extended: 1001,
  },
  {
    name: 'a new run is believed at its second packet',
    sequences: [5, 30000, 30001, 30002],
    verdicts: ['first', 'jump', 'restart', 'next'],
    extended: 30002,
  },
  {
    name: 'a stray does not prepare the ground for a later one',
    sequences: [5, 30000, 6, 30001],
    verdicts: ['first', 'jump', 'next', 'jump'],
  },
  { name: 'the edge of the dropout', sequences: [0, 2999, 5999], verdicts: ['first', 'next', 'jump'] },
  { name: 'the edge of the misorder', sequences: [1000, 900, 899], verdicts: ['first', 'old', 'jump'] },
  {
    name: 'probation',
    options: { minSequential: 2 },
    sequences: [5, 6, 7],
    verdicts: ['probation', 'first', 'next'],
    extended: 7,
  },
  {
    name: 'probation starts over after a gap',
    options: { minSequential: 3 },
    sequences: [5, 6, 9, 10, 11],
    verdicts: ['probation', 'probation', 'probation', 'probation', 'first'],
  },
]

for (const { name, options, sequences, verdicts, extended } of rows) {
  t.test(`${name} (RFC 3550 A.1)`, async t => {
    const tracker = new SequenceTracker(options)
    t.same(
      sequences.map(sequence => tracker.update(sequence)),
      verdicts,
    )
    if (extended !== undefined) t.equal(tracker.extended, 0x10000 + extended)
  })
}

t.test('three times round the wrap', async t => {
  const tracker = new SequenceTracker()
  for (let number = 0; number <= 3 * 65536; number += 1) tracker.update(number & 0xffff)
  t.equal(tracker.highest - tracker.base, 3 * 65536)
})

t.test('after reset the next packet is a first one', async t => {
  const tracker = new SequenceTracker()
  tracker.update(5)
  tracker.reset()
  t.equal(tracker.update(40000), 'first')
})
