/**
 * Two-way echo calls of every codec over real sockets, plain and with SRTP: CPU time per packet in and out against bare
 * sockets with the packets of G.711, and what a call keeps in memory.
 */

import { type BenchLine, type BenchOptions, benchLine } from './harness.ts'
import { type Kept, type MediaCallsOptions, type MediaRound, withMediaCalls } from './support/media-calls.ts'

const sha1 = 'AES_CM_128_HMAC_SHA1_80'
const gcm = 'AEAD_AES_128_GCM'

const subjects: readonly (MediaCallsOptions & { readonly name: string })[] = [
  { name: 'PCMU', codec: 'PCMU' },
  { name: `PCMU, ${sha1}`, codec: 'PCMU', suite: sha1 },
  { name: `PCMU, ${gcm}`, codec: 'PCMU', suite: gcm },
  { name: 'G722', codec: 'G722' },
  { name: `G722, ${sha1}`, codec: 'G722', suite: sha1 },
  { name: 'L16/16000', codec: 'L16/16000' },
  { name: `L16/16000, ${sha1}`, codec: 'L16/16000', suite: sha1 },
  { name: 'opus', codec: 'opus' },
  { name: `opus, ${sha1}`, codec: 'opus', suite: sha1 },
]

/** Of those a call's memory is weighed, too. */
const weighed: ReadonlySet<string> = new Set(['PCMU', `PCMU, ${sha1}`, 'opus'])

export async function run({ short }: BenchOptions): Promise<readonly BenchLine[]> {
  const calls = short ? 10 : 50
  const durationMs = short ? 400 : 2500
  const wanted = short ? subjects.filter(({ name }) => ['PCMU', `opus, ${sha1}`].includes(name)) : subjects
  const measure = async (options: MediaCallsOptions): Promise<MediaRound> =>
    withMediaCalls(options, async media => {
      await media.add(calls)
      await media.settle(short ? 200 : 2500)
      return media.measure(durationMs)
    })
  const bare = await measure({ bare: calls })
  const lines: BenchLine[] = []
  for (const { name, ...options } of wanted) {
    const { microsPerPair, returned } = await measure(options)
    lines.push(
      benchLine({
        name: `${calls} echo calls, ${name}`,
        figure: microsPerPair,
        unit: 'µs CPU/pair',
        reference: { name: 'bare node:dgram, G.711', figure: bare.microsPerPair },
        note: `${(returned * 100).toFixed(1)} % came back`,
      }),
    )
    if (weighed.has(name)) lines.push(...(await weigh(name, options, short)))
  }
  return lines
}

/** What so many calls more keep; the first ones have paid for code and tables. */
async function weigh(
  name: string,
  options: MediaCallsOptions,
  short: boolean,
): Promise<readonly BenchLine[]> {
  const more = short ? 20 : 150
  const settlingMs = short ? 200 : 1500
  const [before, after] = await withMediaCalls(options, async media => {
    const weights: Kept[] = []
    for (const calls of [50, more]) {
      await media.add(calls)
      await media.settle(settlingMs)
      weights.push(await media.kept())
    }
    return weights as [Kept, Kept]
  })
  return [
    {
      name: `a call more, ${name}, heap and buffers`,
      figure: (after.heap - before.heap) / 1000 / more,
      unit: 'kB/call',
      note: `after a collection, ${more} calls more beside 50`,
    },
    {
      name: `a call more, ${name}, resident`,
      figure: (after.resident - before.resident) / 1000 / more,
      unit: 'kB/call',
      note: 'the socket and room to collect included',
    },
  ]
}
