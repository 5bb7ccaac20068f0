// An agent of its own: greets, waits for a key, says it back as that many beeps, hangs up.
//   npm run -s offhook -- answer --listen udp://127.0.0.1:5060 --agent dist/examples/agent.js
import type { Agent } from 'offhook'

const beepMs = 150

/** A 16-bit mono sine, quiet at both ends so that it does not click. */
function beep(sampleRate: number): Int16Array {
  const length = (sampleRate * beepMs) / 1000
  return Int16Array.from({ length: length * 2 }, (_, index) => {
    const fade = Math.max(Math.min(1, index / 80, (length - index) / 80), 0)
    return 8000 * fade * Math.sin((2 * Math.PI * 880 * index) / sampleRate)
  })
}

const agent: Agent = {
  async run({ output, dtmf, signal, hangup }) {
    await output.write(beep(output.sampleRate))
    for await (const { digit } of dtmf({ signal })) {
      output.clear() // whatever is still playing is interrupted
      if (digit === '#') break
      for (let count = Number(digit) || 1; count > 0; count--) await output.write(beep(output.sampleRate))
      await output.flush()
    }
    await hangup({ reason: { protocol: 'Q.850', cause: 16, text: 'Normal call clearing' } })
  },
}

export default agent
