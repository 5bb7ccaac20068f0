/** TAP 14 streams of test files: gathered into one, and read back. */

export interface Totals {
  readonly passed: number
  readonly failed: number
}

/** The totals that tap writes at the end: `# { total: 4, pass: 3, fail: 1 }`. */
export function readTotals(stream: string): Totals {
  const totals = stream.match(/^# \{[^}]*total:[^}]*\}/gm)?.at(-1) ?? ''
  const count = (name: string): number => Number(new RegExp(`\\b${name}: (\\d+)`).exec(totals)?.[1] ?? 0)
  return { passed: count('pass'), failed: count('fail') }
}

/** What a test file wrote, as a subtest of the whole run; `failure` says why the file did not end well. */
export function asSubtest(
  output: string,
  file: {
    readonly name: string
    readonly number: number
    readonly failure?: string | undefined
    readonly ms: number
  },
): string {
  const { name, number, failure, ms } = file
  const lines = output
    .replace(/^TAP version 14\n/, '')
    .trimEnd()
    .split('\n')
    .map(line => `    ${line}\n`)
  const result = `${failure === undefined ? '' : 'not '}ok ${number} - ${name} # time=${Math.round(ms)}ms\n`
  const details = failure === undefined ? '' : `  ---\n  ${failure}\n  ...\n`
  return `# Subtest: ${name}\n${lines.join('')}${result}${details}`
}

/** Every assertion that failed, as the path of test names to it and what tap says of it. */
export function readFailures(stream: string): readonly string[] {
  const failures: string[] = []
  /** Names of the tests that are open, by indentation. */
  const open = new Map<number, string>()
  const lines = stream.split('\n')
  for (const [index, line] of lines.entries()) {
    const indent = line.length - line.trimStart().length
    const subtest = /^\s*# Subtest: (.*)$/.exec(line)?.[1]
    if (subtest !== undefined) open.set(indent, subtest)
    const result = /^\s*(not )?ok \d+ - (.*?)(?: # time=.*)?$/.exec(line)
    if (result === null) continue
    const not = result[1]
    const name = (result[2] ?? '').replaceAll('\\#', '#')
    const closes = open.get(indent) === name
    if (closes) open.delete(indent)
    // What fails in a test fails the test: said once is enough, unless the test died before it could say it.
    if (
      not === undefined ||
      (closes && failures.some(failure => failure.startsWith(pathOf(open, indent, name))))
    )
      continue
    failures.push([pathOf(open, indent, name), ...detailsAfter(lines, index)].join('\n'))
  }
  return failures
}

function pathOf(open: ReadonlyMap<number, string>, indent: number, name: string): string {
  const above = [...open].filter(([level]) => level < indent).toSorted(([a], [b]) => a - b)
  return [...above.map(([, test]) => test), name].join(' > ')
}

/** The block between `---` and `...` that follows a result. */
function detailsAfter(lines: readonly string[], index: number): readonly string[] {
  if (lines[index + 1]?.trim() !== '---') return []
  const end = lines.findIndex((line, at) => at > index && line.trim() === '...')
  return lines.slice(index + 2, end).filter(line => line.trim() !== '')
}
