/** How fast virtual time runs: a ten-minute call between two endpoints in the lab, audio both ways, echoed. */

import { runAgent } from '../src/agent/agent.ts'
import { echoAgent } from '../src/agent/echo.ts'
import { createLab } from '../src/testing/lab.ts'
import { type BenchLine, type BenchOptions, benchLine, measure } from './harness.ts'

const callMs = 600_000

export async function run({ short }: BenchOptions): Promise<readonly BenchLine[]> {
  const [taken] = await measure([{ name: 'call', run: playCalls }], { operations: 1, rounds: short ? 1 : 5 })
  const cpuMs = (taken?.cpuMicros ?? Number.NaN) / 1000
  return [
    benchLine({
      name: 'ten-minute call in the lab',
      figure: callMs / cpuMs,
      unit: '× real time',
      reference: { name: 'real time', figure: 1 },
      limit: { minRatio: 600 },
      note: `${cpuMs.toFixed(0)} ms of CPU for 60,000 packets through both stacks and the network`,
    }),
  ]
}

async function playCalls(count: number): Promise<void> {
  for (let done = 0; done < count; done += 1) {
    const lab = createLab({ network: { delayMs: 20 } })
    const endpoint = await lab.endpoint('agent.lab')
    void runAgent(endpoint, echoAgent())
    const caller = lab.caller()
    void caller.call('sip:echo@agent.lab')
    void caller.waits(callMs)
    void caller.hangup()
    await lab.run()
  }
}
