// An agent in a file of its own, as `offhook serve` loads it: says back what it hears until `#` is pressed.
//   npm run -s offhook -- serve examples/serve.yaml
import type { Agent } from 'offhook'

/** A function makes it when the configuration is read: the place to connect to a database, or to load a model. */
export default async function makeAgent(): Promise<Agent> {
  return {
    async run({ input, output, dtmf, signal, hangup }) {
      const pound = (async () => {
        for await (const { digit } of dtmf({ signal })) if (digit === '#') return hangup()
        return undefined
      })()
      for await (const frame of input) await output.write(frame.samples)
      await pound
    },
  }
}
