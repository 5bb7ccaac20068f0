import type { TimerName, TimerSchedule } from './timers.ts'

/** What a row asks for, before times are known. */
export type Effect =
  /** Client: send the request. Server: send the response just given. */
  | 'send'
  /** The same octets once more. */
  | 'resend'
  /** Client: acknowledge a final response of 300 or above (§17.1.1.3). */
  | 'ack'
  /** Server: answer 100 on behalf of a silent user. */
  | 'send-100'
  /** Client: send CANCEL, because the far end has rung for too long (§16.8). */
  | 'send-cancel'
  /** Hand the message in hand to the user. */
  | 'deliver'
  /** Tell the user that the timer in hand ran out. */
  | 'timeout'
  /** Tell the user that the transport failed. */
  | 'failure'
  | ArmEffect
  | DisarmEffect

interface ArmEffect {
  readonly arm: TimerName
  /** Start at the longest interval of a doubling timer instead of the next one. */
  readonly longest?: boolean
}

interface DisarmEffect {
  readonly disarm: TimerName
}

export interface Row<S extends string> {
  /** `undefined`: stay. */
  readonly next: S | undefined
  readonly effects: readonly Effect[]
  readonly rfc: string
}

export type TimerEvent<N extends TimerName> = `timer ${N}`

/**
 * A state machine as data. Every state has a row for every event, or it does not compile.
 * `timers` lists those that may run in a state: entering a state stops all others, so that none outlives its use.
 */
export interface Machine<S extends string, E extends string> {
  readonly name: string
  readonly initial: S
  readonly start: Row<S>
  readonly states: {
    readonly [state in S]: {
      readonly timers: readonly TimerName[]
      readonly on: { readonly [event in E]: Row<S> }
    }
  }
}

export type ArmedTimer = readonly [timer: TimerName, atMs: number]

/** Where one transaction is. Plain data; `step` never changes it. */
export interface MachineState<S extends string> {
  readonly name: S
  /** The running timers and when each is due: two at most, so a list is the quickest. */
  readonly armed: readonly ArmedTimer[]
  /** Interval last used by the doubling timer, in ms; 0 before its first use. */
  readonly interval: number
}

export type Action =
  | {
      readonly do: 'send' | 'resend' | 'ack' | 'send-100' | 'send-cancel' | 'deliver' | 'failure'
    }
  | { readonly do: 'timeout'; readonly timer: TimerName }
  | { readonly do: 'arm'; readonly timer: TimerName; readonly atMs: number }
  | { readonly do: 'disarm'; readonly timer: TimerName }
  /** The transaction is over; always the last action. */
  | { readonly do: 'end' }

export interface Step<S extends string> {
  readonly state: MachineState<S>
  /** To be carried out in this order, after `state` has been taken over. */
  readonly actions: readonly Action[]
}

export function row<S extends string>(rfc: string, next: S, ...effects: Effect[]): Row<S> {
  return { next, effects, rfc }
}

/** A row that does something and leaves the state as it is. */
export function stay(rfc: string, ...effects: Effect[]): Row<never> {
  return { next: undefined, effects, rfc }
}

export function arm(timer: TimerName): ArmEffect {
  return { arm: timer }
}

export function armLongest(timer: TimerName): ArmEffect {
  return { arm: timer, longest: true }
}

export function disarm(timer: TimerName): DisarmEffect {
  return { disarm: timer }
}

/** A row that changes nothing: the event can happen and is absorbed. */
export function absorb(rfc: string): Row<never> {
  return { next: undefined, effects: [], rfc }
}

/** A row for an event that the layer or the machine itself keeps from happening in this state. */
export function never(why: string): Row<never> {
  return { next: undefined, effects: [], rfc: why }
}

const noTimers: readonly ArmedTimer[] = []

/** The state of a transaction that has been stopped from outside. */
export function stopped<S extends string>(name: S): MachineState<S> {
  return { name, armed: noTimers, interval: 0 }
}

/** The first step of a transaction: what is sent or delivered, and which timers start. */
export function start<S extends string, E extends string>(
  machine: Machine<S, E>,
  now: number,
  schedule: TimerSchedule,
): Step<S> {
  const before: MachineState<S> = { name: machine.initial, armed: noTimers, interval: 0 }
  return apply(machine, before, machine.start, now, schedule, undefined)
}

export function step<S extends string, E extends string>(
  machine: Machine<S, E>,
  state: MachineState<S>,
  event: E,
  now: number,
  schedule: TimerSchedule,
): Step<S> {
  const taken = stateOf(machine, state.name).on[event] as Row<S>
  return apply(machine, state, taken, now, schedule, timerOf(event))
}

interface AnyState<S extends string> {
  readonly timers: readonly TimerName[]
  readonly on: Readonly<Record<string, Row<S>>>
}

function stateOf<S extends string, E extends string>({ states }: Machine<S, E>, name: S): AnyState<S> {
  return (states as Readonly<Record<string, AnyState<S>>>)[name] as AnyState<S>
}

function timerOf(event: string): TimerName | undefined {
  return event.startsWith('timer ') ? (event.slice(6) as TimerName) : undefined
}

const simpleActions = {
  send: { do: 'send' },
  resend: { do: 'resend' },
  ack: { do: 'ack' },
  'send-100': { do: 'send-100' },
  'send-cancel': { do: 'send-cancel' },
  deliver: { do: 'deliver' },
  failure: { do: 'failure' },
} as const

function apply<S extends string, E extends string>(
  machine: Machine<S, E>,
  state: MachineState<S>,
  taken: Row<S>,
  now: number,
  schedule: TimerSchedule,
  fired: TimerName | undefined,
): Step<S> {
  const name = taken.next ?? state.name
  if (taken.effects.length === 0 && name === state.name && fired === undefined) {
    return { state, actions: noActions }
  }

  // Timers come first: what follows may call back into the machine, which must then find them running.
  let timerActions: readonly Action[] = noActions
  let actions: readonly Action[] = noActions
  let { armed, interval } = state
  let immediate: TimerName | undefined
  if (fired !== undefined) armed = without(armed, fired)
  if (name !== state.name && armed.length > 0) {
    const allowed = stateOf(machine, name).timers
    for (const [timer] of armed) {
      if (allowed.includes(timer)) continue
      armed = without(armed, timer)
      timerActions = plus(timerActions, { do: 'disarm', timer })
    }
  }
  for (const effect of taken.effects) {
    if (effect === 'timeout') {
      if (fired !== undefined) actions = plus(actions, { do: 'timeout', timer: fired })
    } else if (typeof effect === 'string') {
      actions = plus(actions, simpleActions[effect])
    } else if ('disarm' in effect) {
      const left = without(armed, effect.disarm)
      if (left.length < armed.length) {
        timerActions = plus(timerActions, { do: 'disarm', timer: effect.disarm })
      }
      armed = left
    } else {
      const timer = effect.arm
      const first = schedule.first[timer]
      if (first === undefined) continue
      const longest = schedule.longest[timer]
      let duration = first
      if (longest !== undefined) {
        if (effect.longest) interval = longest
        else interval = interval === 0 ? Math.min(first, longest) : Math.min(interval * 2, longest)
        duration = interval
      }
      if (duration === 0) {
        immediate = timer
        continue
      }
      armed = plus(without(armed, timer), [timer, now + duration])
      timerActions = plus(timerActions, { do: 'arm', timer, atMs: now + duration })
    }
  }
  const after: MachineState<S> = { name, armed, interval }
  if (name === 'terminated') return { state: after, actions: both(timerActions, plus(actions, end)) }
  if (immediate === undefined) return { state: after, actions: both(timerActions, actions) }
  const rest = step(machine, after, `timer ${immediate}` as E, now, schedule)
  return { state: rest.state, actions: [...timerActions, ...actions, ...rest.actions] }
}

const noActions: readonly Action[] = []
const end: Action = { do: 'end' }

/** The list with one more: nearly always its first or second, for which an array that grows reserves too much. */
function plus<T>(list: readonly T[], item: T): readonly T[] {
  return list.length === 0 ? [item] : [...list, item]
}

function both<T>(first: readonly T[], second: readonly T[]): readonly T[] {
  if (first.length === 0) return second
  return second.length === 0 ? first : [...first, ...second]
}

function without(armed: readonly ArmedTimer[], timer: TimerName): readonly ArmedTimer[] {
  if (armed.every(([name]) => name !== timer)) return armed
  return armed.length === 1 ? noTimers : armed.filter(([name]) => name !== timer)
}
