import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freeUdpPort } from './ports.ts'

export function hasSipp(): boolean {
  // `sipp -v` ends with 99.
  return spawnSync('sipp', ['-v']).error === undefined
}

/** SIPp's built-in caller: INVITE, 200, ACK, BYE, 200, as often and as fast as said. Rejects when one call failed. */
export async function callWithSipp(
  target: number,
  { calls, perSecond }: { readonly calls: number; readonly perSecond: number },
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'offhook-bench-'))
  try {
    const child = spawn(
      'sipp',
      `-sn uac 127.0.0.1:${target} -i 127.0.0.1 -p ${await freeUdpPort()} -r ${perSecond} -m ${calls} -d 0 -l 1000
       -nostdin -timeout ${Math.ceil(calls / perSecond) * 3 + 20}`.split(/\s+/),
      { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] },
    )
    let errors = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors = (errors + text).slice(-2000)))
    const code = await new Promise<number | null>(resolve => child.once('close', resolve))
    if (code !== 0) throw new Error(`SIPp ended with ${code}: a call failed\n${errors}`)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
