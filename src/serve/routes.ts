import { resolve } from 'node:path'
import { toE164 } from '../call/routing/e164.ts'
import { compileRoutes } from '../call/routing/route-table.ts'
import type { Route, RouteAction } from '../call/routing/types.ts'
import type { ServeConfig } from './config.ts'
import { checkShape, noting } from './problems.ts'
import type { FoundProblem } from './problems.ts'
import { routesSchema } from './route-schema.ts'

export interface PlannedRoutes {
  readonly routes: readonly Route[]
  /** As traces call them, in order. */
  readonly names: readonly string[]
}

/** Undefined when something is wrong; `problems` has it. */
export function planRoutes(
  { routes: given, agents = {}, trunks = {}, defaultCountry }: ServeConfig,
  folder: string,
  problems: FoundProblem[],
): PlannedRoutes | undefined {
  noting(problems, [], () => toE164(defaultCountry), { country: ['defaultCountry'] })
  const names = Object.keys(agents)
  const [only] = names
  if (given === undefined && (only === undefined || names.length > 1)) {
    problems.push({
      path: ['routes'],
      message: `say who gets the calls; with one agent and no routes it gets them all, here are ${names.length}`,
    })
    return undefined
  }
  const shaped: readonly Route[] | undefined =
    given === undefined
      ? [{ name: 'everything', to: { agent: only ?? '' } }]
      : checkShape(routesSchema, given, ['routes'], problems)
  if (shaped === undefined) return undefined
  const routes = shaped.map(route => Object.assign({}, route, { to: withFiles(route.to, folder) }))
  const table = noting(problems, [], () =>
    compileRoutes(routes, { agents: names, trunks: Object.keys(trunks) }),
  )
  return table && { routes, names: table.routes.map(({ name }) => name) }
}

/** Sounds are relative to the file that names them. */
function withFiles(action: RouteAction, folder: string): RouteAction {
  if ('queue' in action) {
    const { to, overflow, music, ...rest } = action.queue
    return {
      queue: {
        ...rest,
        to: withFiles(to, folder),
        ...(music === undefined ? {} : { music: resolve(folder, music) }),
        ...(overflow === undefined ? {} : { overflow: withFiles(overflow, folder) }),
      },
    }
  }
  if (!('fallback' in action) || action.fallback === undefined) return action
  return { ...action, fallback: withFiles(action.fallback, folder) }
}
