import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { tone } from '../media/audio/tones.ts'
import { WavReader } from '../media/audio/wav-reader.ts'
import { realWork } from '../runtime/real-work.ts'
import type { Agent, AgentSession } from './agent.ts'
import { menuAgent, say } from './menu.ts'

/** The prompts that come with the package, 16 kHz speech. */
export type PromptName = 'menu-welcome' | 'menu-echo' | 'menu-unknown' | 'menu-goodbye' | 'caller-hello'

/** The path of a prompt that comes with the package. */
export function promptFile(name: PromptName): string {
  return fileURLToPath(new URL(`../../../assets/${name}.wav`, import.meta.url))
}

/** In memory, so that playing it needs no file while the call is up. */
export async function loadPrompt(name: PromptName): Promise<WavReader> {
  return WavReader.fromBytes(await realWork(readFile(promptFile(name))))
}

/** The menu that `offhook answer --agent menu` and the demo play: 1 echo until `#`, 2 a tone, 9 goodbye. */
export async function demoMenu(): Promise<Agent> {
  const [prompt, echo, unknown, goodbye] = await Promise.all(
    (['menu-welcome', 'menu-echo', 'menu-unknown', 'menu-goodbye'] as const).map(loadPrompt),
  )
  if (!prompt || !echo || !unknown || !goodbye) throw new Error('a prompt is missing from the package')
  return menuAgent({
    prompt,
    unknown,
    goodbye,
    keys: {
      '1': async session => {
        await say(session, echo)
        await echoUntilPound(session)
        return 'again'
      },
      '2': async session => {
        const { output } = session
        await output.write(tone({ sampleRate: output.sampleRate, hz: 440, durationMs: 1_000 }))
        await output.flush()
        return 'again'
      },
      '9': () => Promise.resolve('hangup'),
    },
  })
}

async function echoUntilPound({ input, output, dtmf }: AgentSession): Promise<void> {
  let done = false
  const pound = (async () => {
    for await (const { digit } of dtmf()) if (digit === '#') break
    done = true
  })()
  input.clear()
  for await (const frame of input) {
    if (done) break
    await output.write(frame.samples)
  }
  await pound
  output.clear()
}
