import { SipError } from '../../runtime/errors.ts'
import type { MediaFlow } from './flow.ts'
import type { MediaSession } from './media-session.ts'
import { Relay } from './relay.ts'
import type { RelayMode } from './relay.ts'
import type { DtmfDigit } from './types.ts'

/** The part of a bridge that one call's flow meets. */
export interface FlowBridge {
  /** What comes to this flow is sent by the other. */
  readonly outgoing: Relay
  /** What the other hears is sent by this one. */
  readonly incoming: Relay
  readonly tap: boolean
  /** Turns left in which what was queued before is played to nobody. */
  draining: number
  update(): void
  close(): void
}

export interface MediaBridgeOptions {
  /** `input` of both goes on while they are bridged; default false: it stands still, since decoding costs. */
  readonly tap?: boolean
  /** A digit of `from` that cannot go to the other as a packet. */
  readonly onDigit: (from: MediaSession, digit: DtmfDigit) => void
  /** The way one of the two hears the other has changed. */
  readonly onMode?: () => void
  /** One of the two was closed. */
  readonly onClose?: () => void
}

/** Figures of one direction. */
export interface RelayStats {
  readonly mode: RelayMode
  /** Packets sent on as they came. */
  readonly relayed: number
  /** Packets that were not: doubled, hopelessly late, in place of digits of ours, or of a kind the other did not agree to. */
  readonly withheld: number
}

/** Two sessions that hear each other, until it is closed or one of them is. */
export class MediaBridge {
  readonly #flows: readonly [MediaFlow, MediaFlow]
  readonly #relays: readonly [Relay, Relay]
  readonly #now: () => number
  readonly #onClose: (() => void) | undefined
  #closed = false

  /** @throws SipError SIP_STATE a session without agreement, or one that is bridged already */
  constructor(a: MediaSession, b: MediaSession, options: MediaBridgeOptions) {
    const flows = [flowOf(a), flowOf(b)] as const
    const { tap = false, onDigit, onMode, onClose } = options
    let begun = false
    const settings = { tap, onMode: () => begun && onMode?.() }
    const aToB = new Relay(flows[0], flows[1], { ...settings, onDigit: digit => onDigit(a, digit) })
    const bToA = new Relay(flows[1], flows[0], { ...settings, onDigit: digit => onDigit(b, digit) })
    this.#flows = flows
    this.#relays = [aToB, bToA]
    this.#now = () => flows[0].now
    this.#onClose = onClose
    const update = (): void => this.update()
    const close = (): void => this.close()
    const common = { tap, draining: 10, update, close }
    flows[0].bridge({ ...common, outgoing: aToB, incoming: bToA })
    flows[1].bridge({ ...common, outgoing: bToA, incoming: aToB })
    this.update()
    begun = true
  }

  /** From the first of the two to the second, and back. */
  get modes(): readonly [RelayMode, RelayMode] {
    return [this.#relays[0].mode, this.#relays[1].mode]
  }

  get closed(): boolean {
    return this.#closed
  }

  stats(): readonly [RelayStats, RelayStats] {
    return [statsOf(this.#relays[0]), statsOf(this.#relays[1])]
  }

  update(): void {
    const now = this.#now()
    for (const relay of this.#relays) relay.update(now)
  }

  /** Both go on with their own audio. Idempotent. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    const now = this.#now()
    for (const relay of this.#relays) relay.close(now)
    for (const flow of this.#flows) flow.bridge(undefined)
    this.#onClose?.()
  }
}

function statsOf({ mode, packets, withheld }: Relay): RelayStats {
  return { mode, relayed: packets, withheld }
}

function flowOf(session: MediaSession): MediaFlow {
  const { flow } = session
  if (flow === undefined || session.closed) {
    throw new SipError('SIP_STATE', 'a call without audio cannot be bridged; wait until it is answered')
  }
  if (flow.bridged !== undefined) {
    throw new SipError('SIP_STATE', 'the call is bridged already; end that bridge first')
  }
  return flow
}
