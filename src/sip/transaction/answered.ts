import type { Clock, Timer } from '../../runtime/runtime.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { SipTransportError } from '../transport/errors.ts'
import type { Flow } from '../transport/flow.ts'
import { inviteServer } from './invite-server.ts'
import type { InviteServerEvent } from './invite-server.ts'
import type { Effect, Row } from './machine.ts'
import { nonInviteServer } from './non-invite-server.ts'
import type { NonInviteServerEvent } from './non-invite-server.ts'
import type { ServerHost, ServerState, Shown } from './server-entry.ts'

/** The states in which a server transaction has sent its answer and only waits for Timer L or J to run out. */
const invite = inviteServer.states.accepted.on
const nonInvite = nonInviteServer.states.completed.on

/** What an `Answered` is made of. */
export interface AnsweredParts {
  readonly key: string
  readonly mergeKey: string | undefined
  readonly isInvite: boolean
  readonly requestTag: string | undefined
  readonly responseTag: string | undefined
  readonly bytes: Uint8Array
  readonly sentOver: Flow
  readonly expiresAt: number
  readonly release: (() => void) | undefined
  readonly shown: Shown | undefined
}

/**
 * All that is left of a server transaction once its answer is out and its user has let go of it. On UDP each request
 * leaves one of these for half a minute, tens of thousands on a busy server: it holds what a repetition is answered
 * with and nothing else, and has no timer of its own. What it does stands in the tables, as for every transaction.
 */
export class Answered {
  readonly key: string
  readonly mergeKey: string | undefined
  readonly requestTag: string | undefined
  readonly responseTag: string | undefined
  /** When Timer L or J runs out, clock milliseconds. */
  readonly expiresAt: number
  readonly transaction = undefined
  readonly shown: Shown | undefined
  state: ServerState
  readonly #isInvite: boolean
  readonly #bytes: Uint8Array
  readonly #sentOver: Flow
  readonly #release: (() => void) | undefined
  readonly #host: ServerHost

  constructor(parts: AnsweredParts, host: ServerHost) {
    this.key = parts.key
    this.mergeKey = parts.mergeKey
    this.requestTag = parts.requestTag
    this.responseTag = parts.responseTag
    this.expiresAt = parts.expiresAt
    this.shown = parts.shown
    this.state = parts.isInvite ? 'accepted' : 'completed'
    this.#isInvite = parts.isInvite
    this.#bytes = parts.bytes
    this.#sentOver = parts.sentOver
    this.#release = parts.release
    this.#host = host
  }

  /** The request once more. */
  repeat(): void {
    this.#host.stats.absorbed++
    this.#take('request')
  }

  /** A 2xx to the INVITE again, or another one, from a user who let go of the transaction but not of the 2xx. */
  respond(response: SipResponse, bytes: Uint8Array): void {
    this.#take('send 2xx', bytes, response)
  }

  /** An ACK that matches this INVITE. */
  acknowledge(ack: SipRequest, flow: Flow): void {
    for (const effect of invite.ack.effects) if (effect === 'deliver') this.#host.deliverAck(ack, flow)
  }

  /** Timer L or J. */
  expire(): void {
    this.#take(this.#isInvite ? 'timer L' : 'timer J')
  }

  /** The layer closes; nobody is left to be told. */
  stop(_error: SipTransportError): void {
    this.#end()
  }

  #take(
    event: InviteServerEvent | NonInviteServerEvent,
    bytes: Uint8Array = this.#bytes,
    response?: SipResponse,
  ): void {
    if (this.state === 'terminated') return
    const row = (this.#isInvite ? invite : nonInvite) as Readonly<Record<string, Row<ServerState>>>
    const { effects, next } = row[event] as Row<ServerState>
    for (const effect of effects) this.#perform(effect, bytes, response)
    if (next === 'terminated') this.#end()
  }

  #perform(effect: Effect, bytes: Uint8Array, response: SipResponse | undefined): void {
    const { stats } = this.#host
    if (effect === 'failure') stats.transportErrors++
    if (effect === 'resend') stats.retransmitted++
    if (effect !== 'send' && effect !== 'resend') return
    try {
      this.#sentOver.send(bytes, response)
    } catch {
      this.#take('transport error')
    }
  }

  #end(): void {
    if (this.state === 'terminated') return
    const previous = this.state
    this.state = 'terminated'
    this.#release?.()
    this.#host.changed(this, previous)
    this.#host.ended(this)
  }
}

/** From how many spent places at its start on a queue is cut. */
const cutAt = 1024

/** Answered transactions in the order of their answers, with one timer for all: they all live equally long. */
export class AnsweredQueue {
  readonly #clock: Clock
  readonly #queue: (Answered | undefined)[] = []
  #first = 0
  #timer: Timer | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  add(answered: Answered): void {
    this.#queue.push(answered)
    if (this.#timer === undefined) this.#arm(answered)
  }

  clear(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#queue.length = 0
    this.#first = 0
  }

  #arm({ expiresAt }: Answered): void {
    this.#timer = this.#clock.setTimer(expiresAt, this.#expire)
  }

  readonly #expire = (): void => {
    const queue = this.#queue
    const now = this.#clock.now()
    this.#timer = undefined
    for (;;) {
      const next = queue[this.#first]
      if (next === undefined) break
      // One that was let go of later than others answered after it waits for those: by a round trip or so.
      if (next.expiresAt > now) {
        this.#arm(next)
        break
      }
      queue[this.#first++] = undefined
      next.expire()
    }
    if (this.#first === queue.length || this.#first >= cutAt) {
      queue.splice(0, this.#first)
      this.#first = 0
    }
  }
}
