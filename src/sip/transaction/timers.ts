import { OptionError } from '../../runtime/errors.ts'

/**
 * Timers by letter (RFC 3261 Table 4, RFC 6026 §7), and four that the RFCs describe without naming:
 * `trying` (100 within 200 ms, RFC 3261 §17.2.1), `late` (100 to a non-INVITE, RFC 4320 §4.2),
 * `expire` (nobody waits for the answer any more), `cancelled` (a CANCEL that changed nothing, RFC 3261 §9.1).
 */
export type TimerName =
  | ('A' | 'B' | 'C' | 'D' | 'E' | 'F' | 'G' | 'H' | 'I' | 'J' | 'K' | 'L' | 'M')
  | ('trying' | 'late' | 'expire' | 'cancelled')

/** All in milliseconds. `Infinity` switches a timer off where that makes sense (C, trying). */
export interface TimerValues {
  /** Estimate of the round trip. Default 500. */
  readonly t1: number
  /** Longest interval between retransmissions of a non-INVITE request or an INVITE response. Default 4000. */
  readonly t2: number
  /** Longest time a message stays in the network. Default 5000. */
  readonly t4: number
  /** Wait for retransmitted final responses to an INVITE on unreliable transports. Default 32000, the least allowed. */
  readonly d: number
  /** Longest time without news while the far end rings; each 101-199 restarts it. Default 600000 (§16.6 asks for more than 180000). */
  readonly c: number
  /** How long the user of an INVITE server transaction may be silent before 100 is sent for it. Default 200. */
  readonly trying: number
}

export const defaultTimers: TimerValues = {
  t1: 500,
  t2: 4_000,
  t4: 5_000,
  d: 32_000,
  c: 600_000,
  trying: 200,
}

/** Fills in the defaults; throws `OptionError` for a value that is not a positive number. */
export function timerValues(options: Partial<TimerValues> = {}): TimerValues {
  const values: TimerValues = { ...defaultTimers, ...options }
  for (const [name, value] of Object.entries(values)) {
    const least = name === 'trying' ? 0 : 1
    if (!(value >= least) || (value === Infinity && name !== 'c' && name !== 'trying')) {
      throw new OptionError(`timers.${name}`, `${value} is not a usable number of milliseconds`)
    }
  }
  return values
}

/** A duration in terms of the values above. `undefined`: the timer is not started at all. */
type Duration = ((values: TimerValues) => number) | undefined

interface TimerRule {
  readonly rfc: string
  readonly unreliable: Duration
  readonly reliable: Duration
  /** For timers that double with every retransmission: the longest interval. */
  readonly doublesUpTo?: (values: TimerValues) => number
}

const none: Duration = undefined
const zero: Duration = () => 0
const t1: Duration = ({ t1 }) => t1
const t4: Duration = ({ t4 }) => t4
const t1x64: Duration = ({ t1 }) => 64 * t1
const unlimited = (): number => Infinity
const upToT2 = ({ t2 }: TimerValues): number => t2

/** The moment a client's Timer E is first set to T2: from then on a 100 spares retransmissions. */
function timerEReachesT2({ t1, t2 }: TimerValues): number {
  let elapsed = 0
  for (let interval = t1; interval < t2; interval *= 2) elapsed += interval
  return elapsed
}

export const timerRules: Readonly<Record<TimerName, TimerRule>> = {
  A: { rfc: 'RFC 3261 §17.1.1.2', unreliable: t1, reliable: none, doublesUpTo: unlimited },
  B: { rfc: 'RFC 3261 §17.1.1.2', unreliable: t1x64, reliable: t1x64 },
  C: { rfc: 'RFC 3261 §16.6 11, §16.8', unreliable: ({ c }) => c, reliable: ({ c }) => c },
  D: { rfc: 'RFC 3261 §17.1.1.2', unreliable: ({ d }) => d, reliable: zero },
  E: { rfc: 'RFC 3261 §17.1.2.2', unreliable: t1, reliable: none, doublesUpTo: upToT2 },
  F: { rfc: 'RFC 3261 §17.1.2.2', unreliable: t1x64, reliable: t1x64 },
  G: { rfc: 'RFC 3261 §17.2.1', unreliable: t1, reliable: none, doublesUpTo: upToT2 },
  H: { rfc: 'RFC 3261 §17.2.1', unreliable: t1x64, reliable: t1x64 },
  I: { rfc: 'RFC 3261 §17.2.1', unreliable: t4, reliable: zero },
  J: { rfc: 'RFC 3261 §17.2.2', unreliable: t1x64, reliable: zero },
  K: { rfc: 'RFC 3261 §17.1.2.2', unreliable: t4, reliable: zero },
  L: { rfc: 'RFC 6026 §7.1', unreliable: t1x64, reliable: t1x64 },
  M: { rfc: 'RFC 6026 §7.2', unreliable: t1x64, reliable: t1x64 },
  trying: { rfc: 'RFC 3261 §17.2.1', unreliable: ({ trying }) => trying, reliable: ({ trying }) => trying },
  late: { rfc: 'RFC 4320 §4.2', unreliable: timerEReachesT2, reliable: timerEReachesT2 },
  expire: { rfc: 'RFC 4320 §3', unreliable: t1x64, reliable: t1x64 },
  cancelled: { rfc: 'RFC 3261 §9.1', unreliable: t1x64, reliable: t1x64 },
}

export const timerNames: readonly TimerName[] = Object.keys(timerRules) as TimerName[]

/** The rules worked out for one set of values and one kind of transport: computed once, read on every step. */
export interface TimerSchedule {
  readonly reliable: boolean
  /** First interval; `undefined` when the timer does not run here. */
  readonly first: Readonly<Record<TimerName, number | undefined>>
  /** Longest interval of a doubling timer; `undefined` for the others. */
  readonly longest: Readonly<Record<TimerName, number | undefined>>
}

export function timerSchedule(values: TimerValues, reliable: boolean): TimerSchedule {
  const first = {} as Record<TimerName, number | undefined>
  const longest = {} as Record<TimerName, number | undefined>
  for (const name of timerNames) {
    const rule = timerRules[name]
    const duration = (reliable ? rule.reliable : rule.unreliable)?.(values)
    first[name] = duration === Infinity ? undefined : duration
    longest[name] = rule.doublesUpTo?.(values)
  }
  return { reliable, first, longest }
}
