import t from 'tap'
import { runAgent } from '../../../../src/agent/agent.ts'
import type { AgentSession } from '../../../../src/agent/agent.ts'
import { phoneAudio } from '../../../../src/agent/sdk/livekit-agents/phone-audio.ts'
import type { PhoneAudioOptions } from '../../../../src/agent/sdk/livekit-agents/phone-audio.ts'
import { goertzelDbfs } from '../../../../src/media/audio/goertzel.ts'
import { tone } from '../../../../src/media/audio/tones.ts'
import type { OptionError } from '../../../../src/runtime/errors.ts'
import type { ScriptedCaller } from '../../../../src/testing/caller.ts'
import { createLab } from '../../../../src/testing/lab.ts'
import type { Lab } from '../../../../src/testing/lab.ts'
import { AudioFrame, voice } from './sdk.ts'
import type { AudioInput, AudioOutput } from './sdk.ts'

interface Scene {
  readonly caller: ScriptedCaller
  readonly lab: Lab
  readonly call: AgentSession
  readonly input: AudioInput
  readonly output: AudioOutput
}

async function onCall(
  script: (scene: Scene) => Promise<void>,
  options: PhoneAudioOptions = {},
): Promise<void> {
  const lab = createLab({ network: { delayMs: 5 } })
  const endpoint = await lab.endpoint('agent.lab')
  let take: ((scene: Pick<Scene, 'call' | 'input' | 'output'>) => void) | undefined
  const up = new Promise<Pick<Scene, 'call' | 'input' | 'output'>>(resolve => (take = resolve))
  void runAgent(endpoint, {
    async run(call) {
      take?.({
        call,
        ...phoneAudio(call, { voice, AudioFrame }, { ...options, runtime: { clock: lab.clock } }),
      })
      await call.ended
    },
  })
  const caller = lab.caller()
  await lab.run(async () => {
    await caller.call('sip:a@agent.lab')
    await script({ caller, lab, ...(await up) })
  })
}

/** As a TTS gives it: 24 kHz, in frames of 37 ms, each waited for. */
async function say(
  output: AudioOutput,
  hz: number,
  durationMs: number,
  channels = 1,
  signal?: AbortSignal,
): Promise<void> {
  const mono = tone({ sampleRate: 24_000, hz, durationMs })
  for (let at = 0; at < mono.length; at += 888) {
    if (signal?.aborted === true) return
    const part = mono.subarray(at, at + 888)
    const data = Int16Array.from(
      { length: part.length * channels },
      (_, i) => part[Math.floor(i / channels)] ?? 0,
    )
    await output.captureFrame(new AudioFrame(data, 24_000, channels, part.length))
  }
  output.flush()
}

/** The same, until the SDK interrupts it. */
function sayInterruptibly(output: AudioOutput, hz: number, durationMs: number): () => void {
  const stop = new AbortController()
  void say(output, hz, durationMs, 1, stop.signal)
  return () => {
    stop.abort()
    output.flush()
    output.clearBuffer()
  }
}

t.test('what is captured is heard, and its end is told when it has been', async t => {
  await onCall(async ({ caller, lab, output }) => {
    t.equal(output.canPause, true)
    const from = lab.clock.now()
    void say(output, 440, 1500)
    await caller.hears({ toneHz: 440 })
    t.same(output.finished, [])
    t.match(await output.waitForPlayout(), { playbackPosition: 1.5, interrupted: false })
    const took = lab.clock.now() - from
    t.ok(took >= 1480 && took < 1600, `after ${took} ms`)
    t.equal(output.started.length, 1)
    t.equal(output.started[0], lab.clock.wallTime() - (lab.clock.now() - from))
    await caller.hears({ silenceMs: 200 })
    t.equal(output.faults, 0)
  })
})

t.test('stereo is mixed', async () => {
  await onCall(async ({ caller, output }) => {
    void say(output, 440, 500, 2)
    await caller.hears({ toneHz: 440 })
  })
})

t.test('captureFrame waits while a second is ahead', async t => {
  await onCall(async ({ lab, output }) => {
    const from = lab.clock.now()
    await say(output, 440, 3000)
    const took = lab.clock.now() - from
    t.ok(took > 1800 && took < 2100, `3 s were captured in ${took} ms`)
  })
})

t.test('clearBuffer stops at once and tells how much was heard', async t => {
  await onCall(async ({ caller, lab, output }) => {
    const interrupt = sayInterruptibly(output, 440, 5000)
    await caller.hears({ toneHz: 440 })
    await lab.clock.sleep(500)
    interrupt()
    await caller.hears({ silenceMs: 100 }, { withinMs: 250 })
    const [finished, ...rest] = output.finished
    t.equal(finished?.interrupted, true)
    const heard = finished?.playbackPosition ?? 0
    t.ok(heard > 0.5 && heard < 0.75, `${heard} s were heard`)
    // It may be told so when there is nothing.
    output.clearBuffer()
    t.same(rest, [])
    t.equal(output.faults, 0)
  })
})

t.test('a cleared segment is followed by the next', async t => {
  await onCall(async ({ caller, output }) => {
    await output.captureFrame(
      new AudioFrame(tone({ sampleRate: 24_000, hz: 440, durationMs: 900 }), 24_000, 1, 21_600),
    )
    output.flush()
    await caller.hears({ toneHz: 440 })
    output.clearBuffer()
    void say(output, 1000, 400)
    await caller.hears({ toneHz: 1000 })
    t.match(await output.waitForPlayout(), { playbackPosition: 0.4, interrupted: false })
    t.equal(output.faults, 0)
  })
})

t.test('a second segment waits for the first', async t => {
  await onCall(async ({ caller, output }) => {
    await say(output, 440, 600)
    const second = say(output, 1000, 600)
    await caller.hears({ toneHz: 440 })
    t.equal(output.begun, 1)
    await caller.hears({ toneHz: 1000 })
    await second
    await output.waitForPlayout()
    t.same(output.finished, [
      { playbackPosition: 0.6, interrupted: false },
      { playbackPosition: 0.6, interrupted: false },
    ])
  })
})

t.test('pause stops in mid-word, resume loses nothing', async t => {
  await onCall(async ({ caller, lab, call, output }) => {
    const from = lab.clock.now()
    void say(output, 440, 2000)
    await caller.hears({ toneHz: 440 })
    output.pause()
    t.equal(call.output.bufferedMs, 0)
    await caller.hears({ silenceMs: 500 }, { withinMs: 700 })
    const paused = lab.clock.now() - from
    output.resume()
    await caller.hears({ toneHz: 440 }, { withinMs: 300 })
    t.match(await output.waitForPlayout(), { playbackPosition: 2, interrupted: false })
    const took = lab.clock.now() - from
    // All of it, and the pause, which began 100 ms or so into it.
    t.ok(took > paused + 1750 && took < paused + 1950, `${took} ms, of which ${paused} until the resume`)
    t.equal(output.started.length, 1)
    t.equal(output.faults, 0)
  })
})

t.test('interrupted while paused: what was heard before', async t => {
  await onCall(async ({ caller, lab, output }) => {
    const interrupt = sayInterruptibly(output, 440, 2000)
    await caller.hears({ toneHz: 440 })
    await lab.clock.sleep(400)
    output.pause()
    await lab.clock.sleep(1000)
    interrupt()
    const heard = output.finished[0]?.playbackPosition ?? 0
    t.ok(heard > 0.4 && heard < 0.65, `${heard} s`)
    output.resume()
    void say(output, 1000, 300)
    await caller.hears({ toneHz: 1000 })
  })
})

t.test('paused before the first frame: it starts when resumed', async t => {
  await onCall(async ({ caller, lab, output }) => {
    output.pause()
    void say(output, 440, 400)
    await lab.clock.sleep(500)
    t.same(output.started, [])
    output.resume()
    await caller.hears({ toneHz: 440 })
    t.match(await output.waitForPlayout(), { playbackPosition: 0.4, interrupted: false })
  })
})

t.test('the call ends in mid-sentence: every wait ends, and what comes later goes nowhere', async t => {
  await onCall(async ({ caller, lab, output }) => {
    const said = say(output, 440, 5000)
    await caller.hears({ toneHz: 440 })
    await lab.clock.sleep(300)
    await caller.hangup()
    t.match(await output.waitForPlayout(), { interrupted: true })
    const heard = output.finished[0]?.playbackPosition ?? 0
    t.ok(heard <= 0.6, `${heard} s`)
    await said
    t.match(await output.waitForPlayout(), { playbackPosition: 0, interrupted: true })
    t.equal(output.faults, 0)
  })
})

async function collect(input: AudioInput, frames: AudioFrame[]): Promise<void> {
  for await (const frame of input.stream) frames.push(frame)
}

for (const sampleRate of [undefined, 24_000]) {
  t.test(`the caller is heard at ${sampleRate ?? 'the rate of the call'}`, async t => {
    await onCall(
      async ({ caller, lab, input }) => {
        const frames: AudioFrame[] = []
        const over = collect(input, frames)
        await caller.say({ samples: tone({ sampleRate: 8000, hz: 700, durationMs: 600 }), sampleRate: 8000 })
        const rate = sampleRate ?? 8000
        t.ok(
          frames.every(
            frame => frame.sampleRate === rate && frame.channels === 1 && frame.samplesPerChannel > 0,
          ),
        )
        const last = frames.slice(-10).flatMap(({ data }) => Array.from(data))
        t.ok(goertzelDbfs(Int16Array.from(last), rate, 700) > -20)
        await caller.hangup()
        await over
        await lab.clock.sleep(10)
      },
      sampleRate === undefined ? {} : { sampleRate },
    )
  })
}

t.test('detached, nothing is heard; attached again, only what is said from then on', async t => {
  await onCall(async ({ caller, lab, input }) => {
    const frames: AudioFrame[] = []
    void collect(input, frames)
    await lab.clock.sleep(100)
    input.onDetached()
    const before = frames.length
    t.ok(before > 0)
    await caller.say({ samples: tone({ sampleRate: 8000, hz: 700, durationMs: 400 }), sampleRate: 8000 })
    t.ok(frames.length <= before + 1)
    await lab.clock.sleep(100)
    input.onAttached()
    await lab.clock.sleep(200)
    const later = frames.slice(before + 1).flatMap(({ data }) => Array.from(data))
    t.ok(later.length > 800)
    t.ok(goertzelDbfs(Int16Array.from(later), 8000, 700) < -50)
  })
})

t.test('closing the input ends the stream while the call goes on', async t => {
  await onCall(async ({ lab, input, call }) => {
    const over = collect(input, [])
    await lab.clock.sleep(100)
    await input.close()
    await over
    t.equal(call.signal.aborted, false)
    t.equal(input.closed, true)
  })
})

t.test('an SDK that is none is named', t => {
  const bad = [
    ['AudioFrame', { voice }],
    ['voice', { AudioFrame, voice: {} }],
    ['voice', { AudioFrame }],
  ] as const
  for (const [field, sdk] of bad) {
    try {
      phoneAudio({} as never, sdk as never)
      t.fail(`${field} was not missed`)
    } catch (error) {
      t.equal((error as OptionError).field, field)
    }
  }
  t.end()
})
