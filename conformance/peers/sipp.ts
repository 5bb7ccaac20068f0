/** SIPp, the traffic generator of Debian's sip-tester, in both roles. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { freePort, untilTaken } from './ports.ts'
import { type Ended, isInstalled, runToEnd } from './process.ts'

export interface SippOptions {
  /** The path of a scenario file, or the name of one that is built in. */
  readonly scenario: { readonly file: string } | { readonly builtIn: string }
  readonly transport: 'udp' | 'tcp'
  /** Where to call; absent when SIPp is called. */
  readonly target?: { readonly port: number; readonly user?: string }
  /** How many calls, and how many a second; default one. */
  readonly calls?: number
  readonly perSecond?: number
  /** The scenario sees repeated messages itself, instead of SIPp absorbing them. */
  readonly seesRepeats?: boolean
  readonly timeoutMs?: number
  /** Where its logs go. */
  readonly folder: string
  readonly args?: readonly string[]
}

export interface SippRun {
  readonly port: number
  /** Rejects, with what SIPp said, when a call did not go by the scenario. */
  readonly passed: Promise<void>
}

export function hasSipp(): boolean {
  return isInstalled('sipp', '-v')
}

/** Starts SIPp; resolves when it is there to be called, or at once when it calls. It ends by itself in any case. */
export async function startSipp(options: SippOptions): Promise<SippRun> {
  const { scenario, transport, target, folder, calls = 1, timeoutMs = 30_000 } = options
  mkdirSync(folder, { recursive: true })
  const port = await freePort()
  const args = [
    ...('file' in scenario ? ['-sf', scenario.file] : ['-sn', scenario.builtIn]),
    ...(target === undefined ? [] : [`127.0.0.1:${target.port}`, '-s', target.user ?? 'echo']),
    ...words`-i 127.0.0.1 -mi 127.0.0.1 -p ${port} -t ${transport === 'udp' ? 'u1' : 't1'} -m ${calls} -nostdin`,
    ...words`-r ${options.perSecond ?? 1} -timeout ${Math.ceil(timeoutMs / 1000)} -timeout_error -recv_timeout 12000`,
    ...words`-trace_err -error_file ${join(folder, 'errors.log')}`,
    ...(calls === 1 ? words`-trace_msg -message_file ${join(folder, 'messages.log')}` : []),
    ...(options.seesRepeats === true ? ['-nr'] : []),
    ...(options.args ?? []),
  ]
  const ended = runToEnd('sipp', args, { cwd: folder, timeoutMs: timeoutMs + 3000, env: { TERM: 'dumb' } })
  const passed = ended.then(check)
  // Whoever waits for it learns; until then it must not count as unhandled.
  passed.catch(() => {})
  if (target === undefined) await Promise.race([untilTaken(transport, port), passed])
  return { port, passed }
}

function check({ code, timedOut, output }: Ended): void {
  if (code === 0) return
  const said =
    /^(?:\S+\s\S+\s\S+: )?(.*(?:Aborting call|receive timeout|Discarding|rror:).*)$/m.exec(output)?.[1] ?? ''
  throw new Error(timedOut ? 'SIPp did not end in time' : `SIPp ended with ${code ?? 'a signal'}. ${said}`)
}

/** Arguments written as a command line; for values without spaces. */
function words(strings: TemplateStringsArray, ...values: readonly (string | number)[]): string[] {
  return String.raw({ raw: strings }, ...values).split(' ')
}
