import t from 'tap'
import { NumberLine } from '../../../src/media/rtp/number-line.ts'

/** Feeds `[sequence, ssrc]` pairs as a buffer does; returns the numbers, counted from the first. */
function lay(packets: [sequence: number, ssrc: number][]): {
  numbers: (number | undefined)[]
  runs: number[][]
} {
  const runs: number[][] = []
  const origin = 0x10001
  const line = new NumberLine(4, (first, last) => runs.push([first - origin, last - origin]))
  const numbers = packets.map(([sequence, ssrc]) => {
    const number = line.unwrap(sequence, ssrc)
    if (number > line.highest) line.advance(number, sequence)
    return number < 0 ? undefined : number - origin
  })
  return { numbers, runs }
}

const rows: [
  name: string,
  packets: [number, number][],
  numbers: (number | undefined)[],
  runs?: number[][],
][] = [
  [
    'in order, with a gap',
    [
      [5, 1],
      [6, 1],
      [9, 1],
    ],
    [0, 1, 4],
  ],
  [
    'reordered',
    [
      [5, 1],
      [7, 1],
      [6, 1],
    ],
    [0, 2, 1],
  ],
  [
    'older than the first',
    [
      [5, 1],
      [4, 1],
    ],
    [0, -1],
  ],
  [
    'round the wrap',
    [
      [65_535, 1],
      [0, 1],
      [65_534, 1],
    ],
    [0, 1, -1],
  ],
  [
    'a stray is ignored',
    [
      [5, 1],
      [30_000, 1],
      [6, 1],
    ],
    [0, undefined, 1],
  ],
  [
    'a restart is believed at its second packet, and leaves room',
    [
      [5, 1],
      [30_000, 1],
      [30_001, 1],
      [30_002, 1],
    ],
    [0, undefined, 5, 6],
    [[1, 4]],
  ],
  [
    'a new source is believed at once, and leaves room',
    [
      [5, 1],
      [700, 2],
      [701, 2],
    ],
    [0, 5, 6],
    [[1, 4]],
  ],
  [
    'packets of a new source that were overtaken lie in that room',
    [
      [5, 1],
      [702, 2],
      [700, 2],
    ],
    [0, 5, 3],
    [[1, 4]],
  ],
  [
    'late packets of the old source are ignored',
    [
      [5, 1],
      [700, 2],
      [6, 1],
      [7, 1],
      [701, 2],
    ],
    [0, 5, undefined, undefined, 6],
    [[1, 4]],
  ],
  [
    'the old source comes back for good',
    [
      [5, 1],
      [700, 2],
      [6, 1],
      [7, 1],
      [8, 1],
      [9, 1],
      [10, 1],
      [11, 1],
    ],
    [0, 5, undefined, undefined, undefined, undefined, 10, 11],
    [
      [1, 4],
      [6, 9],
    ],
  ],
  [
    'a third source is believed at once',
    [
      [5, 1],
      [700, 2],
      [44, 3],
    ],
    [0, 5, 10],
    [
      [1, 4],
      [6, 9],
    ],
  ],
]
for (const [name, packets, numbers, runs = []] of rows) {
  t.test(name, async t => t.same(lay(packets), { numbers, runs }))
}
