import t from 'tap'
import { detectAnsweringMachine } from '../../../src/media/audio/answering-machine.ts'
import type {
  AnsweringMachineOptions,
  AnsweringMachineResult,
} from '../../../src/media/audio/answering-machine.ts'
import { LiveAudioSource } from '../../../src/media/audio/audio-source.ts'
import { callProgress } from '../../../src/media/audio/call-progress.ts'
import { callSounds } from '../../../src/media/audio/call-sounds.ts'
import type { CallSound } from '../../../src/media/audio/call-sounds.ts'
import { COUNTRY_TONES } from '../../../src/media/audio/country-tones.ts'
import { DTMF_HZ, silence, tone } from '../../../src/media/audio/tones.ts'
import { greetings, hellos, joined, mixed, noise, shipped, shippedSpeech, spoken } from './spoken.ts'

const rate = 8000

function sourceOf(samples: Int16Array): LiveAudioSource {
  const source = new LiveAudioSource({ sampleRate: rate, capacityFrames: 100_000 })
  for (let at = 0; at + 160 <= samples.length; at += 160)
    source.push(samples.subarray(at, at + 160), at / 8, false)
  source.end()
  return source
}

async function soundsOf(samples: Int16Array): Promise<CallSound[]> {
  const sounds: CallSound[] = []
  for await (const sound of callSounds(sourceOf(mixed(samples, noise(samples.length, -60)))))
    sounds.push(sound)
  return sounds
}

async function kindsOf(samples: Int16Array): Promise<string[]> {
  const sounds = await soundsOf(samples)
  return sounds.map(({ kind }) => kind).filter(kind => !kind.startsWith('speech'))
}

async function network(
  country: string,
  kind: 'ringback' | 'busy' | 'congestion' | 'information',
  ms: number,
): Promise<Int16Array> {
  const all = new Int16Array(ms * 8)
  let at = 0
  for await (const chunk of callProgress(country, kind)) {
    all.set(chunk.subarray(0, all.length - at), at)
    at += chunk.length
    if (at >= all.length) break
  }
  return all
}

const greeting = await shippedSpeech('menu-welcome', rate)
const beep = (hz: number, durationMs: number, levelDbfs: number = -15): Int16Array =>
  tone({ sampleRate: rate, hz, durationMs, levelDbfs })

t.test(
  'a beep after a greeting is told with its frequency and length, 300 to 2500 Hz, 80 ms to 2 s',
  async t => {
    for (const hz of [300, 440, 620, 850, 1000, 1100, 1400, 1777, 2100, 2500]) {
      for (const ms of [80, 200, 500, 1000, 2000]) {
        const sounds = await soundsOf(joined(greeting, silence(rate, 300), beep(hz, ms), silence(rate, 1500)))
        const found = sounds.filter(({ kind }) => !kind.startsWith('speech'))
        t.equal(found.length, 1, `${hz} Hz ${ms} ms: ${JSON.stringify(found)}`)
        const [one] = found
        if (one?.kind !== 'beep') t.fail(`${hz} Hz ${ms} ms: ${JSON.stringify(one)}`)
        else {
          t.ok(Math.abs(one.hz - hz) <= 12, `${one.hz} for ${hz} Hz`)
          t.ok(Math.abs(one.durationMs - ms) <= 45, `${one.durationMs} for ${ms} ms`)
          t.ok(Math.abs(one.atMs - greeting.length / 8 - 300) <= 40)
        }
      }
    }
  },
)

t.test('and through noise 15 dB below it', async t => {
  let found = 0
  for (const hz of [400, 700, 1000, 1400, 2000]) {
    const samples = joined(greeting, silence(rate, 300), beep(hz, 400), silence(rate, 1500))
    for await (const sound of callSounds(sourceOf(mixed(samples, noise(samples.length, -30))))) {
      if (sound.kind === 'beep') found += 1
    }
  }
  t.equal(found, 5)
})

t.test('no speech is a beep or a tone of the network', async t => {
  const parts: Int16Array[] = []
  for (const name of shipped) parts.push(await shippedSpeech(name, rate), silence(rate, 700))
  for (const voice of ['en', 'en+f3', 'de', 'fr+f2']) {
    for (const text of [...hellos, ...greetings]) {
      const said = await spoken(text, rate, voice)
      if (said !== undefined) parts.push(said, silence(rate, 700))
    }
  }
  const all = joined(...parts)
  t.same(await kindsOf(all), [])
  t.comment(`${(all.length / rate).toFixed(0)} s of speech`)
})

t.test('keys are not beeps', async t => {
  const keys = Object.values(DTMF_HZ).flatMap(hz => [
    tone({ sampleRate: rate, hz, durationMs: 120, levelDbfs: -15 }),
    silence(rate, 400),
  ])
  t.same(await kindsOf(joined(greeting, ...keys, silence(rate, 1500))), [])
})

t.test('chords of music are not beeps', async t => {
  const chords = [262, 294, 330, 349, 392].flatMap(hz => [
    tone({ sampleRate: rate, hz: [hz, hz * 1.26, hz * 1.5, hz * 2], durationMs: 300, levelDbfs: -24 }),
  ])
  t.same(await kindsOf(joined(greeting, ...chords, ...chords, silence(rate, 1500))), [])
})

t.test(
  'ring-back, busy and congestion of every country, and the information tone where it is the standard one',
  async t => {
    for (const country of Object.keys(COUNTRY_TONES)) {
      const ringing = await kindsOf(joined(silence(rate, 200), await network(country, 'ringback', 18_000)))
      t.ok(
        ringing.length >= 2 && ringing.every(kind => kind === 'ringback'),
        `${country} ringback: ${ringing.join()}`,
      )
      const busy = await kindsOf(joined(silence(rate, 200), await network(country, 'busy', 6000)))
      t.ok(busy[0] === 'busy' || busy[0] === 'congestion', `${country} busy: ${busy.join()}`)
      t.equal(busy.length, 1, `${country} busy once`)
      const text = COUNTRY_TONES[country]!.information
      if (!text.includes('1400/330') && !text.includes('1370')) continue
      const information = await kindsOf(
        joined(silence(rate, 200), await network(country, 'information', 2500)),
      )
      t.equal(information[0], 'information', `${country} information: ${information.join()}`)
    }
  },
)

t.test('fax machines that call and that answer', async t => {
  const calling = joined(
    silence(rate, 1000),
    beep(1100, 500),
    silence(rate, 3000),
    beep(1100, 500),
    silence(rate, 1000),
  )
  t.same(await kindsOf(calling), ['fax-calling', 'fax-calling'])
  t.same(await kindsOf(joined(silence(rate, 1000), beep(2100, 3000), silence(rate, 1000))), ['fax-answering'])
})

async function who(
  samples: Int16Array,
  options: AnsweringMachineOptions = {},
): Promise<AnsweringMachineResult> {
  return detectAnsweringMachine(sourceOf(mixed(samples, noise(samples.length, -55))), options)
}

t.test('a machine is known by its long greeting, and waited for until its beep', async t => {
  const samples = joined(
    silence(rate, 400),
    greeting,
    silence(rate, 400),
    beep(1000, 500),
    silence(rate, 4000),
  )
  const machine = await who(samples)
  t.equal(machine.kind, 'machine')
  t.ok(machine.greetingMs >= 2200 && machine.atMs < 4000)
  const recording = await who(samples, { waitForBeepMs: 30_000 })
  t.equal(recording.kind, 'beep')
  const endOfBeep = 400 + greeting.length / 8 + 400 + 500
  t.ok(recording.atMs > endOfBeep && recording.atMs < endOfBeep + 150, `${recording.atMs} after ${endOfBeep}`)
  const withoutBeep = await who(joined(greeting, silence(rate, 5000)), { waitForBeepMs: 4000 })
  t.equal(withoutBeep.kind, 'machine')
})

t.test('people and machines, as espeak-ng speaks them', async t => {
  let wrong = 0
  let all = 0
  for (const voice of ['en', 'en+f3', 'en-us', 'en+m3']) {
    for (const [texts, kind] of [
      [hellos, 'human'],
      [greetings, 'machine'],
    ] as const) {
      for (const text of texts) {
        const said = await spoken(text, rate, voice)
        if (said === undefined) continue
        const result = await who(joined(silence(rate, 700), said, silence(rate, 4000)))
        all += 1
        if (result.kind !== kind) wrong += 1
      }
    }
  }
  t.ok(wrong <= all * 0.05, `${wrong} of ${all} wrong`)
  t.comment(`${wrong} of ${all} wrong`)
})

t.test('a short hello of the excerpts is a person', async t => {
  const hello = greeting.subarray(0, rate * 0.8)
  const result = await who(joined(silence(rate, 500), hello, silence(rate, 3000)))
  t.equal(result.kind, 'human')
  t.ok(result.atMs < 2600, `${result.atMs}`)
})

t.test('silence, fax, busy and the end of the call are answers too', async t => {
  t.match(await who(silence(rate, 8000)), { kind: 'silence', greetingMs: 0 })
  t.match(await who(joined(silence(rate, 500), beep(2100, 3000))), { kind: 'fax' })
  t.match(await who(await network('DE', 'busy', 5000)), { kind: 'busy' })
  t.match(await who(await network('US', 'congestion', 5000)), { kind: 'congestion' })
  t.match(await who(await network('GB', 'information', 3000)), { kind: 'information' })
  t.match(await who(silence(rate, 1000)), { kind: 'ended' })
})

t.test('ring-back before the answer does not count as time of silence', async t => {
  const hello = greeting.subarray(0, rate * 0.8)
  const samples = joined(
    await network('DE', 'ringback', 9500),
    silence(rate, 500),
    hello,
    silence(rate, 2000),
  )
  t.match(await who(samples), { kind: 'human' })
})

t.test('an aborted signal rejects with its reason, also while nothing comes', async t => {
  const leave = new AbortController()
  const detecting = detectAnsweringMachine(new LiveAudioSource({ sampleRate: rate }), {
    signal: leave.signal,
  })
  await new Promise(resolve => setImmediate(resolve))
  leave.abort(new Error('changed my mind'))
  await t.rejects(detecting, { message: 'changed my mind' })
  await t.rejects(
    detectAnsweringMachine(sourceOf(silence(rate, 100)), { signal: leave.signal }),
    /changed my mind/,
  )
  await t.rejects(detectAnsweringMachine(sourceOf(silence(rate, 100)), { greetingMs: -1 }), /greetingMs/)
})
