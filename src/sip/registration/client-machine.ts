/** The life of one registration (RFC 3261 §10.2, RFC 5626 §4), as a table. */

export type RegistrationPhase =
  | 'idle'
  /** A REGISTER is under way; nothing is bound yet. */
  | 'registering'
  | 'registered'
  /** A REGISTER is under way for what is bound. */
  | 'refreshing'
  /** The last attempt failed; the next one is planned. */
  | 'waiting'
  /** To be taken away, but a REGISTER is under way: no second one before its answer (RFC 3261 §10.2). */
  | 'ending'
  | 'unregistering'
  | 'unregistered'
  /** The registrar will have none of it; nothing is tried again. */
  | 'refused'

export type RegistrationEvent =
  | 'start'
  /** 2xx. */
  | 'accepted'
  /** 423 or 439: say it another way, at once. */
  | 'adjusted'
  | 'refused'
  /** No answer, 5xx and the like: later it may do. */
  | 'failed'
  | 'flow-lost'
  /** What was planned is due. */
  | 'due'
  | 'stop'
  /** The removal is answered or given up. */
  | 'released'

export type RegistrationAction =
  | 'register'
  | 'remove'
  | 'hold-flow'
  | 'release-flow'
  | 'plan-refresh'
  | 'plan-retry'
  | 'plan-recovery'
  | 'cancel-plan'
  | 'tell-registered'
  | 'tell-failed'
  | 'tell-refused'
  | 'tell-unregistered'

export interface RegistrationStep {
  readonly to: RegistrationPhase
  readonly do: readonly RegistrationAction[]
}

type Rows = Readonly<Record<RegistrationEvent, RegistrationStep>>

function step(to: RegistrationPhase, ...actions: RegistrationAction[]): RegistrationStep {
  return { to, do: actions }
}

/** Nothing happens at these; spelt out by what is spread over it. */
function stay(phase: RegistrationPhase): Rows {
  const here = step(phase)
  return {
    start: here,
    accepted: here,
    adjusted: here,
    refused: here,
    failed: here,
    'flow-lost': here,
    due: here,
    stop: here,
    released: here,
  }
}

const table: Readonly<Record<RegistrationPhase, Rows>> = {
  idle: {
    ...stay('idle'),
    start: step('registering', 'register'),
    stop: step('unregistered', 'tell-unregistered'),
  },
  registering: {
    ...stay('registering'),
    accepted: step('registered', 'hold-flow', 'plan-refresh', 'tell-registered'), // §10.2.4
    adjusted: step('registering', 'register'), // §10.2.8
    refused: step('refused', 'release-flow', 'tell-refused'),
    failed: step('waiting', 'release-flow', 'plan-retry', 'tell-failed'), // §10.2.7, RFC 5626 §4.5
    stop: step('ending'),
  },
  registered: {
    ...stay('registered'),
    due: step('refreshing', 'register'), // §10.2.4
    'flow-lost': step('waiting', 'release-flow', 'plan-recovery', 'tell-failed'), // RFC 5626 §4.4
    stop: step('unregistering', 'cancel-plan', 'remove'), // §10.2.2
  },
  refreshing: {
    ...stay('refreshing'),
    accepted: step('registered', 'hold-flow', 'plan-refresh'),
    adjusted: step('refreshing', 'register'),
    refused: step('refused', 'release-flow', 'tell-refused'),
    failed: step('waiting', 'release-flow', 'plan-retry', 'tell-failed'),
    stop: step('ending'),
  },
  waiting: {
    ...stay('waiting'),
    due: step('registering', 'register'),
    stop: step('unregistering', 'cancel-plan', 'remove'),
  },
  ending: {
    ...stay('ending'),
    accepted: step('unregistering', 'remove'),
    // The registrar may have what an earlier REGISTER brought.
    adjusted: step('unregistering', 'remove'),
    refused: step('unregistered', 'release-flow', 'tell-unregistered'),
    failed: step('unregistering', 'remove'),
  },
  unregistering: {
    ...stay('unregistering'),
    released: step('unregistered', 'release-flow', 'tell-unregistered'),
  },
  unregistered: stay('unregistered'),
  refused: { ...stay('refused'), stop: step('unregistered', 'tell-unregistered') },
}

/** What an event does in a phase. Pure. */
export function stepRegistration(phase: RegistrationPhase, event: RegistrationEvent): RegistrationStep {
  return table[phase][event]
}

/** RFC 5626 §4.5. */
export interface BackOff {
  /** Milliseconds, doubled with every failure in a row. Default 30,000. */
  readonly baseMs: number
  /** The longest wait asked for by doubling, milliseconds. Default 1,800,000. */
  readonly maxMs: number
}

export const defaultBackOff: BackOff = { baseMs: 30_000, maxMs: 1_800_000 }

/**
 * How long to wait after so many failures in a row (the first is 1): at random between half of
 * `min(maxMs, baseMs * 2^(failures - 1))` and all of it (RFC 5626 §4.5), and never less than Retry-After asks for.
 * @param random 0 up to 1
 * @returns milliseconds
 */
export function retryDelay(
  { baseMs, maxMs }: BackOff,
  failures: number,
  random: number,
  retryAfterSeconds = 0,
): number {
  const most = Math.min(maxMs, baseMs * 2 ** Math.min(Math.max(failures - 1, 0), 30))
  const own = most * (0.5 + random / 2)
  // Spread too: everybody who was told the same number of seconds must not come back at once.
  return Math.max(own, retryAfterSeconds * 1000 * (1 + random / 10))
}

/**
 * When to refresh what expires in so many seconds: at random after three quarters to nine tenths of it, so that an attempt that times out
 * (32 s) still leaves time for another in a registration of usual length.
 * @returns milliseconds from now
 */
export function refreshDelay(expiresSeconds: number, random: number): number {
  return Math.max(1000, expiresSeconds * 1000 * (0.75 + 0.15 * random))
}

/** A flow that is gone is replaced at random within so long: a server that starts again is not run over. */
export const recoverWithinMs = 2_000
