import type { ServeConfig } from './config.ts'
import type { ServePlan } from './plan.ts'

/** What holds for as long as the process lives: sockets, and what their owners were told once. */
const fixedParts: readonly (keyof ServeConfig)[] = [
  'endpoint',
  'limits',
  'health',
  'streams',
  'twilioRest',
  'traces',
]

/** Of these parts what may change all the same. */
const looseFields: ReadonlySet<string> = new Set([
  'endpoint.admit',
  'limits.callsPerTrunk',
  'health.trunks',
  'streams.publicUrl',
  'streams.maxCalls',
  'streams.startTimeoutMs',
  'streams.idleTimeoutMs',
  'streams.paths',
  'twilioRest.trunk',
])

/** The fields that differ and are in force only after a restart. */
export function restartFields(started: ServePlan, next: ServePlan): readonly string[] {
  const fields = fixedParts.flatMap(part => differences(started.config[part], next.config[part], part))
  // The same names of files may stand for other certificates.
  const certificates = {
    'endpoint.tls': (plan: ServePlan) => plan.endpoint.tls,
    'streams.tls': (plan: ServePlan) => plan.streams?.listen.tls,
    'twilioRest.tls': (plan: ServePlan) => plan.restTls,
  }
  for (const [field, read] of Object.entries(certificates))
    if (!fields.some(name => name.startsWith(field)) && !same(read(started), read(next))) fields.push(field)
  return fields
}

/** Whether a trunk is to be made anew. */
export function trunkChanged(name: string, before: ServePlan, next: ServePlan): boolean {
  const told = ({ config: { trunks = {}, limits = {} } }: ServePlan): unknown => {
    const { inbound: _inbound, ...trunk } = trunks[name] ?? {}
    return [trunk, limits.callsPerTrunk]
  }
  return !same(told(before), told(next))
}

function differences(a: unknown, b: unknown, path: string): string[] {
  if (same(a, b)) return []
  // A section that was not there is one without fields.
  const [before, after] = [a ?? {}, b ?? {}]
  if (!isRecord(before) || !isRecord(after)) return [path]
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap(name =>
    looseFields.has(`${path}.${name}`) ? [] : differences(before[name], after[name], `${path}.${name}`),
  )
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Of plain data. */
function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b))
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (!isRecord(value)) return value
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, inner]) => [name, sorted(inner)]),
  )
}
