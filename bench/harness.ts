/**
 * Measuring, for every file beside this one.
 *
 * CPU time, not wall time: it is the steadier figure on a machine that does other things. What is compared is
 * measured in one run, in alternating rounds, and the median round counts, so a slow minute hurts both alike.
 */

/** One measured figure, with what it is held against. */
export interface BenchLine {
  readonly name: string
  readonly figure: number
  /** Of `figure` and of the reference: `µs/call`, `ms`, `kB/call`, `messages/s`. */
  readonly unit: string
  /** Measured in the same run, not remembered. */
  readonly reference?: { readonly name: string; readonly figure: number }
  /** `figure / reference.figure`. */
  readonly ratio?: number
  readonly limit?: { readonly maxRatio?: number; readonly minRatio?: number }
  readonly note?: string
}

export interface BenchOptions {
  /** A smoke test: small counts, figures too noisy to hold against a limit. */
  readonly short: boolean
}

/** What a bench file exports as `run`. */
export type BenchRun = (options: BenchOptions) => Promise<readonly BenchLine[]>

/** One thing to measure: does its operation `count` times. */
export interface Subject {
  readonly name: string
  readonly run: (count: number) => void | Promise<void>
}

export interface MeasureOptions {
  /** Operations per round, the same for every subject. */
  readonly operations: number
  /** Rounds that count, per subject; an odd number has a true median. Default 7. */
  readonly rounds?: number
  /** Operations before the first round, so that the compiler has settled. Default: one round's worth. */
  readonly warmUp?: number
}

export interface Measurement {
  readonly name: string
  /** CPU time of this process (user and system) per operation: the median round. */
  readonly cpuMicros: number
  /** Operations per second of CPU time. */
  readonly perSecond: number
  /** Every round's CPU time per operation, in the order they ran. */
  readonly rounds: readonly number[]
}

/** Measures the subjects in alternating rounds, the order reversed every other round. */
export async function measure(
  subjects: readonly Subject[],
  { operations, rounds = 7, warmUp = operations }: MeasureOptions,
): Promise<readonly Measurement[]> {
  for (const subject of subjects) await subject.run(warmUp)
  const taken = subjects.map((): number[] => [])
  for (let round = 0; round < rounds; round += 1) {
    const order = subjects.map((_, index) => index)
    if (round % 2 === 1) order.reverse()
    for (const index of order) {
      collectGarbage()
      const before = process.cpuUsage()
      await subjects[index]?.run(operations)
      const spent = process.cpuUsage(before)
      taken[index]?.push((spent.user + spent.system) / operations)
    }
  }
  return subjects.map((subject, index) => {
    const cpuMicros = median(taken[index] ?? [])
    return { name: subject.name, cpuMicros, perSecond: 1e6 / cpuMicros, rounds: taken[index] ?? [] }
  })
}

/** A line whose ratio is worked out from its reference. */
export function benchLine(line: Omit<BenchLine, 'ratio'>): BenchLine {
  const { reference } = line
  return reference === undefined || reference.figure === 0
    ? line
    : { ...line, ratio: line.figure / reference.figure }
}

export type Verdict = 'ok' | 'over' | 'under' | ''

/** Whether the line keeps its limit; the empty string when it has none. */
export function verdictOf({ limit, ratio }: BenchLine): Verdict {
  if (limit === undefined || ratio === undefined) return ''
  if (limit.maxRatio !== undefined && ratio > limit.maxRatio) return 'over'
  if (limit.minRatio !== undefined && ratio < limit.minRatio) return 'under'
  return 'ok'
}

export function median(values: readonly number[]): number {
  return percentile(values, 50)
}

/** By linear interpolation between the two nearest ranks; `NaN` of nothing. */
export function percentile(values: readonly number[], percent: number): number {
  if (values.length === 0) return Number.NaN
  const sorted = values.toSorted((a, b) => a - b)
  const rank = (percent / 100) * (sorted.length - 1)
  const low = sorted[Math.floor(rank)] ?? Number.NaN
  const high = sorted[Math.ceil(rank)] ?? Number.NaN
  return low + (high - low) * (rank - Math.floor(rank))
}

/** Does nothing unless Node was started with `--expose-gc`, as `npm run bench` does. */
export function collectGarbage(): void {
  const { gc } = globalThis as { gc?: () => void }
  gc?.()
}

/** The lines as a table for people: name, figure, unit, reference, ratio, limit, verdict. */
export function formatTable(lines: readonly BenchLine[]): string {
  const rows = lines.map(line => [
    line.name,
    formatFigure(line.figure),
    line.unit,
    line.reference === undefined ? '' : `${formatFigure(line.reference.figure)} ${line.reference.name}`,
    line.ratio === undefined ? '' : `${line.ratio.toFixed(2)}×`,
    formatLimit(line.limit),
    verdictOf(line),
    line.note ?? '',
  ])
  const table = [['', 'figure', 'unit', 'reference, same run', 'ratio', 'limit', '', ''], ...rows]
  const widths = table[0]?.map((_, column) => Math.max(...table.map(row => row[column]?.length ?? 0))) ?? []
  return table
    .map(row =>
      row
        .map((cell, column) =>
          column === 1 || column === 4
            ? cell.padStart(widths[column] ?? 0)
            : cell.padEnd(widths[column] ?? 0),
        )
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function formatLimit(limit: BenchLine['limit']): string {
  if (limit?.maxRatio !== undefined) return `≤ ${limit.maxRatio}×`
  if (limit?.minRatio !== undefined) return `≥ ${limit.minRatio}×`
  return ''
}

function formatFigure(figure: number): string {
  if (!Number.isFinite(figure)) return String(figure)
  if (Math.abs(figure) >= 1000) return Math.round(figure).toLocaleString('en-US')
  return figure.toFixed(Math.abs(figure) >= 100 ? 0 : Math.abs(figure) >= 10 ? 1 : 2)
}
