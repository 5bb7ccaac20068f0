/** A source whose packets are not the call's. */
export interface Stranger {
  readonly address: string
  readonly port: number
  /** Its packets so far, as long as it is remembered. */
  readonly packets: number
  /** Of them, those with the SSRC of the call: somebody tries to be heard. */
  readonly spoofed: number
}

/** A stranger as it is being watched: it may yet turn out to be the peer. */
export class Suspect implements Stranger {
  readonly address: string
  readonly port: number
  packets = 0
  spoofed = 0
  seenAt = 0
  #ssrc = 0
  #sequence = 0
  /** Packets in order, and when the first of them came. */
  #run = 0
  #runAt = 0

  constructor(address: string, port: number) {
    this.address = address
    this.port = port
  }

  /** Counts a packet; returns how many in a row now have come in order and at the pace of speech. */
  observe(ssrc: number, sequence: number, now: number): number {
    const step = (sequence - this.#sequence) & 0xffff
    const goesOn = this.#run > 0 && ssrc === this.#ssrc && step >= 1 && step <= mostSkipped
    this.packets += 1
    this.seenAt = now
    this.#ssrc = ssrc
    this.#sequence = sequence
    // No telephone sends a packet every 5 ms for long; what does wants to be first, or to find the port it sprays at.
    const most = (now - this.#runAt) / shortestPacketMs + burst
    if (!goesOn || this.#run >= most) {
      this.#run = 1
      this.#runAt = now
    } else this.#run += 1
    return this.#run
  }

  /** How long the packets in a row have been coming. */
  runMs(now: number): number {
    return now - this.#runAt
  }
}

/** Lost or reordered packets that do not break a row. */
const mostSkipped = 3
const shortestPacketMs = 5
/** Packets that may arrive at once, after having waited somewhere. */
const burst = 8
/** Sources remembered per call; a source that was silent for so long gives its place to a new one. */
const mostSources = 8
const forgetMs = 2000

/** The sources beside the peer's that send to the port of a call: at most eight, further ones are only counted. */
export class Strangers {
  readonly #suspects: Suspect[] = []
  #sources = 0
  #unlisted = 0

  /** Sources that were listed, in turn. */
  get sources(): number {
    return this.#sources
  }

  /** Packets of sources that found no place. */
  get unlisted(): number {
    return this.#unlisted
  }

  /** The source, listed from now on; `undefined` when too many others are. */
  at(address: string, port: number, now: number): Suspect | undefined {
    const suspects = this.#suspects
    for (const suspect of suspects) if (suspect.port === port && suspect.address === address) return suspect
    let place = suspects.length
    if (place >= mostSources) place = suspects.findIndex(suspect => now - suspect.seenAt >= forgetMs)
    if (place < 0) {
      this.#unlisted += 1
      return undefined
    }
    const suspect = new Suspect(address, port)
    suspects[place] = suspect
    this.#sources += 1
    return suspect
  }

  /** Its packets are the call's from now on. */
  remove(suspect: Suspect): void {
    const place = this.#suspects.indexOf(suspect)
    if (place >= 0) this.#suspects.splice(place, 1)
  }
}
