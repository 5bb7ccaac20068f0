import { AsyncResource, executionAsyncId } from 'node:async_hooks'
import { SipError } from '../runtime/errors.ts'
import { pendingRealWork } from '../runtime/real-work.ts'
import type { Clock, Timer } from '../runtime/runtime.ts'
import { TimerQueue } from '../runtime/timers.ts'

export interface VirtualClockOptions {
  /** What `now()` says at first, milliseconds. Default 0. */
  readonly startMs?: number
  /** What `wallTime()` says at first, milliseconds since the epoch. Default 2026-01-01T00:00:00Z. */
  readonly wallTimeMs?: number
  /**
   * After so many instants the process gets one real turn of its event loop, so that signals, test time-outs and real
   * I/O are served on a long run. Default 1000; `Infinity` for never.
   */
  readonly instantsPerTurn?: number
}

/** Instants in a row at the same time before the clock gives up: code that sets timers at `now()` without end. */
const MAX_INSTANTS_WITHOUT_PROGRESS = 100_000

/** Rounds of the promise and `process.nextTick` queues before time moves on over code that never comes to rest. */
const MAX_ROUNDS = 10_000

/** The longest virtual time that a wait without a limit of its own runs for. */
const DEFAULT_LIMIT_MS = 24 * 3_600_000

/**
 * Time that passes only when a test says so, and then as fast as the processor can.
 *
 * The guarantee: timers run in the order of their due times, and in the order they were set where those are equal.
 * All timers due at one instant run in a row, as they do on the real clock. Before the clock goes on to the next
 * instant, every promise continuation and every `process.nextTick` callback that can run has run, however deep the chain
 * of `await`s or streams. Nothing depends on the speed of the machine: the same program gives the same order of events
 * every time.
 *
 * Time also stands still while the library itself waits for something real: a recording's file, a sound file, a codec
 * that is loaded. What is not waited for: other real I/O (files, sockets, workers) and real timers. Wrap such a promise
 * in `hold` and virtual time stands still until it has settled.
 */
export class VirtualClock implements Clock {
  readonly #queue: TimerQueue
  readonly #wallOffset: number
  readonly #instantsPerTurn: number
  readonly #held = new Set<Promise<unknown>>()
  readonly #work = pendingRealWork()
  #now: number
  #running = false
  #instants = 0
  #timersRun = 0

  constructor(options: VirtualClockOptions = {}) {
    this.#now = options.startMs ?? 0
    this.#wallOffset = (options.wallTimeMs ?? Date.UTC(2026, 0, 1)) - this.#now
    this.#instantsPerTurn = options.instantsPerTurn ?? 1000
    this.#queue = new TimerQueue({ now: () => this.#now, arm: () => {}, disarm: () => {} })
  }

  now(): number {
    return this.#now
  }

  wallTime(): number {
    return this.#wallOffset + this.#now
  }

  setTimer(atMs: number, run: () => void): Timer {
    return this.#queue.set(atMs, run)
  }

  /** Timers that are pending: 0 at the end of a test shows that nothing was left behind. */
  get pendingTimers(): number {
    return this.#queue.size
  }

  /** When the next timer is due. */
  get nextTimerAt(): number | undefined {
    return this.#queue.nextAt
  }

  /** Timers run so far. */
  get timersRun(): number {
    return this.#timersRun
  }

  /** Resolves after `ms` of virtual time, which somebody else must let pass. */
  sleep(ms: number): Promise<void> {
    return new Promise(resolve => {
      this.setTimer(this.#now + ms, resolve)
    })
  }

  /** Stops virtual time until `promise`, which waits for something real, has settled. Returns `promise`. */
  hold<T>(promise: Promise<T>): Promise<T> {
    this.#held.add(promise)
    const release = (): void => {
      this.#held.delete(promise)
    }
    promise.then(release, release)
    return promise
  }

  /** Lets `ms` of virtual time pass. @throws what a timer throws. */
  advance(ms: number): Promise<void> {
    return this.runUntil(this.#now + ms)
  }

  /** Runs what is due now and every promise continuation, without moving time. */
  settle(): Promise<void> {
    return this.#run(() => false, this.#now, false)
  }

  /**
   * Runs to a time, or until a condition, tested whenever everything at one instant is done, holds.
   *
   * @param limitMs for a condition: how much virtual time may pass at most; default 24 hours
   * @throws {SipError} `SIP_TIMEOUT` when the condition does not hold at the limit, or no timer is left to change it;
   * `SIP_STATE` when the clock is being run already; what a timer throws
   */
  async runUntil(target: number | (() => boolean), limitMs: number = DEFAULT_LIMIT_MS): Promise<void> {
    if (typeof target === 'number') {
      await this.#run(() => false, target, true)
      return
    }
    const startedAt = this.#now
    await this.#run(target, startedAt + limitMs, false)
    if (target()) return
    const idle = this.#queue.size === 0
    throw new SipError(
      'SIP_TIMEOUT',
      idle
        ? `nothing is left to happen at ${this.#now} ms of virtual time and the condition does not hold: look for a promise that nobody settles`
        : `the condition did not hold within ${limitMs} ms of virtual time: raise the limit or look what it waits for`,
    )
  }

  /**
   * Lets time pass until `promise` settles, and returns or throws what it settles to.
   * @throws {SipError} as `runUntil` with a condition
   */
  async runFor<T>(promise: Promise<T>, limitMs: number = DEFAULT_LIMIT_MS): Promise<T> {
    let settled = false
    const settle = (): void => {
      settled = true
    }
    promise.then(settle, settle)
    await this.runUntil(() => settled, limitMs)
    return promise
  }

  /**
   * Lets time pass until no timer is pending.
   * @throws {SipError} `SIP_TIMEOUT` when timers are still pending after `limitMs`: something repeats itself
   */
  async runUntilIdle(limitMs: number = DEFAULT_LIMIT_MS): Promise<void> {
    await this.#run(() => false, this.#now + limitMs, false)
    if (this.#queue.size > 0) {
      throw new SipError(
        'SIP_TIMEOUT',
        `${this.#queue.size} timers are still pending after ${limitMs} ms of virtual time: close what set them first`,
      )
    }
  }

  #run(done: () => boolean, untilMs: number, moveToEnd: boolean): Promise<void> {
    if (this.#running) {
      return Promise.reject(
        new SipError('SIP_STATE', 'the clock is being run already: await the first advance before the next'),
      )
    }
    if (Number.isNaN(untilMs)) {
      return Promise.reject(new SipError('SIP_OPTION', 'NaN is not a time to run the clock to'))
    }
    this.#running = true
    return new Promise((resolve, reject) => {
      let instantsHere = 0
      const finish = (error?: unknown): void => {
        this.#running = false
        if (error === undefined) resolve()
        else reject(error)
      }
      const step = (): void => {
        try {
          if (this.#held.size > 0 || this.#work.size > 0) {
            void Promise.allSettled([...this.#held, ...this.#work]).then(() => setImmediate(goOn))
            return
          }
          if (done()) return finish()
          const next = this.#queue.nextAt
          if (next === undefined || next > untilMs) {
            if (moveToEnd && untilMs > this.#now) this.#now = untilMs
            return finish()
          }
          if (next > this.#now) {
            this.#now = next
            instantsHere = 0
          } else if (++instantsHere > MAX_INSTANTS_WITHOUT_PROGRESS) {
            throw new SipError(
              'SIP_LIMIT',
              `virtual time stands at ${this.#now} ms: a timer sets a timer at the same time without end`,
            )
          }
          this.#timersRun += this.#queue.runDue(this.#now)
        } catch (error) {
          return finish(error)
        }
        if (++this.#instants % this.#instantsPerTurn === 0) setImmediate(goOn)
        else goOn()
      }
      const rest = new Rest(step)
      const goOn = (): void => rest.wait()
      goOn()
    })
  }
}

/**
 * Waits until neither a promise job nor a `process.nextTick` callback is left, without a turn of the event loop, which
 * costs ten times as much.
 *
 * Node runs the tick that a promise job asks for only when no promise job is left, so one step through both queues
 * drains the promises. Whether somebody else asked for a tick meanwhile shows in the numbers that Node gives to
 * asynchronous operations: where this one's two operations are the only new ones, twice in a row, all is at rest.
 */
class Rest {
  readonly #then: () => void
  readonly #ask = (): void => process.nextTick(this.#tick)
  readonly #tick = (): void => this.#look()
  #lastId = 0
  #quiet = 0
  #rounds = 0

  constructor(then: () => void) {
    this.#then = then
  }

  wait(): void {
    this.#quiet = 0
    this.#rounds = 0
    queueMicrotask(this.#ask)
  }

  #look(): void {
    const id = executionAsyncId()
    this.#quiet = id - this.#lastId <= OWN_OPERATIONS ? this.#quiet + 1 : 0
    this.#lastId = id
    if (this.#quiet >= 2 || ++this.#rounds > MAX_ROUNDS) this.#then()
    else queueMicrotask(this.#ask)
  }
}

function nothing(): void {}

/** The operations that one round of `Rest` itself is numbered with. */
const OWN_OPERATIONS: number = countOwnOperations()

function countOwnOperations(): number {
  const before = new AsyncResource('offhook').asyncId()
  queueMicrotask(nothing)
  process.nextTick(nothing)
  return new AsyncResource('offhook').asyncId() - before - 1
}
