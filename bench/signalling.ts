/** CPU time per answered call, signalling alone: INVITE, 180, 200, ACK, BYE, 200, with real SIPp as the caller. */

import { hasSipp } from '../conformance/peers/sipp.ts'
import { type BenchLine, type BenchOptions, benchLine, median } from './harness.ts'
import { MeasuredChild } from './support/measured-child.ts'
import { callWithSipp } from './support/sipp.ts'

export async function run({ short }: BenchOptions): Promise<readonly BenchLine[]> {
  if (!hasSipp()) throw new Error('SIPp is the caller of this bench; `apt-get install sip-tester` brings it')
  const calls = short ? 300 : 2000
  const rounds = short ? 1 : 5
  const perSecond = 400
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const children = [
    await MeasuredChild.start(new URL(`./children/offhook-uas.${extension}`, import.meta.url)),
    await MeasuredChild.start(new URL(`./reference/sip-uas.${extension}`, import.meta.url)),
  ] as const
  try {
    const [ours, reference] = children
    const taken = new Map<MeasuredChild, number[]>(children.map(child => [child, []]))
    for (const child of children) await callWithSipp(child.ports[0] ?? 0, { calls: calls * 2, perSecond })
    for (let round = 0; round < rounds; round += 1) {
      for (const child of round % 2 === 0 ? children : children.toReversed()) {
        const cpuMicros = await child.during(() => callWithSipp(child.ports[0] ?? 0, { calls, perSecond }))
        taken.get(child)?.push(cpuMicros / calls)
      }
    }
    return [
      benchLine({
        name: 'answered call, signalling alone',
        figure: median(taken.get(ours) ?? []),
        unit: 'µs CPU/call',
        reference: { name: 'npm sip, no dialogs', figure: median(taken.get(reference) ?? []) },
        limit: { maxRatio: 1 },
        note: `SIPp uac, ${rounds} × ${calls} calls at ${perSecond}/s`,
      }),
    ]
  } finally {
    for (const child of children) await child.stop()
  }
}
