import t from 'tap'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { levelDbfs } from '../../../src/media/audio/level.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import { Pair } from './pair.ts'

t.test('a tone written at one end is heard at the other with its frequency and level', async t => {
  const pair = await Pair.open()
  pair.connect()
  const heard = pair.capture(pair.b)
  void pair.a.output.write(tone({ sampleRate: 8000, hz: 1000, durationMs: 2000, levelDbfs: -20 }))
  await pair.clock.advance(3000)
  const middle = heard.between(500, 1500)
  t.equal(middle.length, 8000)
  t.ok(
    Math.abs(goertzelDbfs(middle, 8000, 1000) + 20) < 0.5,
    `${goertzelDbfs(middle, 8000, 1000)} dBFS at 1000 Hz`,
  )
  t.ok(goertzelDbfs(middle, 8000, 1500) < -60)
  t.ok(levelDbfs(heard.between(2500, 3000)) < -60, 'then there is silence')
  await pair.close()
  await heard.done
  t.equal(pair.clock.pendingTimers, 0, 'no timer is left')
})

t.test('over 5 % loss, reordering and 60 ms of jitter the tone is still there', async t => {
  const pair = await Pair.open({
    seed: 7,
    conditions: { delayMs: 40, jitterMs: 60, loss: 0.05, reorder: 0.05 },
  })
  pair.connect()
  const heard = pair.capture(pair.b)
  void pair.a.output.write(tone({ sampleRate: 8000, hz: 440, durationMs: 20_000, levelDbfs: -16 }))
  await pair.clock.advance(20_000)
  for (let from = 1000; from < 19_000; from += 1000) {
    const second = heard.between(from, from + 1000)
    t.ok(
      goertzelDbfs(second, 8000, 440) > -22,
      `second ${from / 1000}: ${goertzelDbfs(second, 8000, 440)} dBFS`,
    )
  }
  console.log(pair.b.stats())
  await pair.close()
})
