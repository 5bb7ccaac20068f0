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
  readonly seconds: number
}

/** Runs the checks, that many at a time, telling of each as it ends. */
export async function runChecks(
  checks: readonly Check[],
  atOnce: number,
  onResult: (result: Result) => void,
): Promise<readonly Result[]> {
  const results: Result[] = []
  const waiting = [...checks]
  const work = async (): Promise<void> => {
    for (let check = waiting.shift(); check !== undefined; check = waiting.shift()) {
      const startedAt = performance.now()
      const error = await attempt(check)
      const result = { check, error, seconds: (performance.now() - startedAt) / 1000 }
      results.push(result)
      onResult(result)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, work))
  return checks
    .map(check => results.find(result => result.check === check))
    .filter(result => result !== undefined)
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
  const rows = results.map(({ check, error, seconds }) => [
    check.rfc,
    check.what,
    check.how,
    `${seconds.toFixed(1).padStart(5)} s`,
    error === undefined ? 'pass' : `FAIL: ${error.message.split('\n', 1)[0] ?? ''}`,
  ])
  const widths = [0, 1, 2, 3].map(column => Math.max(0, ...rows.map(row => row[column]?.length ?? 0)))
  return rows.map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ')).join('\n')
}
