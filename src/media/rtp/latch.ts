import { Strangers } from './strangers.ts'
import type { Stranger, Suspect } from './strangers.ts'

/** Where RTP is sent or comes from. */
export interface MediaAddress {
  /** Numeric. */
  readonly address: string
  readonly port: number
}

/** What the latch looks at in a packet. */
export interface PacketIdentity {
  readonly ssrc: number
  readonly sequence: number
  readonly timestamp: number
}

/** What new signalling may change about the stream. */
export interface StreamTraits {
  /** Units of the RTP timestamp per second; default 8000. */
  readonly clockRate?: number
  /** Packets are asked about only after SRTP has authenticated them: the newest of them is always the peer's. */
  readonly authenticated?: boolean
}

export interface SymmetricLatchOptions extends StreamTraits {
  /** From the SDP of the other side. */
  readonly expected: MediaAddress
  /**
   * `latch` (default) follows a source that gives reason to, and sends back to it, for peers behind NAT;
   * `strict` takes packets from the signalled address and port only.
   */
  readonly mode?: 'latch' | 'strict'
  /** Packets in a row from a source that nothing but its payload type speaks for. Default 5. */
  readonly confirmations?: number
  /** How long the followed source must be silent before its stream may go on from elsewhere, ms. Default 250. */
  readonly rebindSilenceMs?: number
  /** How long it must be silent before another stream may begin from an address that is known, ms. Default 2000. */
  readonly restartSilenceMs?: number
}

export interface SymmetricLatchSnapshot {
  readonly latched: boolean
  readonly remote: MediaAddress
  /** Packets from other sources, dropped. */
  readonly strays: number
  /** Of them, those with the SSRC of the call. */
  readonly spoofed: number
  /** Other sources, and the packets of those beyond the eight that are remembered at a time. */
  readonly sources: number
  readonly unlisted: number
  /** Times the source was followed to a new address without new signalling. */
  readonly rebinds: number
}

/** Who a source may be, by where it is. The lower, the more it can be trusted. */
const SIGNALLED = 0
/** Another port of an address that SDP or SIP named, or of the followed source: a NAT, or a peer that took a new port. */
const KNOWN = 1
const UNKNOWN = 2

/** How far the timestamp may be from what the time that went by makes of it, ms: jitter, and bursts after a handover. */
const timestampToleranceMs = 500
/** Packets a second at the most, for how far the sequence may have gone on. */
const mostPacketsPerMs = 0.2
/** One report of strangers per call in this time; the packets between are counted in the next. */
const reportEveryMs = 10_000

/**
 * Decides whose packets are the call's. Asked only about packets that parse as RTP and carry a negotiated payload type:
 * anything else must not reach it, or a port scan would take the call over.
 *
 * - The signalled address and port is right by definition, whenever it speaks.
 * - Before anybody is followed: another port of a known address is followed at once; an unknown address after five
 *   packets in order and at the pace of speech, and it loses the call to a source of better standing.
 * - While the followed source speaks nobody else is heard. After 250 ms of silence its own stream may go on elsewhere:
 *   the same SSRC, with the sequence number and timestamp that are due (a NAT took a new port, a phone changed networks).
 *   After 2 s, or new signalling, a new stream may begin at a known address.
 * - What SRTP has authenticated is followed wherever it comes from, as long as it is the newest packet.
 */
export class SymmetricLatch {
  readonly #strict: boolean
  readonly #confirmations: number
  readonly #rebindSilenceMs: number
  readonly #restartSilenceMs: number
  #authenticated = false
  #unitsPerMs = 8
  #expected: MediaAddress
  #remote: MediaAddress
  /** Where SIP comes from: behind a NAT, media is likely to come from there too. */
  #signalling: string | undefined
  #latched = false
  #standing = UNKNOWN
  #ssrc = 0
  #sequence = 0
  #timestamp = 0
  #lastAt = -Infinity
  /** `lastAt` as it was when signalling changed: nothing came since while the two are equal. */
  #lastBeforeReset = NaN
  /** Made for the first stranger. */
  #strangers: Strangers | undefined
  /** Of strangers that were forgotten with the address before. */
  #sourcesBefore = 0
  #unlistedBefore = 0
  #strays = 0
  #spoofed = 0
  #rebinds = 0
  #reportedAt = -Infinity
  #report: Stranger | undefined

  constructor(options: SymmetricLatchOptions) {
    this.#strict = options.mode === 'strict'
    this.#confirmations = options.confirmations ?? 5
    this.#rebindSilenceMs = options.rebindSilenceMs ?? 250
    this.#restartSilenceMs = options.restartSilenceMs ?? 2000
    this.#adopt(options)
    this.#expected = options.expected
    this.#remote = options.expected
  }

  /** Where to send now: the signalled address until a source is followed. */
  get remote(): MediaAddress {
    return this.#remote
  }

  get latched(): boolean {
    return this.#latched
  }

  /** Packets from other sources, dropped. */
  get strays(): number {
    return this.#strays
  }

  /** True when the packet belongs to the call; a false one is a stray and has been counted. Keeps nothing of `packet`. */
  accept(address: string, port: number, packet: PacketIdentity, now: number): boolean {
    const remote = this.#remote
    if (this.#latched && port === remote.port && address === remote.address) {
      this.#ssrc = packet.ssrc
      this.#sequence = packet.sequence
      this.#timestamp = packet.timestamp
      this.#lastAt = now
      return true
    }
    return this.#acceptOther(address, port, packet, now)
  }

  /** Where the peer's signalling comes from, numeric: media from there needs no more proof. */
  trust(address: string | undefined): void {
    this.#signalling = address
  }

  /**
   * New signalling. An unchanged address changes nothing but that the peer may begin another stream at once; a new one
   * is where we send from now on, and the source is looked for anew.
   */
  reset(expected: MediaAddress, traits: StreamTraits = {}): void {
    this.#adopt(traits)
    const same = expected.address === this.#expected.address && expected.port === this.#expected.port
    this.#expected = expected
    this.#lastBeforeReset = this.#lastAt
    if (same) return
    this.#remote = expected
    this.#latched = false
    this.#sourcesBefore += this.#strangers?.sources ?? 0
    this.#unlistedBefore += this.#strangers?.unlisted ?? 0
    this.#strangers = undefined
  }

  /** Timestamps count so many units per second from now on: the peer sends with another codec. */
  useClock(clockRate: number): void {
    this.#unitsPerMs = clockRate / 1000
  }

  /** The stranger to tell of, the first at once, then one in ten seconds at the most; each is given out once. */
  takeReport(): Stranger | undefined {
    const report = this.#report
    this.#report = undefined
    return report
  }

  snapshot(): SymmetricLatchSnapshot {
    return {
      latched: this.#latched,
      remote: this.#remote,
      strays: this.#strays,
      spoofed: this.#spoofed,
      sources: this.#sourcesBefore + (this.#strangers?.sources ?? 0),
      unlisted: this.#unlistedBefore + (this.#strangers?.unlisted ?? 0),
      rebinds: this.#rebinds,
    }
  }

  #adopt({ clockRate = 8000, authenticated = false }: StreamTraits): void {
    this.useClock(clockRate)
    this.#authenticated = authenticated
  }

  #acceptOther(address: string, port: number, packet: PacketIdentity, now: number): boolean {
    const standing = this.#standingOf(address, port)
    if (this.#believes(standing, packet, now)) {
      this.#follow(address, port, standing, packet, now)
      return true
    }
    this.#strangers ??= new Strangers()
    const suspect = this.#strangers.at(address, port, now)
    const row = suspect?.observe(packet.ssrc, packet.sequence, now) ?? 0
    if (suspect !== undefined && this.#proven(standing, suspect, row, now)) {
      this.#strangers.remove(suspect)
      this.#follow(address, port, standing, packet, now)
      return true
    }
    this.#countStray(suspect, packet.ssrc, now)
    return false
  }

  #standingOf(address: string, port: number): number {
    if (address === this.#expected.address) return port === this.#expected.port ? SIGNALLED : KNOWN
    return address === this.#signalling ? KNOWN : UNKNOWN
  }

  /** Reasons to follow on this one packet. */
  #believes(standing: number, packet: PacketIdentity, now: number): boolean {
    if (standing === SIGNALLED) return true
    if (this.#strict) return false
    if (this.#authenticated) return !this.#latched || packet.ssrc !== this.#ssrc || this.#step(packet) > 0
    if (!this.#latched) return standing === KNOWN
    return standing < this.#standing || this.#continues(packet, now)
  }

  /** The stream that was followed goes on in this packet, and could not have been guessed from outside. */
  #continues(packet: PacketIdentity, now: number): boolean {
    const silence = now - this.#lastAt
    if (packet.ssrc !== this.#ssrc || silence < this.#rebindSilenceMs) return false
    const step = this.#step(packet)
    if (step < 1 || step > silence * mostPacketsPerMs + 64) return false
    const passed = ((packet.timestamp - this.#timestamp) | 0) / this.#unitsPerMs
    return Math.abs(passed - silence) <= timestampToleranceMs + silence / 100
  }

  /** Packets ahead of the last one; negative behind it. */
  #step(packet: PacketIdentity): number {
    return ((packet.sequence - this.#sequence) << 16) >> 16
  }

  /** Reasons to follow that only several packets give: `row` of them in order. */
  #proven(standing: number, suspect: Suspect, row: number, now: number): boolean {
    if (this.#strict || this.#authenticated) return false
    if (row < this.#confirmations || suspect.runMs(now) < (this.#confirmations - 1) * 10) return false
    if (!this.#latched) return true
    if (standing !== KNOWN && suspect.address !== this.#remote.address) return false
    const resignalled = this.#lastAt === this.#lastBeforeReset
    return resignalled || now - this.#lastAt >= this.#restartSilenceMs
  }

  #follow(address: string, port: number, standing: number, packet: PacketIdentity, now: number): void {
    // Whoever carries on a stream has the standing of the stream.
    const goesOn = this.#latched && packet.ssrc === this.#ssrc
    this.#standing = goesOn ? Math.min(standing, Math.max(KNOWN, this.#standing)) : standing
    if (this.#latched) this.#rebinds += 1
    this.#latched = true
    this.#remote = { address, port }
    this.#ssrc = packet.ssrc
    this.#sequence = packet.sequence
    this.#timestamp = packet.timestamp
    this.#lastAt = now
  }

  #countStray(suspect: Suspect | undefined, ssrc: number, now: number): void {
    this.#strays += 1
    if (this.#latched && ssrc === this.#ssrc) {
      this.#spoofed += 1
      if (suspect !== undefined) suspect.spoofed += 1
    }
    // While nobody is followed yet a stranger may well be the peer: no report before it is one for certain.
    if (!this.#latched || suspect === undefined || now - this.#reportedAt < reportEveryMs) return
    this.#reportedAt = now
    this.#report = {
      address: suspect.address,
      port: suspect.port,
      packets: suspect.packets,
      spoofed: suspect.spoofed,
    }
  }
}
