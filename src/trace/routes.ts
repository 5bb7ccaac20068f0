import type { RouteEvent } from '../call/routing/route-events.ts'

/** One step of the route a call took. */
export interface RouteRecord {
  /** `none` when no route fitted. */
  readonly route: string
  readonly action: RouteEvent['action']
  /** The agent, the status, the trunk, or how many were before it in the queue. */
  readonly detail: string
  /** Why the step before came to nothing. */
  readonly after?: string
}

/** What a trace keeps of one call: the first 16. */
const mostSteps = 16

/** Notes a step; gives the line for the ladder. */
export function noteRoute(kept: RouteRecord[], { route, action, detail, after }: RouteEvent): string {
  const record: RouteRecord = { route, action, detail, ...(after !== undefined && { after }) }
  if (kept.length < mostSteps) kept.push(record)
  return `route ${textOf(record)}`
}

/** The steps in sentences. */
export function routeLines(routes: readonly RouteRecord[] | undefined): string[] {
  return (routes ?? []).map(record => `  route ${textOf(record)}`)
}

function textOf({ route, action, detail, after }: RouteRecord): string {
  return `${route}: ${action} ${detail}${after === undefined ? '' : `, because ${after}`}`
}
