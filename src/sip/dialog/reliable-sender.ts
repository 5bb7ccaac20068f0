import type { Clock, Timer } from '../../runtime/runtime.ts'
import type { RAckValue } from '../message/headers/session.ts'
import type { SipResponse } from '../message/message.ts'
import { reliableTable } from './reliable-provisional.ts'
import type { ReliableAction, ReliableEvent, ReliableState } from './reliable-provisional.ts'

/** Responses that wait for the PRACK of the one that is out; beyond it the oldest in the queue is dropped. */
const MAX_QUEUED = 8

/** Sends the reliable provisional responses of one INVITE, one after the other (RFC 3262 §3). */
export class ReliableSender {
  readonly #clock: Clock
  readonly #t1: number
  readonly #transmit: (response: SipResponse) => void
  readonly #giveUp: () => void
  readonly #queue: SipResponse[] = []
  #state: ReliableState = 'idle'
  #rseq: number
  #current: SipResponse | undefined
  #offered: SipResponse | undefined
  #wait = 0
  #repeat: Timer | undefined
  #expiry: Timer | undefined
  #dropped = 0

  constructor(options: {
    readonly clock: Clock
    /** Milliseconds. */
    readonly t1: number
    /** RSeq of the first response. */
    readonly firstRSeq: number
    readonly transmit: (response: SipResponse) => void
    /** 64*T1 without a PRACK: nothing is sent any more. */
    readonly giveUp: () => void
  }) {
    this.#clock = options.clock
    this.#t1 = options.t1
    this.#rseq = options.firstRSeq - 1
    this.#transmit = options.transmit
    this.#giveUp = options.giveUp
  }

  get state(): ReliableState {
    return this.#state
  }

  /** A session description is out, or about to be, without PRACK: the 2xx has to wait (RFC 3262 §3). */
  get holdsSuccess(): boolean {
    if (this.#state !== 'unacknowledged') return false
    return (this.#current?.body.length ?? 0) > 0 || this.#queue.some(({ body }) => body.length > 0)
  }

  /** Responses that were dropped because too many waited. */
  get dropped(): number {
    return this.#dropped
  }

  send(response: SipResponse): void {
    this.#offered = response
    this.#feed('send')
  }

  /** The response a PRACK with this RAck is for, if it is the one that is out. */
  matching(rack: RAckValue, inviteSequence: number): SipResponse | undefined {
    const awaited = this.#state === 'unacknowledged' || this.#state === 'released'
    const matches =
      awaited &&
      rack.responseSequence === this.#rseq &&
      rack.sequence === inviteSequence &&
      rack.method === 'INVITE'
    return matches ? this.#current : undefined
  }

  /** The PRACK of the one that is out has come: the next may go. */
  acknowledge(): void {
    this.#feed('prack')
  }

  /** The INVITE has its final response. */
  final(): void {
    this.#feed('final')
  }

  #feed(event: ReliableEvent): void {
    const { to, actions } = reliableTable[this.#state][event]
    this.#state = to
    for (const action of actions) this.#act(action)
  }

  #act(action: ReliableAction): void {
    const now = this.#clock.now()
    switch (action) {
      case 'transmit':
        this.#current = this.#offered
        this.#rseq++
        this.#current?.headers.set('RSeq', String(this.#rseq))
        this.#again()
        break
      case 'retransmit':
        this.#again()
        break
      case 'arm':
        this.#wait = this.#t1
        this.#repeat = this.#clock.setTimer(now + this.#wait, () => this.#feed('repeat'))
        this.#expiry = this.#clock.setTimer(now + 64 * this.#t1, () => this.#feed('expire'))
        break
      case 'double':
        this.#wait *= 2
        this.#repeat = this.#clock.setTimer(now + this.#wait, () => this.#feed('repeat'))
        break
      case 'disarm':
        this.#repeat?.cancel()
        this.#expiry?.cancel()
        break
      case 'queue':
        if (this.#queue.length >= MAX_QUEUED) {
          this.#queue.shift()
          this.#dropped++
        }
        if (this.#offered !== undefined) this.#queue.push(this.#offered)
        break
      case 'next': {
        const next = this.#queue.shift()
        if (next !== undefined) this.send(next)
        break
      }
      case 'give-up':
        this.#queue.length = 0
        this.#giveUp()
        break
      case 'acknowledge':
      case 'refuse':
        // The session answers the PRACK.
        break
    }
  }

  #again(): void {
    if (this.#current !== undefined) this.#transmit(this.#current)
  }
}
