/** The scenarios of `sipp/` as checks: SIPp calls `offhook answer`, and `offhook call` calls SIPp. */

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Check } from './check.ts'
import { startCall } from './peers/offhook.ts'
import { startSipp } from './peers/sipp.ts'
import { type CalleeScenario, calleeScenarios, type CallerScenario, callerScenarios } from './scenarios.ts'

type Transport = 'udp' | 'tcp'

export interface SippSetting {
  /** The folder with the scenario files. */
  readonly scenarios: string
  /** Where logs go, a folder for each check. */
  readonly logs: string
  /** The port of `offhook answer --agent echo`. */
  readonly echoPort: number
  /** The port of the endpoint that does as the dialled user says. */
  readonly variedPort: number
}

export function sippChecks(setting: SippSetting): readonly Check[] {
  return [
    ...checksOf(setting, callerScenarios, 'SIPp calls', runCaller),
    ...checksOf(setting, calleeScenarios, 'SIPp is called', runCallee),
  ]
}

function checksOf<Scenario extends { readonly transports?: readonly Transport[] }>(
  setting: SippSetting,
  scenarios: Readonly<Record<string, Scenario>>,
  how: string,
  run: (setting: SippSetting, name: string, scenario: Scenario, transport: Transport) => Promise<void>,
): readonly Check[] {
  return Object.entries(scenarios).flatMap(([name, scenario]) => {
    const { title, rfc } = describe(join(setting.scenarios, `${name}.xml`))
    return (scenario.transports ?? ['udp', 'tcp']).map(transport => ({
      name: `${name}-${transport}`,
      rfc,
      what: title,
      how: `${how}, ${transport.toUpperCase()}`,
      run: () => run(setting, name, scenario, transport),
    }))
  })
}

async function runCaller(
  setting: SippSetting,
  name: string,
  { user = 'echo', seesRepeats = false, timeoutMs = 30_000 }: CallerScenario,
  transport: Transport,
): Promise<void> {
  const { passed } = await startSipp({
    scenario: { file: join(setting.scenarios, `${name}.xml`) },
    transport,
    target: { port: user === 'echo' ? setting.echoPort : setting.variedPort, user },
    seesRepeats,
    timeoutMs,
    folder: join(setting.logs, `${name}-${transport}`),
  })
  await passed
}

async function runCallee(
  setting: SippSetting,
  name: string,
  scenario: CalleeScenario,
  transport: Transport,
): Promise<void> {
  const { seesRepeats = false, timeoutMs = 30_000, args = ['--duration', '1'], exit = 0 } = scenario
  const sipp = await startSipp({
    scenario: { file: join(setting.scenarios, `${name}.xml`) },
    transport,
    seesRepeats,
    timeoutMs,
    folder: join(setting.logs, `${name}-${transport}`),
  })
  const uri = `sip:sipp@127.0.0.1:${sipp.port}${transport === 'tcp' ? ';transport=tcp' : ''}`
  const call = startCall(uri, ['--listen', `${transport}://127.0.0.1:0`, ...args])
  let timer: NodeJS.Timeout | undefined
  if (scenario.interruptAfterMs !== undefined) {
    await call.event(({ event }) => event === 'calling')
    timer = setTimeout(() => call.interrupt(), scenario.interruptAfterMs)
  }
  try {
    await sipp.passed
    const code = await Promise.race([call.exit, late(5000)])
    if (code !== exit) {
      throw new Error(
        `offhook call ended with ${code ?? 'a signal'}, not ${exit}: ${JSON.stringify(call.events.at(-1))}`,
      )
    }
  } finally {
    clearTimeout(timer)
    await call.stop()
  }
}

export async function late(ms: number): Promise<never> {
  await new Promise(resolve => setTimeout(resolve, ms).unref())
  throw new Error(`offhook call had not ended ${ms} ms after its peer`)
}

/** The scenario's own name, and the RFCs its comment names. */
export function describe(file: string): { title: string; rfc: string } {
  const text = readFileSync(file, 'utf8')
  const rfc = /\((RFC\s[^)]*)\)/.exec(text)?.[1]?.replaceAll(/\s+/g, ' ') ?? ''
  return {
    title: /<scenario name="([^"]*)"/.exec(text)?.[1] ?? file,
    rfc: rfc.split(/[;,] (?=RFC)/)[0] ?? rfc,
  }
}
