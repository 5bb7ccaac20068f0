/** Where RTP is sent or comes from. */
export interface MediaAddress {
  /** Numeric. */
  readonly address: string
  readonly port: number
}

export interface SymmetricLatchOptions {
  /** From the SDP of the other side. */
  readonly expected: MediaAddress
  /**
   * `latch` (default) follows the first valid source and sends back to it, for peers behind NAT;
   * `strict` takes packets from the signalled address and port only.
   */
  readonly mode?: 'latch' | 'strict'
  /** Packets in a row from one unsignalled source before it is followed. Default 1. */
  readonly confirmations?: number
  /** How long the followed source must be silent before the same SSRC may come from elsewhere, ms. Default 500. */
  readonly rebindSilenceMs?: number
}

export interface SymmetricLatchSnapshot {
  readonly latched: boolean
  readonly remote: MediaAddress
  /** Packets from other sources, dropped. */
  readonly strays: number
  /** Times the source was followed to a new address without new signalling. */
  readonly rebinds: number
}

/**
 * Decides whose packets are the call's. Asked only about packets that parse as RTP and carry a negotiated payload type:
 * anything else must not reach it, or a port scan would take the call over.
 */
export class SymmetricLatch {
  readonly #strict: boolean
  readonly #confirmations: number
  readonly #rebindSilenceMs: number
  #expected: MediaAddress
  #remote: MediaAddress
  #latched = false
  #ssrc = 0
  #lastAt = 0
  #candidate: MediaAddress | undefined
  #candidateSsrc = 0
  #candidateCount = 0
  #strays = 0
  #rebinds = 0

  constructor(options: SymmetricLatchOptions) {
    this.#strict = options.mode === 'strict'
    this.#confirmations = options.confirmations ?? 1
    this.#rebindSilenceMs = options.rebindSilenceMs ?? 500
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

  /** True when the packet belongs to the call; a false one is a stray and has been counted. */
  accept(address: string, port: number, ssrc: number, now: number): boolean {
    const remote = this.#remote
    if (this.#latched && port === remote.port && address === remote.address) {
      this.#ssrc = ssrc
      this.#lastAt = now
      return true
    }
    if (this.#mayFollow(address, port, ssrc, now)) {
      this.#follow(address, port, ssrc, now)
      return true
    }
    this.#strays += 1
    return false
  }

  /**
   * New signalling (a re-INVITE): the next valid source is followed again. With an unchanged signalled address we go on
   * sending to where the packets came from, as that address may be one behind a NAT.
   */
  reset(expected: MediaAddress): void {
    const same = expected.address === this.#expected.address && expected.port === this.#expected.port
    if (!same) this.#remote = expected
    this.#expected = expected
    this.#latched = false
    this.#candidate = undefined
    this.#candidateCount = 0
  }

  snapshot(): SymmetricLatchSnapshot {
    return { latched: this.#latched, remote: this.#remote, strays: this.#strays, rebinds: this.#rebinds }
  }

  #mayFollow(address: string, port: number, ssrc: number, now: number): boolean {
    // The signalled address is right by definition, even when a stray was quicker.
    if (port === this.#expected.port && address === this.#expected.address) return true
    if (this.#strict) return false
    if (!this.#latched) return this.#confirm(address, port, ssrc)
    return ssrc === this.#ssrc && now - this.#lastAt >= this.#rebindSilenceMs
  }

  #confirm(address: string, port: number, ssrc: number): boolean {
    const candidate = this.#candidate
    const again =
      candidate !== undefined &&
      candidate.port === port &&
      candidate.address === address &&
      this.#candidateSsrc === ssrc
    if (!again) {
      this.#candidate = { address, port }
      this.#candidateSsrc = ssrc
      this.#candidateCount = 0
    }
    this.#candidateCount += 1
    return this.#candidateCount >= this.#confirmations
  }

  #follow(address: string, port: number, ssrc: number, now: number): void {
    if (this.#latched) this.#rebinds += 1
    this.#latched = true
    this.#remote = { address, port }
    this.#ssrc = ssrc
    this.#lastAt = now
    this.#candidate = undefined
  }
}
