import t from 'tap'
import { leaveMessage } from '../../../src/agent/control/leave-message.ts'
import { listenForSpeech } from '../../../src/agent/control/listen.ts'
import { playPrompt } from '../../../src/agent/control/play.ts'
import type { SpokenAudio } from '../../../src/agent/control/speak.ts'
import { speak } from '../../../src/agent/control/speak.ts'
import { agentSession } from '../../../src/agent/agent.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import { createLab } from '../../../src/testing/lab.ts'
import { prompt, withCaller } from './scene.ts'

const voice = (durationMs: number): { samples: Int16Array; sampleRate: number } => ({
  samples: tone({ sampleRate: 8000, hz: [210, 420, 630], durationMs, levelDbfs: -20 }),
  sampleRate: 8000,
})

t.test('playPrompt: heard to its end, unless a key goes down; the key is left for who asks', async t => {
  const heard = await withCaller(
    async session => {
      const whole = await playPrompt(session, () => prompt(600, 500))
      const cut = await playPrompt(session, () => prompt(800, 10_000))
      for await (const { digit } of session.dtmf()) return { whole, cut, digit }
      return undefined
    },
    async caller => {
      await caller.hears({ toneHz: 600 })
      await caller.hears({ toneHz: 800 })
      await caller.waits(500)
      await caller.press('5', { durationMs: 1500 })
      await caller.isHungUp()
    },
  )
  t.match(heard, {
    whole: { heardMs: 500, complete: true },
    cut: { complete: false, by: 'key', digit: '5' },
    digit: '5',
  })
  t.ok(heard!.cut.heardMs < 1500)
})

t.test('playPrompt: the voice of the caller stops it, a key does not unless it may', async t => {
  const heard = await withCaller(
    session => playPrompt(session, () => prompt(800, 10_000), { bargeIn: 'speech' }),
    async caller => {
      await caller.hears({ toneHz: 800 })
      await caller.press('5')
      await caller.hears({ toneHz: 800 })
      await caller.waits(1000)
      await caller.say(voice(1000))
      await caller.isHungUp()
    },
  )
  t.match(heard, { complete: false, by: 'speech' })
  t.ok(
    heard.heardMs > 1300 && heard.heardMs < 2200,
    `${heard.heardMs} ms: while the caller was still speaking`,
  )
})

const text = 'Your parcel arrives tomorrow between ten and noon.'

/** Twenty milliseconds a character; tells after every fifth where it is. */
async function* tts(said: string): AsyncGenerator<Int16Array | { samples: Int16Array; characters: number }> {
  for (let at = 0; at < said.length; at += 5) {
    const samples = tone({ sampleRate: 16_000, hz: 600, durationMs: 100 })
    yield { samples, characters: Math.min(at + 5, said.length) }
  }
}
const spoken = (said: string): SpokenAudio => Object.assign(tts(said), { sampleRate: 16_000 })

const mute = (): SpokenAudio => {
  throw new Error('no voice')
}

t.test('speak: what a model must be told that the caller heard', async t => {
  const aborted: boolean[] = []
  const result = await withCaller(
    async session => {
      const whole = await speak(session, 'Hello.', { tts: spoken })
      const cut = await speak(session, text, {
        tts: (said, { signal }) => {
          signal.addEventListener('abort', () => aborted.push(true))
          return Promise.resolve(spoken(said))
        },
      })
      return { whole, cut }
    },
    async caller => {
      await caller.hears({ toneHz: 600 })
      await caller.waits(600)
      await caller.press('1')
      await caller.isHungUp()
    },
  )
  t.match(result.whole, { complete: true, heardText: 'Hello.' })
  const { heardMs, heardText, by } = result.cut
  t.equal(by, 'key')
  const least = text.slice(0, heardMs / 20)
  t.ok(least.startsWith(heardText!), `${heardMs} ms are ${least}, told is ${heardText}`)
  t.ok(least.length - heardText!.length < 9 && heardText !== '', 'to a whole word')
  t.same(aborted, [true], 'the TTS was told that nobody wants the rest')
})

t.test(
  'speak: a TTS that fails throws; one that thinks when the caller hangs up does not keep the agent',
  async t => {
    await withCaller(
      async session => {
        await t.rejects(speak(session, text, { tts: mute }), { message: 'no voice' })
      },
      async caller => void (await caller.isHungUp()),
    )
    const result = await withCaller(
      session => speak(session, text, { tts: () => new Promise(() => {}) }),
      async caller => {
        await caller.waits(500)
        await caller.hangup()
        await caller.waits(100)
      },
    )
    t.match(result, { heardMs: 0, complete: false, by: 'call-ended', heardText: '' })
  },
)

t.test('listenForSpeech: spoke, said nothing, does not stop', async t => {
  const results = await withCaller(
    async session => [
      await listenForSpeech(session, { noInputMs: 1000 }),
      await listenForSpeech(session, { silenceMs: 500 }),
      await listenForSpeech(session, { maxMs: 1000 }),
      await listenForSpeech(session),
    ],
    async caller => {
      await caller.waits(1500)
      await caller.say(voice(800))
      await caller.waits(1200)
      await caller.say(voice(1500))
      await caller.hangup()
      await caller.waits(100)
    },
  )
  t.match(results, [
    { outcome: 'no-input' },
    { outcome: 'spoke', speech: { durationMs: Number } },
    { outcome: 'too-long' },
    { outcome: 'call-ended' },
  ])
  const { durationMs } = results[1]!.speech!
  t.ok(Math.abs(durationMs - 800) < 150, `${durationMs} ms of 800`)
})

t.test('expiring: an agent is told before the longest time is over', async t => {
  const lab = createLab()
  const endpoint = await lab.endpoint('agent.lab')
  const left: number[] = []
  void endpoint.serve(async call => {
    await call.answer({ maxDurationMs: 5000, expiringNoticeMs: 2000 })
    const { on, ended } = agentSession(call)
    on!('expiring', remainingMs => left.push(remainingMs))
    await ended
  })
  const phone = await lab.endpoint('phone.lab')
  await lab.run(async () => {
    const call = await phone.call('sip:agent@agent.lab')
    t.match(await call.ended, { by: 'remote' })
  })
  t.same(left, [2000])
})

for (const [what, machine, expected] of [
  ['a machine', true, { answeredBy: 'beep', left: true, heardMs: 800 }],
  ['a person', false, { answeredBy: 'human', left: false, heardMs: 0 }],
] as const) {
  t.test(`leaveMessage: ${what} hears ${machine ? 'it after the beep' : 'nothing'}`, async t => {
    const lab = createLab()
    const answers = await lab.endpoint('answers.lab')
    const caller = await lab.endpoint('caller.lab')
    let afterBeepMs = 0
    void answers.serve(async call => {
      const { output, input } = await call.answer()
      for (let word = 0; word < (machine ? 9 : 1); word += 1) {
        await output.play(voice(400).samples)
        await output.play(new Int16Array(640))
      }
      if (machine) await output.play(tone({ sampleRate: 8000, hz: 1000, durationMs: 400 }))
      input.clear()
      for await (const { samples } of input) {
        if (samples.some(sample => sample > 1000)) afterBeepMs += (samples.length * 1000) / input.sampleRate
      }
    })
    await lab.run(async () => {
      const call = await caller.call('sip:anyone@answers.lab')
      const left = await leaveMessage(agentSession(call), { message: () => prompt(600, 800) })
      t.strictSame(left, expected)
      await call.hangup()
    })
    t.ok(Math.abs(afterBeepMs - expected.heardMs) <= 40, `${afterBeepMs} ms were heard`)
  })
}
