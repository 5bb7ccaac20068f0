import { createHash } from 'node:crypto'
import t from 'tap'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { levelDbfs } from '../../../src/media/audio/level.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { Pair } from './pair.ts'
import { listen } from './wire.ts'

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
  // What says good-bye is still under way.
  await pair.clock.advance(1000)
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
  const { lost, concealedMs, late } = pair.b.stats()
  t.ok(lost >= 30 && lost <= 75, `${lost} packets of 1000 lost`)
  t.ok(
    concealedMs <= (lost + late) * 20 + 400,
    `no more made up (${concealedMs} ms) than was missing, and the delay's growth`,
  )
  await pair.close()
})

t.test('the same seed gives the same packets and the same sound, another seed others', async t => {
  const first = await run(11)
  t.equal(await run(11), first)
  t.not(await run(12), first)
})

t.test('octets of any kind at the RTP port neither throw nor stop the call', async t => {
  const pair = await Pair.open()
  pair.connect()
  const wire = listen(pair.network, '10.0.0.1')
  await pair.clock.advance(500)
  const sample = wire.at(-1)?.rtp.bytes ?? new Uint8Array(172)
  const random = seededRandom(99)
  const attacker = await pair.network.host('10.0.0.1').bindUdp({ host: '10.0.0.1', port: 4 })
  for (let i = 0; i < 20_000; i += 1) {
    const bytes = Uint8Array.from(sample.subarray(0, random.integer(0, sample.length)))
    for (let edits = random.integer(0, 6); edits > 0 && bytes.length > 0; edits -= 1) {
      bytes[random.integer(0, Math.min(bytes.length - 1, 15))] = random.integer(0, 255)
    }
    attacker.send(bytes, pair.b.local.port, '10.0.0.2')
    if (i % 10 === 0) await pair.clock.advance(20)
  }
  const heard = pair.capture(pair.b)
  await pair.clock.advance(1000)
  void pair.a.output.write(tone({ sampleRate: 8000, hz: 1000, durationMs: 2000, levelDbfs: -12 }))
  const from = heard.frames.at(-1)?.timestampMs ?? 0
  await pair.clock.advance(2000)
  t.ok(goertzelDbfs(heard.between(from + 500, from + 1500), 8000, 1000) > -14)
  t.ok(pair.b.stats().discarded.malformed > 100)
  await pair.close()
})

/** A lossy call, as a hash of all that was sent and heard. */
async function run(seed: number): Promise<string> {
  const pair = await Pair.open({
    seed,
    conditions: { delayMs: 20, jitterMs: 60, loss: 0.05, reorder: 0.05 },
  })
  const wire = listen(pair.network, '10.0.0.1')
  pair.connect()
  const heard = pair.capture(pair.b)
  void pair.a.output.write(tone({ sampleRate: 8000, hz: 440, durationMs: 3000 }))
  void pair.a.sendDtmf('12w3')
  await pair.clock.advance(3000)
  await pair.close()
  const hash = createHash('sha256')
  for (const { atMs, rtp } of wire) hash.update(`${atMs} `).update(rtp.bytes)
  for (const { samples } of heard.frames) hash.update(Uint8Array.from(samples, sample => sample & 0xff))
  return hash.update(JSON.stringify(pair.b.stats())).digest('hex')
}
