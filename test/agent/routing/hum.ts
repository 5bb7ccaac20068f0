import type { Agent } from '../../../src/agent/agent.ts'
import { tone } from '../../../src/media/audio/tones.ts'

/** Told by its tone; says it until the caller hangs up. */
export function hum(hz: number): Agent {
  return {
    async run({ output, ended }) {
      void output.play(
        (async function* () {
          for (;;) yield tone({ sampleRate: 8000, hz, durationMs: 1000, levelDbfs: -20 })
        })(),
      )
      await ended
    },
  }
}
