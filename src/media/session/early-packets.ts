/** Answers are overtaken by so much at the most, as signalling passes proxies and media does not; what came before is old news, ms. */
const MAX_AGE_MS = 200
/** Packets of 10 ms for that long, and RTCP. */
const MAX_PACKETS = 24

interface EarlyPacket {
  readonly bytes: Uint8Array
  readonly address: string
  readonly port: number
  readonly at: number
}

/**
 * What comes before the answer to our offer: the peer may speak as soon as it has the offer (RFC 3264 §5.1), and the first word of who picks
 * up overtakes the 200 of INVITE. Nobody can tell yet whose packets these are, so the last few are kept until the answer says it.
 */
export class EarlyPackets {
  #packets: EarlyPacket[] = []
  #dropped = 0

  /** Packets that nobody will hear. */
  get dropped(): number {
    return this.#dropped
  }

  push(bytes: Uint8Array, address: string, port: number, at: number): void {
    this.#packets.push({ bytes: bytes.slice(), address, port, at })
    if (this.#packets.length <= MAX_PACKETS) return
    this.#packets.shift()
    this.#dropped += 1
  }

  /** Hands over what is not too old, in the order and with the times it came; afterwards there is none. */
  release(
    now: number,
    deliver: (bytes: Uint8Array, address: string, port: number, at: number) => void,
  ): void {
    const packets = this.#packets
    this.forget()
    for (const { bytes, address, port, at } of packets) {
      if (now - at > MAX_AGE_MS) continue
      this.#dropped -= 1
      deliver(bytes, address, port, at)
    }
  }

  forget(): void {
    this.#dropped += this.#packets.length
    this.#packets = []
  }
}
