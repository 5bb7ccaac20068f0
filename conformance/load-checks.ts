/** SIPp's built-in scenarios, as anyone would try them first. */

import { existsSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Check } from './check.ts'
import { type OffhookProcess, startAnswer, startCall } from './peers/offhook.ts'
import { freePort } from './peers/ports.ts'
import { startSipp } from './peers/sipp.ts'

/** Audio and digits that sip-tester brings for `uac_pcap`. */
const pcapFolder = '/usr/share/sip-tester'

export function loadChecks(logs: string): readonly Check[] {
  return [
    {
      name: 'builtin-uac',
      rfc: 'RFC 3261 13, 15',
      what: '500 calls at 50 a second, none failed',
      how: 'SIPp calls (uac), UDP',
      run: () => manyCalls(join(logs, 'builtin-uac')),
    },
    {
      name: 'builtin-uac-pcap',
      rfc: 'RFC 4733 2.5',
      what: 'the digit in the recording is heard once in each of 20 calls',
      how: 'SIPp calls (uac_pcap), UDP',
      run: () => digitCalls(join(logs, 'builtin-uac-pcap')),
    },
    ...(['udp', 'tcp'] as const).map(transport => ({
      name: `builtin-uas-${transport}`,
      rfc: 'RFC 3261 13, 15',
      what: 'the call is answered and ends in order',
      how: `SIPp is called (uas), ${transport.toUpperCase()}`,
      run: () => callBuiltIn(join(logs, `builtin-uas-${transport}`), transport),
    })),
  ]
}

async function manyCalls(folder: string): Promise<void> {
  const calls = 500
  await withEcho(folder, async (echo, port) => {
    const { passed } = await startSipp({
      scenario: { builtIn: 'uac' },
      transport: 'udp',
      target: { port },
      calls,
      perSecond: 50,
      folder,
    })
    await passed
    await expectEnded(echo, calls)
  })
}

async function digitCalls(folder: string): Promise<void> {
  const calls = 20
  mkdirSync(folder, { recursive: true })
  if (!existsSync(join(folder, 'pcap'))) symlinkSync(pcapFolder, join(folder, 'pcap'))
  await withEcho(folder, async (echo, port) => {
    const { passed } = await startSipp({
      scenario: { builtIn: 'uac_pcap' },
      transport: 'udp',
      target: { port },
      calls,
      perSecond: 5,
      timeoutMs: 40_000,
      folder,
    })
    await passed
    const ended = await expectEnded(echo, calls)
    const digits = ended.map(event => (event['personal'] as { digitsReceived?: string }).digitsReceived)
    const wrong = digits.filter(heard => heard !== '1')
    if (wrong.length > 0)
      throw new Error(
        `In ${wrong.length} of ${calls} calls the digits were not "1" but ${JSON.stringify(wrong)}`,
      )
  })
}

async function callBuiltIn(folder: string, transport: 'udp' | 'tcp'): Promise<void> {
  const { port, passed } = await startSipp({ scenario: { builtIn: 'uas' }, transport, folder })
  const uri = `sip:sipp@127.0.0.1:${port};transport=${transport}`
  const call = startCall(uri, ['--listen', `${transport}://127.0.0.1:0`, '--duration', '1'])
  try {
    const code = await call.exit
    if (code !== 0) throw new Error(`offhook call ended with ${code}: ${JSON.stringify(call.events.at(-1))}`)
    await passed
  } finally {
    await call.stop()
  }
}

async function withEcho(
  folder: string,
  work: (echo: OffhookProcess, port: number) => Promise<void>,
): Promise<void> {
  const trace = join(folder, 'trace')
  const echo = await startAnswer(await freePort(), ['--agent', 'echo', '--trace', trace])
  try {
    await work(echo.process, echo.port)
  } finally {
    await echo.process.stop()
  }
}

/** Every call has its record, and every record says that the caller hung up. */
async function expectEnded(echo: OffhookProcess, calls: number): Promise<OffhookProcess['events']> {
  const ended = (): OffhookProcess['events'] => echo.events.filter(({ event }) => event === 'ended')
  await echo.event(() => ended().length >= calls)
  const odd = ended().filter(event => (event['ended'] as { cause?: string } | undefined)?.cause !== 'hangup')
  if (odd.length > 0)
    throw new Error(`${odd.length} of ${calls} calls did not end in order: ${JSON.stringify(odd[0])}`)
  return ended()
}
