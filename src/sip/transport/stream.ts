import type {
  PeerCertificate,
  Random,
  SocketAddress,
  StreamConnection,
  Timer,
} from '../../runtime/runtime.ts'
import { SipParseError } from '../message/errors.ts'
import { StreamFramer } from '../message/framer.ts'
import type { MessageLimits } from '../message/limits.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import { SipTransportError } from './errors.ts'
import type { BoundAddress, Flow } from './flow.ts'
import type { TransportTimers } from './options.ts'
import { transports } from './transports.ts'
import type { TransportName } from './transports.ts'
import { noteSent } from './wire.ts'
import type { Wire } from './wire.ts'

/** What one connection needs from the layer that owns it. */
export interface StreamOwner extends Wire {
  readonly random: Random
  readonly timers: TransportTimers
  readonly bufferedBytes: number
  readonly messageLimits: Partial<MessageLimits> | undefined
  onMessage(bytes: Uint8Array, flow: StreamFlow): void
  /** Framing is lost: answer if it can be answered; the connection closes afterwards. */
  onBroken(error: SipParseError, flow: StreamFlow): void
  onClosed(flow: StreamFlow): void
}

const ping = new Uint8Array([13, 10, 13, 10])
const pong = new Uint8Array([13, 10])
/** How long a peer may take to read the rest and close, before the connection is cut. */
const lingerMs = 5_000

/** One connection: framing, keep-alive both ways (RFC 5626 §3.5.1, §4.4.1), idle close. */
export class StreamFlow implements Flow {
  readonly id: string
  readonly transport: TransportName
  readonly reliable = true
  readonly secure: boolean
  readonly local: SocketAddress
  readonly remote: SocketAddress
  readonly peer: PeerCertificate | undefined
  readonly bound: BoundAddress | undefined
  /** True when we opened it: then keeping it alive is our part. */
  readonly outbound: boolean
  readonly #connection: StreamConnection
  readonly #owner: StreamOwner
  readonly #framer: StreamFramer
  readonly #whole: boolean
  readonly #listeners = new Set<() => void>()
  #holds = 0
  #closed = false
  #lastUse: number
  #idleTimer: Timer | undefined
  #pingTimer: Timer | undefined
  #pongTimer: Timer | undefined
  #pongDue = false
  #pingAt = 0
  /** Pings in a row answered in time. The peer is held to it from the second on: many do not know of pings at all. */
  #answered = 0

  constructor(
    connection: StreamConnection,
    owner: StreamOwner,
    facts: { transport: TransportName; outbound: boolean; bound: BoundAddress | undefined },
  ) {
    this.#connection = connection
    this.#owner = owner
    this.transport = facts.transport
    this.secure = transports[facts.transport].secure
    this.outbound = facts.outbound
    this.bound = facts.bound
    this.local = connection.local
    this.remote = connection.remote
    this.peer = connection.peer
    this.#whole = transports[facts.transport].wholeMessages
    this.id = `${facts.transport}|${this.local.address}|${this.local.port}|${this.remote.address}|${this.remote.port}`
    this.#framer = new StreamFramer(
      owner.messageLimits === undefined ? undefined : { limits: owner.messageLimits },
    )
    this.#lastUse = owner.clock.now()
    connection.onData = data => this.#receive(data)
    connection.onClose = () => this.#gone()
    this.#watchIdle(this.#lastUse)
    // Who serves browsers keeps the way open: they cannot do it themselves (RFC 7118 §6).
    if (this.outbound || connection.ping !== undefined) this.#planPing()
  }

  get closed(): boolean {
    return this.#closed
  }

  send(bytes: Uint8Array, message?: SipRequest | SipResponse): void {
    if (this.#closed) throw this.#error('the connection is closed: send again, over a new one')
    if (this.#connection.bufferedBytes + bytes.length > this.#owner.bufferedBytes) {
      this.#owner.stats.connections.closedSlow++
      this.destroy()
      throw this.#error('the peer does not read: the connection was closed with unsent messages')
    }
    this.#lastUse = this.#owner.clock.now()
    this.#connection.write(bytes)
    noteSent(this.#owner, this, bytes, message)
  }

  hold(): () => void {
    this.#holds++
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#holds--
      this.#lastUse = this.#owner.clock.now()
    }
  }

  onClose(listener: () => void): () => void {
    // One function may be given twice and must then run twice.
    const entry = (): void => listener()
    if (!this.#closed) this.#listeners.add(entry)
    return () => {
      this.#listeners.delete(entry)
    }
  }

  /** Sends what is buffered, then closes; a peer that does not close its side is cut off. */
  end(): void {
    if (this.#closed) return
    const { clock } = this.#owner
    const connection = this.#connection
    const guard = clock.setTimer(clock.now() + lingerMs, () => connection.destroy())
    connection.onData = undefined
    connection.onClose = () => guard.cancel()
    connection.end()
    this.#gone()
  }

  destroy(): void {
    if (this.#closed) return
    this.#connection.destroy()
    this.#gone()
  }

  #receive(data: Uint8Array): void {
    if (this.#closed) return
    if (this.#whole && !isLineBreaks(data)) {
      this.#lastUse = this.#owner.clock.now()
      this.#owner.onMessage(data, this)
      return
    }
    let framed
    try {
      framed = this.#framer.push(data)
    } catch (error) {
      if (!(error instanceof SipParseError)) throw error
      this.#broken(error)
      return
    }
    for (const item of framed) {
      if (this.#closed) return
      if (item.kind === 'message') {
        this.#lastUse = this.#owner.clock.now()
        this.#owner.onMessage(item.bytes, this)
      } else if (item.kind === 'ping') {
        this.#connection.write(pong)
      } else {
        this.#pong()
      }
    }
    if (this.#framer.error !== undefined) this.#broken(this.#framer.error)
  }

  #broken(error: SipParseError): void {
    if (this.#closed) return
    this.#owner.stats.connections.closedBroken++
    this.#owner.onBroken(error, this)
    this.end()
  }

  #pong(): void {
    if (!this.#pongDue) return
    this.#pongDue = false
    this.#pongTimer?.cancel()
    this.#pongTimer = undefined
    const { clock, timers } = this.#owner
    this.#answered = clock.now() - this.#pingAt <= timers.pong ? this.#answered + 1 : 0
  }

  #gone(): void {
    if (this.#closed) return
    this.#closed = true
    this.#idleTimer?.cancel()
    this.#pingTimer?.cancel()
    this.#pongTimer?.cancel()
    this.#owner.onClosed(this)
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener()
  }

  #watchIdle(from: number): void {
    const { clock, timers, stats } = this.#owner
    if (timers.idle === Infinity) return
    this.#idleTimer = clock.setTimer(from + timers.idle, () => {
      const now = clock.now()
      if (this.#holds > 0) return this.#watchIdle(now)
      if (now - this.#lastUse < timers.idle) return this.#watchIdle(this.#lastUse)
      stats.connections.closedIdle++
      this.end()
    })
  }

  #planPing(): void {
    const { clock, random, timers } = this.#owner
    if (timers.keepAlive === Infinity) return
    const share = 0.8 + (0.2 * random.uint32()) / 0x1_0000_0000
    this.#pingTimer = clock.setTimer(clock.now() + timers.keepAlive * share, () => {
      this.#ping()
      this.#planPing()
    })
  }

  #ping(): void {
    const { clock, timers, stats } = this.#owner
    const now = clock.now()
    if (this.#pongDue) {
      this.#answered = 0
    } else {
      this.#pongDue = true
      if (this.#connection.ping === undefined) this.#framer.expectPong()
    }
    this.#pingAt = now
    if (this.#connection.ping === undefined) this.#connection.write(ping)
    else this.#connection.ping(() => this.#pong())
    if (this.#answered < 2 || this.#pongTimer !== undefined) return
    this.#pongTimer = clock.setTimer(now + timers.pong, () => {
      stats.connections.closedDead++
      this.destroy()
    })
  }

  #error(what: string): SipTransportError {
    return new SipTransportError('closed', what, {
      transport: this.transport,
      target: `${this.remote.address}:${this.remote.port}`,
    })
  }
}

/** A keep-alive of RFC 5626 in a message of its own, as some browser clients send. */
function isLineBreaks(data: Uint8Array): boolean {
  return data.length <= ping.length && data.every(octet => octet === 13 || octet === 10)
}
