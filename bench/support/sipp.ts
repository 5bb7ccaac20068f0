import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startSipp } from '../../conformance/peers/sipp.ts'

/** SIPp's built-in caller: INVITE, 200, ACK, BYE, 200, as often and as fast as said. Rejects when one call failed. */
export async function callWithSipp(
  port: number,
  { calls, perSecond }: { readonly calls: number; readonly perSecond: number },
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'offhook-bench-'))
  try {
    const { passed } = await startSipp({
      scenario: { builtIn: 'uac' },
      transport: 'udp',
      target: { port },
      calls,
      perSecond,
      timeoutMs: (calls / perSecond) * 3000 + 20_000,
      folder,
      args: ['-d', '0', '-l', '1000'],
    })
    await passed
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
