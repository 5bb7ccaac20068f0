import type { Clock, Timer } from '../../runtime/runtime.ts'
import { start, step } from './machine.ts'
import type { Action, Machine, MachineState, Step } from './machine.ts'
import type { TimerName, TimerSchedule } from './timers.ts'

/** What is left of the actions once timers have been dealt with. */
export type OutwardAction = Exclude<Action, { readonly do: 'arm' | 'disarm' }>

/** Keeps one machine running on a clock: the only place where a transaction has changing state and real timers. */
export class Runner<S extends string, E extends string> {
  readonly #machine: Machine<S, E>
  readonly #schedule: TimerSchedule
  readonly #clock: Clock
  readonly #perform: (action: OutwardAction) => void
  readonly #changed: (previous: S | undefined, state: S) => void
  readonly #timers = new Map<TimerName, Timer>()
  #state: MachineState<S> | undefined

  constructor(
    machine: Machine<S, E>,
    schedule: TimerSchedule,
    clock: Clock,
    perform: (action: OutwardAction) => void,
    changed: (previous: S | undefined, state: S) => void,
  ) {
    this.#machine = machine
    this.#schedule = schedule
    this.#clock = clock
    this.#perform = perform
    this.#changed = changed
  }

  get state(): S {
    return this.#state?.name ?? this.#machine.initial
  }

  start(): void {
    this.#take(start(this.#machine, this.#clock.now(), this.#schedule))
  }

  dispatch(event: E): void {
    if (this.#state === undefined || this.#state.name === 'terminated') return
    this.#take(step(this.#machine, this.#state, event, this.#clock.now(), this.#schedule))
  }

  /** Stops every timer; nothing happens any more. */
  stop(): void {
    for (const timer of this.#timers.values()) timer.cancel()
    this.#timers.clear()
    this.#state = { name: 'terminated' as S, armed: new Map(), interval: 0 }
  }

  #take({ state, actions }: Step<S>): void {
    const previous = this.#state?.name
    this.#state = state
    if (previous !== state.name) this.#changed(previous, state.name)
    for (const action of actions) {
      if (action.do === 'arm') this.#arm(action.timer, action.atMs)
      else if (action.do === 'disarm') this.#disarm(action.timer)
      else this.#perform(action)
    }
  }

  #arm(name: TimerName, atMs: number): void {
    this.#timers.get(name)?.cancel()
    const timer = this.#clock.setTimer(atMs, () => {
      this.#timers.delete(name)
      this.dispatch(`timer ${name}` as E)
    })
    this.#timers.set(name, timer)
  }

  #disarm(name: TimerName): void {
    this.#timers.get(name)?.cancel()
    this.#timers.delete(name)
  }
}
