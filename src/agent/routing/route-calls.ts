import { CallEndedError } from '../../call/call-ended.ts'
import type { IncomingCall } from '../../call/incoming-call.ts'
import { toE164 } from '../../call/routing/e164.ts'
import type { ToE164 } from '../../call/routing/e164.ts'
import { callFacts } from '../../call/routing/facts.ts'
import { compileRoutes } from '../../call/routing/route-table.ts'
import type { RouteTable } from '../../call/routing/route-table.ts'
import { RoutedCall } from './routed-call.ts'
import type { RouteCallsOptions, Routing, RoutingEndpoint, RoutingOptions, RoutingStats } from './options.ts'
import { WaitLine } from './wait-line.ts'

/**
 * Takes the calls of the endpoint and gives each to what the first fitting route says; what none fits is refused with 404.
 * @throws OptionError naming the field, `routes[3].match.time.zone`
 */
export function routeCalls(endpoint: RoutingEndpoint, options: RouteCallsOptions): Routing {
  return new CallRouting(endpoint, options)
}

/** Routing of one time: a reload makes another. */
interface InForce {
  readonly options: RoutingOptions
  readonly table: RouteTable
  readonly normalise: ToE164
}

function inForce(options: RoutingOptions): InForce {
  const { routes, agents = {}, trunks, defaultCountry } = options
  return {
    options,
    table: compileRoutes(routes, {
      agents: Object.keys(agents),
      ...(trunks !== undefined && { trunks: [...trunks.keys()] }),
    }),
    normalise: toE164(defaultCountry),
  }
}

class CallRouting implements Routing {
  readonly done: Promise<void>
  readonly #endpoint: RoutingEndpoint
  /** By route and place of the queue in it. */
  readonly #lines: Map<string, { readonly route: string; readonly line: WaitLine }> = new Map()
  readonly #calls: Map<string, number> = new Map()
  #fellBack = 0
  #draining = false
  #now: InForce

  constructor(endpoint: RoutingEndpoint, options: RouteCallsOptions) {
    this.#endpoint = endpoint
    this.#now = inForce(options)
    const { signal } = options
    this.done = endpoint.serve(call => this.#take(call), signal === undefined ? {} : { signal })
    void this.done.finally(() => this.drain()).catch(() => undefined)
  }

  get stats(): RoutingStats {
    let waiting = 0
    for (const { line } of this.#lines.values()) waiting += line.waiting
    return { calls: Object.fromEntries(this.#calls), fellBack: this.#fellBack, waiting }
  }

  replace(options: RoutingOptions): void {
    this.#now = inForce(options)
    const names = new Set(this.#now.table.routes.map(({ name }) => name))
    for (const [key, { route, line }] of this.#lines) {
      // Who waits in a line that is gone still gets a turn.
      if (!names.has(route) && line.active + line.waiting === 0) this.#lines.delete(key)
    }
    for (const name of this.#calls.keys()) if (!names.has(name) && name !== NONE) this.#calls.delete(name)
  }

  drain(): void {
    this.#draining = true
    for (const { line } of this.#lines.values()) line.close()
  }

  async #take(call: IncomingCall): Promise<void> {
    const { options, table, normalise } = this.#now
    const { environment = 'production', environmentHeader } = options
    const facts = callFacts(call, {
      normalise,
      environment,
      ...(environmentHeader !== undefined && { environmentHeader }),
    })
    const route = table.find(facts, this.#endpoint.clock.wallTime())
    const name = route?.name ?? NONE
    this.#calls.set(name, (this.#calls.get(name) ?? 0) + 1)
    const routed = new RoutedCall(call, {
      endpoint: this.#endpoint,
      options,
      route: name,
      environment: facts.environment,
      lineOf: place => this.#line(name, place),
      onFallback: () => (this.#fellBack += 1),
    })
    try {
      await routed.act(route?.to ?? { reject: { statusCode: 404 } })
    } catch (error) {
      // Somebody hung up; nothing of ours went wrong.
      if (!(error instanceof CallEndedError)) throw error
    }
  }

  #line(route: string, place: string): WaitLine {
    const key = `${route}\n${place}`
    const known = this.#lines.get(key)
    if (known !== undefined) return known.line
    const line = new WaitLine(this.#endpoint.clock)
    if (this.#draining) line.close()
    this.#lines.set(key, { route, line })
    return line
  }
}

const NONE = 'none'
