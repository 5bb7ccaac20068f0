/** Kamailio spreads calls over two endpoints of ours, and one of them is gone from one moment to the next. */

import { join } from 'node:path'
import { type Call, createEndpoint } from '../src/index.ts'
import type { Check } from './check.ts'
import { Kamailio } from './peers/kamailio.ts'
import { type OffhookEvent, startAnswer } from './peers/offhook.ts'
import { freePort } from './peers/ports.ts'
import { until, within } from './within.ts'

const callsEach = 3

export function kamailioFailoverChecks(logs: string): readonly Check[] {
  return [
    {
      name: 'kamailio-endpoint-gone',
      rfc: 'RFC 3261 16.7, 16.9',
      what: 'one of two endpoints dies: new calls reach the other, whose calls go on',
      how: 'Kamailio forwards to two, UDP',
      run: () => endpointGone(join(logs, 'kamailio-endpoint-gone')),
    },
  ]
}

async function endpointGone(folder: string): Promise<void> {
  const first = await startAnswer(await freePort(), ['--agent', 'echo'])
  const second = await startAnswer(await freePort(), ['--agent', 'echo'])
  const endpoint = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  let kamailio: Kamailio | undefined
  try {
    kamailio = await Kamailio.start({
      config: 'two-targets.cfg',
      words: { FIRST: String(first.port), SECOND: String(second.port) },
      folder,
      timeoutMs: 30_000,
    })
    const uri = `sip:echo@127.0.0.1:${kamailio.port}`
    const place = async (count: number): Promise<readonly Call[]> => {
      const calls: Call[] = []
      for (let at = 0; at < count; at++) calls.push(await within(5000, endpoint.call(uri), 'answered'))
      return calls
    }
    await place(2 * callsEach)
    const answered = ({ events }: typeof first.process): number =>
      events.filter(({ event }) => event === 'call').length
    first.process.kill()
    await first.process.exit
    const later = await place(2 * callsEach)
    // Who was up there, and whoever came since.
    const expected = callsEach + 2 * callsEach
    await until(() => answered(second.process) >= expected, `the other answers ${expected} calls`)
    if (answered(second.process) !== expected)
      throw new Error(`The other answered ${answered(second.process)} calls, not ${expected}`)
    if (later.some(({ state }) => state !== 'confirmed')) throw new Error('A later call was lost')
    const endings = await within(5000, Promise.all(later.map(async call => call.hangup())), 'hung up')
    if (endings.some(({ cause }) => cause !== 'hangup')) throw new Error('A call did not end by its BYE')
    const over = (): readonly OffhookEvent[] => second.process.events.filter(({ event }) => event === 'ended')
    await until(() => over().length >= later.length, 'the other says that the later calls ended')
    const lost = over().filter(({ ended }) => (ended as { cause?: string }).cause !== 'hangup')
    if (lost.length > 0) throw new Error(`Calls of the other were lost: ${JSON.stringify(lost)}`)
  } finally {
    await endpoint.close({ giveUpMs: 1000 })
    await Promise.all([first.process.stop(), second.process.stop(), kamailio?.stop()])
  }
}
