import type { AgentSession } from '../../../src/agent/agent.ts'
import { runAgent } from '../../../src/agent/agent.ts'
import type { Call } from '../../../src/call/call.ts'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import { createLab } from '../../../src/testing/lab.ts'
import type { Lab } from '../../../src/testing/lab.ts'
import type { ScriptedCaller } from '../../../src/testing/caller.ts'

/** A prompt that can be told by its frequency, in chunks of 20 ms. */
export async function* prompt(hz: number, durationMs: number): AsyncGenerator<Int16Array> {
  const samples = tone({ sampleRate: 8000, hz, durationMs })
  for (let at = 0; at < samples.length; at += 160) yield samples.subarray(at, at + 160)
}

/** What the agent's function gave, while a caller did its lines. */
export async function withCaller<T>(
  run: (session: AgentSession) => Promise<T>,
  script: (caller: ScriptedCaller, lab: Lab) => Promise<void>,
): Promise<T> {
  const lab = createLab({ network: { delayMs: 20 } })
  const endpoint = await lab.endpoint('agent.lab')
  let result: { readonly value: T } | undefined
  void runAgent(endpoint, {
    async run(session) {
      result = { value: await run(session) }
    },
  })
  const caller = lab.caller()
  await lab.run(async () => {
    await caller.call('sip:agent@agent.lab')
    await script(caller, lab)
  })
  if (result === undefined) throw new Error('the agent gave nothing')
  return result.value
}

/** Says a tone without end, until the call is over. */
export function hums(call: Call, hz: number): void {
  const { output } = call.media
  void output.play(
    (async function* () {
      for (;;) yield tone({ sampleRate: 8000, hz, durationMs: 1000, levelDbfs: -20 })
    })(),
  )
}

const all = [300, 440, 600, 800, 1000, 1300]

/** Which of the frequencies that are used here somebody hears in the next 300 ms. */
export async function heardBy(call: Call): Promise<readonly number[]> {
  const { input } = call.media
  input.clear()
  const heard: number[] = []
  for await (const { samples } of input) {
    heard.push(...samples)
    if (heard.length >= 0.3 * input.sampleRate) break
  }
  const last = Int16Array.from(heard.slice(-0.1 * input.sampleRate))
  return all.filter(hz => goertzelDbfs(last, input.sampleRate, hz) > -35)
}
