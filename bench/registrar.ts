/**
 * CPU time per registration with digest (REGISTER, 401, REGISTER, 200) while 20,000 addresses of record register and refresh, beside Kamailio
 * with the same load from SIPp.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { hasKamailio, Kamailio } from '../conformance/peers/kamailio.ts'
import { hasSipp, startSipp } from '../conformance/peers/sipp.ts'
import { repositoryRoot } from '../test/support/repository.ts'
import { type BenchLine, type BenchOptions, benchLine, median } from './harness.ts'
import { MeasuredChild } from './support/measured-child.ts'
import { treeCpuMicros } from './support/process-cpu.ts'

const scenario = { file: join(repositoryRoot, 'bench', 'support', 'register.xml') }

export async function run({ short }: BenchOptions): Promise<readonly BenchLine[]> {
  if (!hasSipp()) throw new Error('SIPp is the caller of this bench; `apt-get install sip-tester` brings it')
  const count = short ? 1000 : 20_000
  /** The first registers, the others refresh. */
  const rounds = short ? 2 : 3
  const perSecond = 1000
  const folder = mkdtempSync(join(tmpdir(), 'offhook-bench-'))
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const ours = await MeasuredChild.start(
    new URL(`./children/offhook-registrar.${extension}`, import.meta.url),
  )
  let kamailio: Kamailio | undefined
  try {
    const load = async (port: number): Promise<void> => {
      const timeoutMs = (count / perSecond) * 3000 + 20_000
      const { passed } = await startSipp({
        scenario,
        transport: 'udp',
        target: { port },
        calls: count,
        perSecond,
        timeoutMs,
        folder,
        args: ['-l', '2000'],
      })
      await passed
    }
    kamailio = hasKamailio()
      ? await Kamailio.start({
          config: 'registrar.cfg',
          words: { ALGORITHM: 'MD5' },
          folder: join(folder, 'kamailio'),
          sharedMegabytes: 256,
          timeoutMs: 300_000,
        })
      : undefined
    const taken: { ours: number[]; theirs: number[] } = { ours: [], theirs: [] }
    for (let round = 0; round < rounds; round += 1) {
      taken.ours.push((await ours.during(() => load(ours.ports[0] ?? 0))) / count)
      if (kamailio === undefined) continue
      const before = treeCpuMicros(kamailio.pid)
      await load(kamailio.port)
      taken.theirs.push((treeCpuMicros(kamailio.pid) - before) / count)
    }
    const { counts, heapBytes } = await ours.usage({ collect: true })
    const bindings = counts['bindings'] ?? 0
    if (bindings !== count) throw new Error(`${bindings} bindings after ${count} had registered`)
    return [
      benchLine({
        name: 'registration with digest',
        figure: median(taken.ours),
        unit: 'µs CPU/registration',
        ...(kamailio === undefined ? {} : { reference: { name: 'Kamailio', figure: median(taken.theirs) } }),
        note: `${count} addresses of record, ${rounds} rounds at ${perSecond}/s, MD5, ${(heapBytes / 1e6).toFixed(0)} MB of heap afterwards${kamailio === undefined ? '; Kamailio is not installed' : ''}`,
      }),
    ]
  } finally {
    await ours.stop()
    await kamailio?.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
