import { existsSync, renameSync } from 'node:fs'
import { join } from 'node:path'

/** One line of the conformance table. */
export interface Check {
  /** Of its files and logs. */
  readonly name: string
  /** `RFC 3261 13.3.1.4`. */
  readonly rfc: string
  readonly what: string
  /** The peer and the way: `SIPp calls, UDP`. */
  readonly how: string
  /** Rejects, saying what was wrong. */
  readonly run: () => Promise<void>
}

export interface Result {
  readonly check: Check
  /** Undefined when it passed. */
  readonly error: Error | undefined
  /** Why it failed beside others, when it had to be played again with the machine to itself. */
  readonly beside?: Error
  readonly seconds: number
}

export interface RunOptions {
  readonly atOnce: number
  /** Holds a folder for each check that keeps any logs. */
  readonly logs: string
  readonly tell: (result: Result) => void
}

/**
 * Runs the checks, that many at a time, telling of each as it ends. Those that fail beside others are played again, one by one, when the
 * others are done: peers in real time get no slower machine to excuse them, nor does a mistake get lost. The logs of the first time stay.
 */
export async function runChecks(
  checks: readonly Check[],
  { atOnce, logs, tell }: RunOptions,
): Promise<readonly Result[]> {
  const results = new Map<Check, Result>()
  const play = async (check: Check, beside?: Error): Promise<void> => {
    const startedAt = performance.now()
    const error = await attempt(check)
    const seconds = (performance.now() - startedAt) / 1000
    const result = { check, error, seconds, ...(beside === undefined ? {} : { beside }) }
    results.set(check, result)
    tell(result)
  }
  const waiting = [...checks]
  const work = async (): Promise<void> => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) await play(check)
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  for (const { check, error } of atOnce > 1 ? [...results.values()] : []) {
    if (error === undefined) continue
    const folder = join(logs, check.name)
    if (existsSync(folder)) renameSync(folder, `${folder}.beside-others`)
    await play(check, error)
  }
  return checks.map(check => results.get(check)).filter(result => result !== undefined)
}

async function attempt(check: Check): Promise<Error | undefined> {
  try {
    await check.run()
    return undefined
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** The results as a table: section, scenario, peer, how long it took, verdict. */
export function formatResults(results: readonly Result[]): string {
  const rows = results.map(result => [
    result.check.rfc,
    result.check.what,
    result.check.how,
    `${result.seconds.toFixed(1).padStart(5)} s`,
    verdict(result),
  ])
  const widths = [0, 1, 2, 3].map(column => Math.max(0, ...rows.map(row => row[column]?.length ?? 0)))
  return rows.map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')).join('\n')
}

function verdict({ error, beside }: Result): string {
  if (error !== undefined) return `FAIL: ${firstLine(error)}`
  return beside === undefined ? 'pass' : `pass, alone; beside others: ${firstLine(beside)}`
}

function firstLine({ message }: Error): string {
  return message.split('\n', 1)[0] ?? ''
}
