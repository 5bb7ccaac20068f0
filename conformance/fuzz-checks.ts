/** A million spoiled messages at a live endpoint with a hundred calls, on virtual time, in a process of its own. */

import { fileURLToPath } from 'node:url'
import type { Check } from './check.ts'
import { runToEnd } from './peers/process.ts'

const script = fileURLToPath(new URL('./fuzz.js', import.meta.url))

export function fuzzChecks(cwd: string): Check[] {
  return [
    {
      name: 'fuzz-live',
      rfc: 'RFC 3261 16.3',
      what: '1,000,000 spoiled messages while 100 calls go on: none is harmed, nothing is left behind',
      how: 'simulated network',
      run: async () => {
        const { code, output } = await runToEnd(process.execPath, [script, '1000000', '100'], {
          cwd,
          timeoutMs: 600_000,
        })
        if (code !== 0) throw new Error(output.trim().split('\n').at(-1) ?? 'it did not end')
      },
    },
  ]
}
