import { OptionError, SipError } from '../../runtime/errors.ts'
import type { Clock, Network, Random, UdpSocket } from '../../runtime/runtime.ts'

export interface PortPoolOptions {
  readonly network: Network
  readonly clock: Clock
  readonly random: Random
  /** Address to bind. */
  readonly host: string
  /** First and last port, both included. Only even ones carry RTP; the odd one above belongs to the pair. Default 10000 … 19999. */
  readonly range?: { readonly min: number; readonly max: number }
  /**
   * How long a released port is left alone, ms, so that the packets of the old call do not land in the next one.
   * Default 30 000.
   */
  readonly quarantineMs?: number
}

export interface MediaPort {
  readonly rtp: UdpSocket
  /** The odd port's socket, opened when it is first asked for: most calls have RTCP beside RTP. Rejects when somebody else has the port. */
  openRtcp(): Promise<UdpSocket>
  /** Of RTP; even. */
  readonly port: number
  /** Closes the sockets; the port rests for the quarantine. Idempotent. */
  release(): void
}

export interface PortPoolSnapshot {
  /** Pairs in the range. */
  readonly size: number
  readonly inUse: number
  readonly quarantined: number
  /** Binds refused because something else on this host had the port. */
  readonly busy: number
  /** Times no port was left. */
  readonly exhausted: number
}

/** Errors of the system that concern one port only, so that trying the next one makes sense. */
const PORT_ERRORS = new Set<unknown>([undefined, 'EADDRINUSE', 'EACCES'])

/** Ports for media, RTP on even ones (RFC 3550 §11). Bounded by its range. */
export class PortPool {
  readonly #options: PortPoolOptions
  readonly #first: number
  readonly #size: number
  readonly #quarantineMs: number
  // By pair index: Infinity while in use, else until when it rests.
  readonly #until: Map<number, number> = new Map()
  #cursor: number
  #inUse = 0
  #busy = 0
  #exhausted = 0

  /** Throws `OptionError` for a range without an even port. */
  constructor(options: PortPoolOptions) {
    const { min, max } = options.range ?? { min: 10_000, max: 19_999 }
    if (!Number.isInteger(min) || !Number.isInteger(max) || min < 1 || max > 65_535 || min > max) {
      throw new OptionError('range', `${min}-${max} is not a range of ports; give 1 <= min <= max <= 65535`)
    }
    this.#options = options
    this.#first = min + (min % 2)
    this.#size = Math.floor((max - this.#first + 1) / 2)
    if (this.#size < 1)
      throw new OptionError('range', `${min}-${max} has no even port with its odd neighbour`)
    this.#quarantineMs = options.quarantineMs ?? 30_000
    // A start nobody can guess: ports that count up from the bottom invite packets that are not ours.
    this.#cursor = options.random.uint32() % this.#size
  }

  /**
   * Binds the next free port. Rejects with `SIP_LIMIT` when none is left and with the network's own error when the host
   * itself cannot be bound.
   */
  async acquire(): Promise<MediaPort> {
    const { clock } = this.#options
    let lastError: unknown
    for (let tried = 0; tried < this.#size; tried += 1) {
      const index = this.#cursor
      this.#cursor = (index + 1) % this.#size
      const until = this.#until.get(index)
      if (until !== undefined && until > clock.now()) continue
      this.#until.set(index, Infinity)
      this.#inUse += 1
      try {
        return await this.#bind(index)
      } catch (error) {
        this.#until.delete(index)
        this.#inUse -= 1
        if (!PORT_ERRORS.has(systemCode(error))) throw error
        this.#busy += 1
        lastError = error
      }
    }
    this.#exhausted += 1
    const { inUse, quarantined } = this.snapshot()
    const last = this.#first + this.#size * 2 - 1
    throw new SipError(
      'SIP_LIMIT',
      `no free RTP port in ${this.#first}-${last} on ${this.#options.host}: ${inUse} in use, ${quarantined} resting, ` +
        `${this.#size - inUse - quarantined} taken by others; widen the port range, or take fewer calls`,
      lastError === undefined ? undefined : { cause: lastError },
    )
  }

  snapshot(): PortPoolSnapshot {
    const now = this.#options.clock.now()
    let quarantined = 0
    for (const until of this.#until.values()) if (until !== Infinity && until > now) quarantined += 1
    return { size: this.#size, inUse: this.#inUse, quarantined, busy: this.#busy, exhausted: this.#exhausted }
  }

  async #bind(index: number): Promise<MediaPort> {
    const { network, host } = this.#options
    const port = this.#first + index * 2
    const rtp = await network.bindUdp({ host, port })
    let released = false
    let opening: Promise<UdpSocket> | undefined
    const open = async (): Promise<UdpSocket> => {
      const socket = await network.bindUdp({ host, port: port + 1 })
      // The pair may have been given back meanwhile.
      if (released) socket.close()
      return socket
    }
    return {
      rtp,
      port,
      openRtcp: () => (opening ??= open()),
      release: () => {
        if (released) return
        released = true
        rtp.close()
        opening?.then(
          socket => socket.close(),
          () => undefined,
        )
        this.#inUse -= 1
        this.#until.set(index, this.#options.clock.now() + this.#quarantineMs)
      },
    }
  }
}

function systemCode(error: unknown): unknown {
  const cause = error instanceof Error ? error.cause : undefined
  return cause instanceof Error && 'code' in cause ? cause.code : undefined
}
