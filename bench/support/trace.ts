import { readFileSync } from 'node:fs'

/** What arrived when: the packets that came, in order of arrival. */
export interface Trace {
  readonly name: string
  readonly packetMs: number
  readonly size: number
  /** How slow the sender's clock is. */
  readonly driftPpm: number
  readonly arrivals: readonly { readonly at: number; readonly sequence: number }[]
}

export const traceNames: readonly string[] = ['lan', 'wifi', 'lte', 'bursty', 'drifting']

/** Reads a trace of bench/traces, whose head describes the form. */
export function readTrace(name: string): Trace {
  const text = readFileSync(new URL(`../../../bench/traces/${name}.trace`, import.meta.url), 'utf8')
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  const head = /^packet-ms (\d+) size (\d+) drift-ppm (-?\d+)$/.exec(lines[0] ?? '')
  if (head === null) throw new Error(`trace ${name}: the first line is to say packet-ms, size and drift-ppm`)
  const arrivals: { at: number; sequence: number }[] = []
  let tenths = 0
  let sequence = -1
  for (const token of lines.slice(1).join(' ').split(' ')) {
    const [delta = '', step = '1'] = token.split('+')
    tenths += Number(delta)
    sequence += Number(step)
    arrivals.push({ at: tenths / 10, sequence })
  }
  return {
    name,
    packetMs: Number(head[1]),
    size: Number(head[2]),
    driftPpm: Number(head[3]),
    arrivals,
  }
}

/** Where the fastest packet would be at a moment of the sender, ms: arrival = sent + base, the drift within. */
export function baseOf({ arrivals, packetMs, driftPpm }: Trace): (sentMs: number) => number {
  const drift = driftPpm / 1e6
  const least = Math.min(...arrivals.map(({ at, sequence }) => at - sequence * packetMs * (1 + drift)))
  return sentMs => least + sentMs * drift
}
