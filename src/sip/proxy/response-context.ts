import { bestResponse, isChallenge } from './best-response.ts'
import { branchTable, isPending } from './branch-table.ts'
import type { BranchEvent, BranchRow, BranchState } from './branch-table.ts'

/** The response of a branch, or what stands for one that never came. */
export type Outcome<R> =
  | { readonly statusCode: number; readonly response: R }
  | { readonly statusCode: 408 | 503; readonly response?: undefined }

export type ContextTimer = 'C' | 'answer'

export type ContextEvent<R, T> =
  /** More targets: rung after those that are waiting, the groups one after another. */
  | { readonly on: 'targets'; readonly groups: readonly (readonly T[])[] }
  /** `redirects`: instead of a 3xx, these targets are tried next (§16.7 4). */
  | {
      readonly on: 'response'
      readonly branch: number
      readonly statusCode: number
      readonly response: R
      readonly redirects?: readonly T[]
    }
  | { readonly on: 'timeout' | 'failure' | 'terminated'; readonly branch: number }
  | { readonly on: 'timer'; readonly timer: ContextTimer; readonly branch: number }
  /** The caller gives up (§16.10), or its side is gone. */
  | { readonly on: 'cancel' }

export type ContextAction<R, T> =
  /** Send the request to the target. `width`: how many go out together. */
  | { readonly do: 'send'; readonly branch: number; readonly target: T; readonly width: number }
  | { readonly do: 'cancel'; readonly branch: number }
  /** Start a timer, or start it anew. How long it runs is the shell's business. */
  | { readonly do: 'arm' | 'disarm'; readonly timer: ContextTimer; readonly branch: number }
  /** Send a response of a branch upstream; `challenges` are further 401 and 407 to take the challenges from. */
  | { readonly do: 'forward'; readonly response: R; readonly challenges: readonly R[] }
  /** A 2xx that comes after another final response was sent: upstream without the transaction (§16.7 5). */
  | { readonly do: 'forward late'; readonly response: R }
  /** Answer ourselves. */
  | { readonly do: 'reply'; readonly statusCode: number }
  /** The context is over; always the last action. */
  | { readonly do: 'end' }

export interface ContextBranch {
  readonly state: BranchState
  readonly timers: readonly ContextTimer[]
}

/** Where one request stands that was sent on to one or more targets. Plain data; `step` never changes it. */
export interface ContextState<R, T> {
  readonly invite: boolean
  readonly branches: readonly ContextBranch[]
  /** Groups of targets not tried yet. */
  readonly waiting: readonly (readonly T[])[]
  readonly kept: readonly Outcome<R>[]
  /** Status of the final response sent upstream; 0 before there is one. A non-INVITE that timed out is never answered: -1. */
  readonly answered: number
  /** No target is tried any more. */
  readonly closed: boolean
  readonly cancelled: boolean
  readonly ended: boolean
}

export interface ContextStep<R, T> {
  readonly state: ContextState<R, T>
  readonly actions: readonly ContextAction<R, T>[]
}

export function newContext<R, T>(method: string): ContextState<R, T> {
  return {
    invite: method === 'INVITE',
    branches: [],
    waiting: [],
    kept: [],
    answered: 0,
    closed: false,
    cancelled: false,
    ended: false,
  }
}

/** The response context of RFC 3261 §16.7: events in, actions out, no time and no messages. */
export function step<R, T>(state: ContextState<R, T>, event: ContextEvent<R, T>): ContextStep<R, T> {
  if (state.ended) {
    const late = event.on === 'response' && state.invite && is2xx(event.statusCode)
    return { state, actions: late ? [{ do: 'forward late', response: event.response }] : [] }
  }
  const work = new Work(state)
  work.take(event)
  work.settle()
  return work.result()
}

function is2xx(statusCode: number): boolean {
  return statusCode >= 200 && statusCode < 300
}

const classes: readonly BranchEvent[] = ['101-199', '2xx', '300-599', '300-599', '300-599', '6xx']

function eventFor(statusCode: number): BranchEvent {
  return statusCode === 100 ? '100' : (classes[Math.floor(statusCode / 100) - 1] ?? '300-599')
}

/** One step under way: a state that may still change, and the actions so far. */
class Work<R, T> {
  readonly #actions: ContextAction<R, T>[] = []
  readonly #branches: ContextBranch[]
  readonly #invite: boolean
  #waiting: readonly (readonly T[])[]
  #kept: readonly Outcome<R>[]
  #answered: number
  #closed: boolean
  #cancelled: boolean
  #ended = false

  constructor(state: ContextState<R, T>) {
    this.#branches = [...state.branches]
    this.#invite = state.invite
    this.#waiting = state.waiting
    this.#kept = state.kept
    this.#answered = state.answered
    this.#closed = state.closed
    this.#cancelled = state.cancelled
  }

  result(): ContextStep<R, T> {
    return {
      state: {
        invite: this.#invite,
        branches: this.#branches,
        waiting: this.#waiting,
        kept: this.#kept,
        answered: this.#answered,
        closed: this.#closed,
        cancelled: this.#cancelled,
        ended: this.#ended,
      },
      actions: this.#actions,
    }
  }

  take(event: ContextEvent<R, T>): void {
    switch (event.on) {
      case 'targets':
        if (!this.#closed)
          this.#waiting = [...this.#waiting, ...event.groups.filter(({ length }) => length > 0)]
        break
      case 'cancel':
        this.#cancelled = true
        this.#endOthers(-1)
        break
      case 'timer':
        this.#drop(event.branch, event.timer)
        this.#apply(event.branch, `timer ${event.timer}`)
        break
      case 'response': {
        const { branch, statusCode, response, redirects } = event
        const follow = redirects !== undefined && redirects.length > 0 && !this.#closed
        if (follow && this.#isPending(branch)) this.#waiting = [redirects, ...this.#waiting]
        this.#apply(branch, eventFor(statusCode), { statusCode, response }, follow)
        break
      }
      default:
        this.#apply(event.branch, event.on)
    }
  }

  /** Next targets, the final response, or the end, if it is time for one of them. */
  settle(): void {
    if (this.#answered === 0 && !this.#branches.some(({ state }) => isPending(state))) {
      const [next, ...later] = this.#waiting
      if (next !== undefined) {
        this.#waiting = later
        for (const target of next) this.#send(target, next.length)
        return
      }
      this.#answer()
    }
    if (this.#answered === 0 || this.#branches.some(({ state }) => state !== 'done')) return
    this.#ended = true
    this.#actions.push({ do: 'end' })
  }

  #isPending(branch: number): boolean {
    const state = this.#branches[branch]?.state
    return state !== undefined && isPending(state)
  }

  #send(target: T, width: number): void {
    const branch = this.#branches.length
    const timers: readonly ContextTimer[] = this.#invite ? ['C', 'answer'] : []
    this.#branches.push({ state: 'trying', timers })
    this.#actions.push({ do: 'send', branch, target, width })
    for (const timer of timers) this.#actions.push({ do: 'arm', timer, branch })
  }

  #apply(branch: number, event: BranchEvent, outcome?: Outcome<R>, redirected = false): void {
    const before = this.#branches[branch]
    if (before === undefined) return
    const { next, effects }: BranchRow = branchTable[before.state][event]
    if (next !== undefined) {
      const runs = next === 'trying' || next === 'proceeding'
      if (!runs) for (const timer of before.timers) this.#actions.push({ do: 'disarm', timer, branch })
      this.#branches[branch] = { state: next, timers: runs ? before.timers : [] }
    }
    for (const effect of effects) {
      switch (effect) {
        case 'forward':
          if (outcome?.response !== undefined) this.#forward(outcome.statusCode, outcome.response)
          break
        case 'keep':
          if (outcome !== undefined && !redirected) this.#kept = [...this.#kept, outcome]
          break
        case 'keep 408':
          this.#kept = [...this.#kept, { statusCode: 408 }]
          break
        case 'keep 503':
          this.#kept = [...this.#kept, { statusCode: 503 }]
          break
        case 'restart C':
          if (this.#branches[branch]?.timers.includes('C') === true) {
            this.#actions.push({ do: 'arm', timer: 'C', branch })
          }
          break
        case 'cancel':
          this.#actions.push({ do: 'cancel', branch })
          break
        case 'end others':
          this.#endOthers(branch)
          break
      }
    }
  }

  #drop(branch: number, timer: ContextTimer): void {
    const found = this.#branches[branch]
    if (found === undefined) return
    this.#branches[branch] = { ...found, timers: found.timers.filter(running => running !== timer) }
  }

  /** §16.7 10; only INVITE can be cancelled, other requests are left to end. */
  #endOthers(except: number): void {
    this.#closed = true
    this.#waiting = []
    if (!this.#invite) return
    for (const branch of this.#branches.keys()) if (branch !== except) this.#apply(branch, 'give up')
  }

  #forward(statusCode: number, response: R): void {
    if (statusCode < 200) {
      // Above 100 only INVITE has provisional responses (RFC 4320 §4.1).
      if (this.#answered === 0 && this.#invite)
        this.#actions.push({ do: 'forward', response, challenges: [] })
      return
    }
    if (this.#answered === 0 || (this.#invite && is2xx(this.#answered))) {
      this.#answered = statusCode
      this.#actions.push({ do: 'forward', response, challenges: [] })
    } else if (this.#invite) {
      this.#actions.push({ do: 'forward late', response })
    }
  }

  #answer(): void {
    const kept = this.#kept
    const best = bestResponse(kept)
    const statusCode = best?.statusCode ?? (this.#cancelled ? 487 : 408)
    this.#kept = []
    if (statusCode === 408 && !this.#invite) {
      // RFC 4320 §4.2: the caller has given up at the same moment; a 408 would only be one message more.
      this.#answered = -1
      return
    }
    if (best?.response !== undefined && statusCode !== 503) {
      const challenges = isChallenge(best) ? kept.filter(other => other !== best && isChallenge(other)) : []
      this.#answered = statusCode
      this.#actions.push({
        do: 'forward',
        response: best.response,
        challenges: challenges.flatMap(({ response }) => (response === undefined ? [] : [response])),
      })
      return
    }
    // §16.7 6: what is overloaded is another server; the next request may well go elsewhere.
    this.#answered = this.#cancelled ? 487 : statusCode === 503 ? 500 : statusCode
    this.#actions.push({ do: 'reply', statusCode: this.#answered })
  }
}
