import t from 'tap'
import { MediaTimeout } from '../../../src/media/rtp/media-timeout.ts'

type Step = ['packet' | 'pause' | 'resume', number] | ['check', number, boolean]
const sessions: [string, Step[]][] = [
  [
    'no first packet',
    [
      ['check', 999, false],
      ['check', 1000, true],
    ],
  ],
  [
    'the stream stops',
    [
      ['packet', 10],
      ['check', 209, false],
      ['check', 210, true],
    ],
  ],
  [
    'packets keep it alive, and revive it',
    [
      ['packet', 10],
      ['packet', 200],
      ['check', 300, false],
      ['check', 400, true],
      ['packet', 401],
      ['check', 402, false],
    ],
  ],
  [
    'held',
    [
      ['packet', 10],
      ['pause', 20],
      ['check', 100_000, false],
    ],
  ],
  [
    'held before the first packet',
    [
      ['pause', 20],
      ['check', 100_000, false],
    ],
  ],
  [
    'resumed: the patience of a first packet',
    [
      ['packet', 10],
      ['pause', 20],
      ['resume', 5000],
      ['check', 5999, false],
      ['check', 6000, true],
    ],
  ],
  [
    'resume without a pause changes nothing',
    [
      ['packet', 10],
      ['resume', 200],
      ['check', 210, true],
    ],
  ],
]
for (const [name, steps] of sessions) {
  t.test(name, async t => {
    const watcher = new MediaTimeout(0, { initialMs: 1000, runningMs: 200 })
    for (const [what, at, dead] of steps) {
      if (what === 'check') t.equal(watcher.check(at), dead, `at ${at}`)
      else watcher[what](at)
    }
  })
}

t.test('nextAt says when to look; paused and turned off have none', async t => {
  const watcher = new MediaTimeout(100, { initialMs: 1000, runningMs: 0 })
  t.equal(watcher.nextAt, 1100)
  watcher.packet(200)
  t.equal(watcher.nextAt, undefined)
  t.equal(watcher.check(1e9), false)
  const held = new MediaTimeout(0)
  held.pause()
  t.equal(held.paused, true)
  t.equal(held.nextAt, undefined)
})
