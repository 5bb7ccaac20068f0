import type { EngineEvent } from '../call/engine-events.ts'

/** One engine that had the call. */
export interface EngineRecord {
  readonly engine: string
  /** From dialling it until it could be talked to, milliseconds; absent when it never could. */
  readonly connectMs?: number
  /** From dialling it to its first audio, milliseconds. */
  readonly firstAudioMs?: number
  /** Who ended it: it did, the call did, or it failed. Absent while it has the call. */
  readonly end?: 'engine' | 'call' | 'failed'
  /** How, in words. */
  readonly detail?: string
  /** What it did too much or not well, by name, where above 0. */
  readonly counters?: Readonly<Record<string, number>>
}

/** What a trace keeps of one call: the first 16. */
const mostEngines = 16

/** Notes what an engine did; gives the line for the ladder. */
export function noteEngine(kept: EngineRecord[], event: EngineEvent): string {
  const { engine } = event
  if (event.kind === 'connecting') {
    if (kept.length < mostEngines) kept.push({ engine })
    return `engine ${engine} dialled`
  }
  const at = kept.findLastIndex(entry => entry.engine === engine && entry.end === undefined)
  const before = kept[at] ?? { engine }
  const [record, line] = changed(before, event)
  if (at >= 0) kept[at] = record
  return `engine ${engine} ${line}`
}

function changed(
  before: EngineRecord,
  event: Exclude<EngineEvent, { readonly kind: 'connecting' }>,
): [EngineRecord, string] {
  switch (event.kind) {
    case 'connected':
      return [
        { ...before, connectMs: Math.round(event.afterMs) },
        `connected after ${Math.round(event.afterMs)} ms`,
      ]
    case 'speaks':
      return [
        { ...before, firstAudioMs: Math.round(event.afterMs) },
        `speaks after ${Math.round(event.afterMs)} ms`,
      ]
    default: {
      const { detail, counters } = event
      const end = event.kind === 'failed' ? 'failed' : event.by
      const record: EngineRecord = {
        ...before,
        end,
        detail,
        ...(Object.keys(counters).length > 0 && { counters }),
      }
      const verb = event.kind === 'failed' ? 'failed' : `ended by the ${event.by}`
      return [record, `${verb}: ${detail}${countersText(counters)}`]
    }
  }
}

/** The engines in sentences. */
export function engineLines(engines: readonly EngineRecord[] | undefined): string[] {
  return (engines ?? []).map(({ engine, connectMs, firstAudioMs, end, detail = '', counters = {} }) => {
    const connected = connectMs === undefined ? ', never connected' : `, connected after ${connectMs} ms`
    const speaks = firstAudioMs === undefined ? ', never spoke' : `, spoke after ${firstAudioMs} ms`
    const how =
      end === undefined ? '' : end === 'failed' ? `, failed: ${detail}` : `, ended by the ${end}: ${detail}`
    return `  engine ${engine}${connected}${connectMs === undefined ? '' : speaks}${how}${countersText(counters)}`
  })
}

function countersText(counters: Readonly<Record<string, number>>): string {
  const parts = Object.entries(counters).map(([name, count]) => `${name} ${count}`)
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`
}
