import type { Clock, Timer } from '../../runtime/runtime.ts'
import { start, step, stopped } from './machine.ts'
import type { Action, Machine, MachineState, Step } from './machine.ts'
import type { TimerName, TimerSchedule } from './timers.ts'

/** What is left of the actions once timers have been dealt with. */
export type OutwardAction = Exclude<Action, { readonly do: 'arm' | 'disarm' }>

export interface RunnerHost {
  perform(action: OutwardAction): void
  /** The machine has gone to another state; `previous` is `undefined` at the start. */
  changed(previous: string | undefined): void
}

interface RunningTimer {
  readonly name: TimerName
  readonly timer: Timer
}

/** Keeps one machine running on a clock: the only place where a transaction has changing state and real timers. */
export class Runner<S extends string, E extends string> {
  readonly #machine: Machine<S, E>
  readonly #schedule: TimerSchedule
  readonly #clock: Clock
  readonly #host: RunnerHost
  /** Two at most. */
  #timers: readonly RunningTimer[] = noTimers
  #state: MachineState<S> | undefined

  constructor(machine: Machine<S, E>, schedule: TimerSchedule, clock: Clock, host: RunnerHost) {
    this.#machine = machine
    this.#schedule = schedule
    this.#clock = clock
    this.#host = host
  }

  get state(): S {
    return this.#state?.name ?? this.#machine.initial
  }

  /** When the first of its timers is due. */
  get nextAt(): number | undefined {
    return this.#state?.armed[0]?.[1]
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
    for (const { timer } of this.#timers) timer.cancel()
    this.#timers = noTimers
    this.#state = stopped('terminated' as S)
  }

  #take({ state, actions }: Step<S>): void {
    const previous = this.#state?.name
    this.#state = state
    if (previous !== state.name) this.#host.changed(previous)
    for (const action of actions) {
      if (action.do === 'arm') this.#arm(action.timer, action.atMs)
      else if (action.do === 'disarm') this.#disarm(action.timer)
      else this.#host.perform(action)
    }
  }

  #arm(name: TimerName, atMs: number): void {
    this.#disarm(name)
    const timer = this.#clock.setTimer(atMs, () => {
      this.#forget(name)
      this.dispatch(`timer ${name}` as E)
    })
    const running = { name, timer }
    this.#timers = this.#timers.length === 0 ? [running] : [...this.#timers, running]
  }

  #disarm(name: TimerName): void {
    this.#forget(name)?.timer.cancel()
  }

  #forget(name: TimerName): RunningTimer | undefined {
    const timers = this.#timers
    const found = timers.find(running => running.name === name)
    if (found !== undefined) {
      this.#timers = timers.length === 1 ? noTimers : timers.filter(running => running !== found)
    }
    return found
  }
}

const noTimers: readonly RunningTimer[] = []
