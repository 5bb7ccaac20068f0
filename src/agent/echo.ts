import type { Agent } from './agent.ts'

/** Says back what it hears, until the caller hangs up. The first thing to call when audio is in doubt. */
export function echoAgent(): Agent {
  return {
    async run({ input, output }) {
      for await (const frame of input) await output.write(frame.samples)
    },
  }
}
