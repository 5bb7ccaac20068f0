/**
 * Text with wildcards, `+44*` (`*` any number of characters, `?` one), or a regular expression; in files as text between slashes,
 * `/^\+49(30|40)/`. The whole text must fit the wildcards; capitals make no difference. Texts above 256 characters fit nothing.
 */
export type Pattern = string | RegExp

export type Weekday = 'mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun'

/** When, by the clock on the wall of a place. What is left out does not matter. */
export interface TimeRule {
  /** IANA time zone: `Europe/London`. */
  readonly zone: string
  /** Days or spans of days: `mon-fri`, `sat`. */
  readonly days?: string | readonly string[]
  /** `09:00`, inclusive. Where `to` is not after it the span passes midnight, and belongs to the day it began. */
  readonly from?: string
  /** `17:30`, exclusive; `24:00` is midnight at the end of the day. */
  readonly to?: string
  /** Only on these days, `2026-12-24`. */
  readonly dates?: readonly string[]
  /** Not on these days, `2026-12-25`. */
  readonly except?: readonly string[]
}

/** All that is given must fit; of a list, one. */
export interface RouteMatch {
  /** The number that was dialled, with `+` and country code, or the user part where it is no number. */
  readonly dialled?: Pattern | readonly Pattern[]
  /** Who calls, the same way; the empty text when the caller is unknown or withheld. */
  readonly caller?: Pattern | readonly Pattern[]
  /** The Request-URI. */
  readonly uri?: Pattern | readonly Pattern[]
  /** Name of the trunk the call came by. */
  readonly trunk?: string | readonly string[]
  /** By name; one of the values of the header must fit. */
  readonly headers?: Readonly<Record<string, Pattern | readonly Pattern[]>>
  /** One of them must hold. */
  readonly time?: TimeRule | readonly TimeRule[]
  readonly environment?: string | readonly string[]
}

/** What becomes of a call. */
export type RouteAction =
  /** `support`, or `support@staging` in an environment of that name. `fallback`: when its engine is down or fails. */
  | { readonly agent: string; readonly fallback?: RouteAction }
  /** Refuses with 400 to 699. */
  | { readonly reject: RejectAction }
  /** 302 to these URIs; a caller that has been answered is hung up instead. */
  | { readonly redirect: string | readonly string[] }
  /** Calls that number or URI and lets the two talk. `fallback`: when nobody is reached. */
  | {
      readonly number: string
      /** Trunks in the order to try them. */
      readonly trunk?: string | readonly string[]
      /** Number to show. Default: what the trunk says. */
      readonly caller?: string
      /** How long it may ring, ms. Default 30,000. */
      readonly ringTimeoutMs?: number
      readonly fallback?: RouteAction
    }
  | { readonly queue: QueueAction }

export interface RejectAction {
  readonly statusCode: number
  readonly reasonPhrase?: string
  /** Retry-After (RFC 3261 §20.33), seconds. */
  readonly retryAfterSeconds?: number
}

/** Callers wait, in the order they came, until fewer than `maxActive` are with whom they wait for. */
export interface QueueAction {
  readonly to: RouteAction
  readonly maxActive: number
  /** Default 100. */
  readonly maxWaiting?: number
  /** Default 600,000. */
  readonly maxWaitMs?: number
  /** A sound file, again and again; default silence. */
  readonly music?: string
  /** What becomes of who finds the queue full, or has waited `maxWaitMs`. Default: 486, or a polite end once answered. */
  readonly overflow?: RouteAction
}

export interface Route {
  /** For traces. Default `route 1`, by its place. */
  readonly name?: string
  /** Default: every call. */
  readonly match?: RouteMatch
  readonly to: RouteAction
}

/** What a route looks at. */
export interface CallFacts {
  readonly dialled: string
  readonly caller: string
  readonly uri: string
  readonly trunk: string | undefined
  readonly environment: string
  /** Values of a header, none when it is absent. */
  readonly header: (name: string) => readonly string[]
}
