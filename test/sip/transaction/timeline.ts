import { start, step } from '../../../src/sip/transaction/machine.ts'
import type { Action, Machine, MachineState } from '../../../src/sip/transaction/machine.ts'
import { timerSchedule, timerValues } from '../../../src/sip/transaction/timers.ts'
import type { TimerName, TimerSchedule, TimerValues } from '../../../src/sip/transaction/timers.ts'

export type AnyMachine = Machine<string, string>

export function anyMachine<S extends string, E extends string>(machine: Machine<S, E>): AnyMachine {
  return machine
}

export interface TimelineOptions {
  readonly reliable?: boolean
  readonly timers?: Partial<TimerValues>
  /** What happens from outside: at which time, which event. */
  readonly events?: readonly (readonly [atMs: number, event: string])[]
  /** Stop looking at this time. Default: never. */
  readonly untilMs?: number
}

/** One machine with its timers on paper: no clock, no callbacks. */
export class PaperMachine {
  readonly machine: AnyMachine
  readonly schedule: TimerSchedule
  readonly log: string[] = []
  state: MachineState<string>
  /** Ours, kept from the actions alone; must agree with `state.armed`. */
  readonly armed: Map<TimerName, number> = new Map()

  constructor(machine: AnyMachine, schedule: TimerSchedule) {
    this.machine = machine
    this.schedule = schedule
    const first = start(machine, 0, schedule)
    this.state = first.state
    this.#note(0, first.actions)
  }

  event(now: number, event: string): readonly Action[] {
    const { state, actions } = step(this.machine, this.state, event, now, this.schedule)
    this.state = state
    this.#note(now, actions)
    return actions
  }

  nextTimer(): readonly [name: TimerName, atMs: number] | undefined {
    let next: [TimerName, number] | undefined
    for (const [name, at] of this.armed) if (next === undefined || at < next[1]) next = [name, at]
    return next
  }

  fire(name: TimerName, now: number): void {
    this.armed.delete(name)
    this.event(now, `timer ${name}`)
  }

  #note(now: number, actions: readonly Action[]): void {
    for (const action of actions) {
      if (action.do === 'arm') this.armed.set(action.timer, action.atMs)
      else if (action.do === 'disarm') this.armed.delete(action.timer)
      else this.log.push(`${now} ${action.do}${action.do === 'timeout' ? ` ${action.timer}` : ''}`)
    }
  }
}

/** Everything but timers that a machine does, as lines `time action`, when the events happen and timers run out. */
export function timeline(machine: AnyMachine, options: TimelineOptions = {}): string[] {
  const { reliable = false, events = [], untilMs = Infinity } = options
  const paper = new PaperMachine(machine, timerSchedule(timerValues(options.timers), reliable))
  const pending = [...events]
  for (;;) {
    const [event] = pending
    const timer = paper.nextTimer()
    const at = Math.min(event?.[0] ?? Infinity, timer?.[1] ?? Infinity)
    if (at === Infinity || at > untilMs) return paper.log
    // Timers first, as on a real clock a response that arrives in the same instant comes later.
    if (timer !== undefined && timer[1] === at) {
      paper.fire(timer[0], at)
    } else if (event !== undefined) {
      pending.shift()
      paper.event(at, event[1])
    }
  }
}
