import { publicState, step } from './session-table.ts'
import type { Table } from './session-table.ts'
import type { SessionHost } from './session-host.ts'
import type { SessionHandlers, SessionState } from './session-types.ts'

export type MachineState = keyof typeof publicState

export interface MachineInit<State extends string, Event extends string, Action extends string> {
  readonly host: SessionHost
  readonly table: Table<State, Event, Action>
  readonly state: State
  readonly callId: string
  readonly localTag: string
  readonly handlers: SessionHandlers
}

/** Runs one of the session tables: feeds events, carries out actions, shows the state and publishes what goes wrong. */
export abstract class SessionMachine<
  State extends MachineState,
  Event extends string,
  Action extends string,
> {
  abstract readonly role: 'client' | 'server'
  abstract readonly remoteTag: string | undefined
  readonly host: SessionHost
  readonly callId: string
  readonly localTag: string
  handlers: SessionHandlers

  readonly #table: Table<State, Event, Action>
  #machine: State
  readonly #events: Event[] = []
  #stepping = false
  #public: SessionState

  protected constructor(init: MachineInit<State, Event, Action>) {
    this.host = init.host
    this.#table = init.table
    this.#machine = init.state
    this.#public = publicState[init.state]
    this.callId = init.callId
    this.localTag = init.localTag
    this.handlers = init.handlers
  }

  get state(): SessionState {
    return this.#public
  }

  protected get machineState(): State {
    return this.#machine
  }

  /** Feeds an event to the table and carries out what it says. Events that actions cause wait until the row is done. */
  protected feed(event: Event): void {
    this.#events.push(event)
    if (this.#stepping) return
    this.#stepping = true
    try {
      for (let next = this.#events.shift(); next !== undefined; next = this.#events.shift()) this.#step(next)
    } finally {
      this.#stepping = false
    }
  }

  #step(event: Event): void {
    const from = this.#machine
    const { to, actions } = step(this.#table, from, event)
    this.#machine = to
    if (to !== from && this.host.hasSubscribers) {
      this.host.publish({
        kind: 'state',
        role: this.role,
        callId: this.callId,
        localTag: this.localTag,
        remoteTag: this.remoteTag,
        from,
        to,
        event,
      })
    }
    this.#show(publicState[to])
    // The machine has moved on: what one action could not do must not keep the others from ending the session.
    for (const action of actions) {
      try {
        this.carryOut(action)
      } catch (error) {
        this.reportError(error)
      }
    }
    if (to === 'terminated' && from !== 'terminated') this.finish()
  }

  #show(state: SessionState): void {
    if (state === this.#public) return
    this.#public = state
    this.tell(() => this.handlers.onStateChange?.(state))
  }

  protected abstract carryOut(action: Action): void

  /** The machine has come to `terminated`. */
  protected abstract finish(): void

  reportError(error: unknown): void {
    if (!this.host.hasSubscribers) return
    this.host.publish({
      kind: 'handler-error',
      role: this.role,
      callId: this.callId,
      localTag: this.localTag,
      remoteTag: this.remoteTag,
      error,
    })
  }

  /** Calls the owner; what it throws is published and goes no further. */
  protected tell(call: () => void): void {
    try {
      call()
    } catch (error) {
      this.reportError(error)
    }
  }
}
