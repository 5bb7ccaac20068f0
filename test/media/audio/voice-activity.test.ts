import t from 'tap'
import { LiveAudioSource } from '../../../src/media/audio/audio-source.ts'
import { levelDbfs } from '../../../src/media/audio/level.ts'
import { speechEvents } from '../../../src/media/audio/speech-events.ts'
import type { SpeechEvent, SpeechEventOptions } from '../../../src/media/audio/speech-events.ts'
import { silence, tone } from '../../../src/media/audio/tones.ts'
import { VoiceActivityDetector } from '../../../src/media/audio/voice-activity.ts'
import { greetings, hellos, joined, mixed, noise, shipped, shippedSpeech, spoken } from './spoken.ts'

/** Share of the frames of 20 ms of clean speech that were missed, and of the silence that was taken for speech. */
function rates(clean: Int16Array, noisy: Int16Array, sampleRate: number): { miss: number; false: number } {
  const detector = new VoiceActivityDetector({ sampleRate })
  const size = sampleRate / 50
  let speech = 0
  let missed = 0
  let quiet = 0
  let wrong = 0
  let sinceSpeech = Infinity
  for (let at = 0; at + size <= clean.length; at += size) {
    const active = detector.push(noisy.subarray(at, at + size))
    const level = levelDbfs(clean.subarray(at, at + size))
    sinceSpeech = level > -40 ? 0 : sinceSpeech + 1
    if (level > -30) {
      speech += 1
      if (!active) missed += 1
    } else if (sinceSpeech > 15) {
      quiet += 1
      if (active) wrong += 1
    }
  }
  return { miss: missed / speech, false: wrong / quiet }
}

/** As loud as -20 dBFS where it speaks. */
function levelled(samples: Int16Array): Int16Array {
  const loud = samples.filter(sample => Math.abs(sample) > 300)
  const factor = 10 ** ((-20 - levelDbfs(loud)) / 20)
  return samples.map(sample => Math.max(-32_768, Math.min(32_767, sample * factor)))
}

async function talk(sampleRate: number): Promise<Int16Array> {
  const pause = silence(sampleRate, 1500)
  const parts: Int16Array[] = [pause]
  for (const name of shipped) parts.push(levelled(await shippedSpeech(name, sampleRate)), pause)
  for (const text of [...hellos, ...greetings]) {
    const said = await spoken(text, sampleRate)
    if (said !== undefined) parts.push(levelled(said), pause)
  }
  return joined(...parts)
}

for (const sampleRate of [8000, 16_000, 24_000, 48_000]) {
  t.test(`speech is told from noise at ${sampleRate} samples a second`, async t => {
    const clean = await talk(sampleRate)
    for (const [snr, miss, wrong] of [
      [30, 0.03, 0.02],
      [20, 0.04, 0.02],
      [10, 0.12, 0.02],
    ] as const) {
      const found = rates(clean, mixed(clean, noise(clean.length, -20 - snr)), sampleRate)
      t.ok(found.miss <= miss, `${snr} dB: ${(found.miss * 100).toFixed(1)} % of the speech missed`)
      t.ok(
        found.false <= wrong,
        `${snr} dB: ${(found.false * 100).toFixed(1)} % of the pauses taken for speech`,
      )
      t.comment(
        `SNR ${snr} dB: miss ${(found.miss * 100).toFixed(2)} %, false ${(found.false * 100).toFixed(2)} %`,
      )
    }
  })
}

t.test('noise alone is not speech, at any level, nor is it when it has become louder', t => {
  for (const level of [-70, -50, -35, -20]) {
    const detector = new VoiceActivityDetector({ sampleRate: 8000 })
    let active = 0
    for (let i = 0; i < 500; i += 1) if (detector.push(noise(160, level, i + 1))) active += 1
    t.ok(active <= 5, `${active} of 500 frames at ${level} dBFS`)
    for (let i = 0; i < 110; i += 1) detector.push(noise(160, Math.min(-10, level + 10), i + 7))
    t.notOk(detector.active, 'after two seconds the new noise is known')
  }
  t.end()
})

t.test('a click, an offset that comes or goes, and hum are no speech', t => {
  const sounds: Readonly<Record<string, (at: number) => number>> = {
    click: at => (at === 24_003 ? 20_000 : 0),
    'clicks, each second': at => (at % 8000 === 3 ? (at % 16_000 === 3 ? -32_768 : 15_000) : 0),
    'an offset from the start': () => 8000,
    'an offset that comes and goes': at => (at > 20_000 && at < 40_000 ? 8000 : 0),
    'hum of 50 Hz': at => 4000 * Math.sin((2 * Math.PI * 50 * at) / 8000),
  }
  for (const [name, sound] of Object.entries(sounds)) {
    for (const level of [-45, -60, -Infinity]) {
      const detector = new VoiceActivityDetector({ sampleRate: 8000 })
      const samples = noise(80_000, level).map((sample, at) => sample + sound(at))
      let active = 0
      for (let at = 0; at < samples.length; at += 160) {
        if (detector.push(samples.subarray(at, at + 160))) active += 1
      }
      t.equal(active, 0, `${name}, noise of ${level} dBFS`)
    }
  }
  t.end()
})

t.test('chunks of any length give the same', async t => {
  const clean = await shippedSpeech('menu-welcome', 8000)
  const whole = new VoiceActivityDetector({ sampleRate: 8000 })
  const cut = new VoiceActivityDetector({ sampleRate: 8000 })
  for (let at = 0; at + 80 * 37 <= clean.length; at += 80 * 37) {
    whole.push(clean.subarray(at, at + 80 * 37))
    for (let k = 0; k < 80; k += 1) cut.push(clean.subarray(at + k * 37, at + (k + 1) * 37))
    t.equal(cut.active, whole.active)
    t.equal(cut.levelDbfs, whole.levelDbfs)
  }
})

async function eventsOf(samples: Int16Array, options: SpeechEventOptions): Promise<SpeechEvent[]> {
  const source = new LiveAudioSource({ sampleRate: 8000, capacityFrames: 10_000 })
  for (let at = 0; at + 160 <= samples.length; at += 160)
    source.push(samples.subarray(at, at + 160), at / 8, false)
  source.end()
  const events: SpeechEvent[] = []
  for await (const event of speechEvents(source, options)) events.push(event)
  return events
}

t.test('speech begins and ends where it does, and a silence is told of once', async t => {
  const said = tone({ sampleRate: 8000, hz: [210, 420, 630], durationMs: 600, levelDbfs: -25 })
  const events = await eventsOf(
    joined(silence(8000, 1000), said, silence(8000, 100), said, silence(8000, 3000)),
    { silenceMs: 800 },
  )
  t.same(
    events.map(({ kind }) => kind),
    ['silence', 'speech-start', 'speech-end', 'silence'],
  )
  const [, start, end, quiet] = events
  t.ok(Math.abs(start!.atMs - 1000) <= 60, `${start!.atMs}`)
  t.ok(Math.abs(end!.atMs - 2300) <= 140, `${end!.atMs}`)
  t.ok(Math.abs(quiet!.atMs - end!.atMs - 800) <= 20)
  t.ok(end!.kind === 'speech-end' && Math.abs(end!.levelDbfs + 20) < 2)
})

t.test('the signal ends it, and the source can be read again', async t => {
  const source = new LiveAudioSource({ sampleRate: 8000 })
  const leave = new AbortController()
  const events = speechEvents(source, { signal: leave.signal })
  const next = events.next()
  await new Promise(resolve => setImmediate(resolve))
  leave.abort()
  t.ok((await next).done)
  source.end()
  for await (const frame of source) t.fail(`nothing was pushed: ${frame.timestampMs}`)
  t.ok((await speechEvents(source, { signal: leave.signal }).next()).done)
})

t.test('options out of range are named', async t => {
  t.throws(() => new VoiceActivityDetector({ sampleRate: 8000, thresholdDb: 1 }), /thresholdDb/)
  t.throws(() => new VoiceActivityDetector({ sampleRate: 8000, hangoverMs: -1 }), /hangoverMs/)
  t.throws(() => new VoiceActivityDetector({ sampleRate: 8000, minLevelDbfs: 3 }), /minLevelDbfs/)
  t.throws(() => new VoiceActivityDetector({ sampleRate: 10 }), /sampleRate/)
  await t.rejects(
    speechEvents(new LiveAudioSource({ sampleRate: 8000 }), { silenceMs: 0 }).next(),
    /silenceMs/,
  )
})
