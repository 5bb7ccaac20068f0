/**
 * How many echo calls one process carries: calls are added until packets leave 5 ms late (99th percentile) or a core is
 * used up. The load runs in another process of the same machine, whose work the measured one waits for on a small one.
 */

import { type BenchLine, type BenchOptions } from './harness.ts'
import { type MediaCallsOptions, type MediaRound, withMediaCalls } from './support/media-calls.ts'

const maxPacingErrorMs = 5
const maxLoad = 0.95
/** Fewer come back when sockets overflow: then the load, or the machine, is at its end. */
const minReturned = 0.99
/** No more is placed then; what is under way ends some seconds later. */
const enoughMs = 22_000

const subjects: readonly (MediaCallsOptions & { readonly name: string })[] = [
  { name: 'PCMU' },
  { name: 'PCMU, AES_CM_128_HMAC_SHA1_80', suite: 'AES_CM_128_HMAC_SHA1_80' },
]

interface Step extends MediaRound {
  readonly calls: number
  readonly p99: number
}

export async function run({ short }: BenchOptions): Promise<readonly BenchLine[]> {
  const lines: BenchLine[] = []
  for (const { name, ...options } of subjects) lines.push(...(await ramp(name, options, short)))
  return lines
}

async function ramp(name: string, options: MediaCallsOptions, short: boolean): Promise<readonly BenchLine[]> {
  const begun = performance.now()
  const steps: Step[] = []
  let end = short ? 'a short run ends early' : 'out of time'
  await withMediaCalls({ ...options, pacing: true }, async media => {
    do {
      await media.add(short ? 20 : 100)
      await media.settle(short ? 700 : 1500)
      const measure = async (): Promise<Step> => {
        const round = await media.measure(short ? 500 : 1500)
        return { ...round, calls: media.calls, p99: round.counts['p99'] ?? Number.NaN }
      }
      let step = await measure()
      // Something else on the machine may have been in the way once.
      for (let again = 0; again < 2 && overdone(step) !== undefined; again += 1) step = await measure()
      const reason = overdone(step)
      if (reason !== undefined) {
        end = `${step.calls} calls: ${reason}`
        break
      }
      steps.push(step)
    } while (performance.now() - begun < (short ? 0 : enoughMs))
  })
  const last = steps.at(-1)
  return [
    {
      name: `calls of one process, ${name}`,
      figure: last?.calls ?? 0,
      unit: 'calls',
      note: `p99 of pacing errors ≤ ${maxPacingErrorMs} ms, CPU ≤ ${maxLoad * 100} % of a core; ended by ${end}`,
    },
    ...steps
      .filter((step, index) => index === 0 || step === last)
      .map(step => ({
        name: `${step.calls} calls, ${name}`,
        figure: step.load * 100,
        unit: '% of a core',
        note: `${step.microsPerPair.toFixed(1)} µs/pair, pacing error p99 ${step.p99.toFixed(2)} ms, ${(step.returned * 100).toFixed(1)} % came back`,
      })),
  ]
}

function overdone({ p99, load, returned }: Step): string | undefined {
  if (p99 > maxPacingErrorMs) return `pacing error p99 ${p99.toFixed(1)} ms`
  if (load > maxLoad) return `${(load * 100).toFixed(0)} % of a core`
  if (returned < minReturned) return `${((1 - returned) * 100).toFixed(1)} % of the packets did not come back`
  return undefined
}
