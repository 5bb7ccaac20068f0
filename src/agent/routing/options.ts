import type { Endpoint } from '../../call/endpoint.ts'
import type { AnswerOptions, IncomingCall } from '../../call/incoming-call.ts'
import type { Route } from '../../call/routing/types.ts'
import type { CarrierTrunk } from '../../call/trunks/carrier-trunk.ts'
import type { SipError } from '../../runtime/errors.ts'
import type { Agent } from '../agent.ts'

/** An agent, or what makes one for a call. */
export type RoutedAgent = Agent | ((call: IncomingCall) => Agent | Promise<Agent>)

/** What holds for calls to come; `replace` puts another in force. */
export interface RoutingOptions {
  readonly routes: readonly Route[]
  /** By name; `support@staging` serves `support` in the environment `staging` alone. */
  readonly agents?: Readonly<Record<string, RoutedAgent>>
  /** By name, for calls out. */
  readonly trunks?: ReadonlyMap<string, CarrierTrunk>
  /** ISO 3166-1, of numbers that come without a country code: `GB`. Without it only those with one are known as numbers. */
  readonly defaultCountry?: string
  /** Of calls that do not say. Default `production`. */
  readonly environment?: string
  /** A header in which trusted callers and trunks name the environment. */
  readonly environmentHeader?: string
  /** How each call is answered. */
  readonly answer?: AnswerOptions
  /** An action failed and was followed by its fallback, or the call was given up. */
  readonly onError?: (error: SipError, call: IncomingCall) => void
}

export interface RouteCallsOptions extends RoutingOptions {
  /** Stops taking calls when it aborts; calls under way go on. */
  readonly signal?: AbortSignal
}

export interface RoutingStats {
  /** Calls by route; `none` those that none fitted. */
  readonly calls: Readonly<Record<string, number>>
  /** Actions that came to nothing and were followed by a fallback. */
  readonly fellBack: number
  /** Callers who wait. */
  readonly waiting: number
}

export interface Routing {
  /** As of `endpoint.serve`: resolves when the endpoint is closed or `signal` aborts. */
  readonly done: Promise<void>
  readonly stats: RoutingStats
  /** For calls to come; those under way, and those that wait, go on by what was in force when they came. @throws OptionError nothing has changed then */
  replace(options: RoutingOptions): void
  /** Who still waits is told that it is over, and hung up; calls that come are for `endpoint.drain` to refuse. */
  drain(): void
}

export type RoutingEndpoint = Pick<Endpoint, 'serve' | 'call' | 'clock'>
