import type { Fabric } from './fabric.ts'
import type { Link } from './link.ts'

/** What an end of a connection gets, in order. */
export interface PipeEnd {
  /** Whether anything can arrive; when not, the sender tries again. */
  readonly isReachable: boolean
  receiveOpen(): void
  receiveData(data: Uint8Array): void
  receiveEnd(): void
  receiveReset(): void
}

type Segment =
  | { readonly kind: 'data'; readonly at: number; readonly data: Uint8Array }
  | { readonly kind: 'open' | 'end' | 'reset'; readonly at: number }

const FIRST_RETRY_MS = 200
const LONGEST_RETRY_MS = 60_000

/** What the system of the sender takes off its hands: octets beyond it count as buffered. */
const SEND_BUFFER_BYTES = 65_536

/**
 * One direction of a TCP connection: octets in order, late but never lost, cut into pieces at seeded points that have
 * nothing to do with the writes, and joined where they arrive together.
 */
export class Pipe {
  readonly #fabric: Fabric
  readonly #link: Link
  readonly #target: PipeEnd
  readonly #onGiveUp: () => void
  readonly #queue: Segment[] = []
  #queuedBytes = 0
  #lastAt = 0
  #armed = false
  #blockedSince: number | undefined
  #retryMs = FIRST_RETRY_MS

  constructor(fabric: Fabric, link: Link, target: PipeEnd, onGiveUp: () => void) {
    this.#fabric = fabric
    this.#link = link
    this.#target = target
    this.#onGiveUp = onGiveUp
  }

  get bufferedBytes(): number {
    return Math.max(0, this.#queuedBytes - SEND_BUFFER_BYTES)
  }

  get queuedBytes(): number {
    return this.#queuedBytes
  }

  data(data: Uint8Array): void {
    if (data.length === 0) return
    this.#queuedBytes += data.length
    this.#push({ kind: 'data', at: this.#arrival(data.length), data })
  }

  /** Opening, orderly end and reset travel in line with the octets. */
  signal(kind: 'open' | 'end' | 'reset'): void {
    this.#push({ kind, at: this.#arrival(0) })
  }

  /** What is under way never arrives. */
  drop(): void {
    this.#queue.length = 0
    this.#queuedBytes = 0
  }

  #arrival(length: number): number {
    this.#lastAt = Math.max(this.#lastAt, this.#link.streamArrival(this.#fabric.clock.now(), length))
    return this.#lastAt
  }

  #push(segment: Segment): void {
    this.#queue.push(segment)
    this.#arm(segment.at)
  }

  #arm(at: number): void {
    if (this.#armed) return
    this.#armed = true
    this.#fabric.clock.setTimer(at, () => {
      this.#armed = false
      this.#pump()
    })
  }

  #pump(): void {
    const now = this.#fabric.clock.now()
    if (this.#link.partitioned || !this.#target.isReachable) return this.#retry(now)
    this.#blockedSince = undefined
    this.#retryMs = FIRST_RETRY_MS
    for (;;) {
      const head = this.#queue[0]
      if (head === undefined) return
      if (head.at > now) return this.#arm(head.at)
      if (head.kind === 'data') {
        if (!this.#deliver(now)) return
        continue
      }
      this.#queue.shift()
      if (head.kind === 'open') {
        this.#target.receiveOpen()
        // Who waits for the connection sets its handlers first: data that is here already comes a turn later.
        if (this.#queue.length > 0) this.#arm(now)
        return
      }
      if (head.kind === 'end') this.#target.receiveEnd()
      else this.#target.receiveReset()
    }
  }

  #retry(now: number): void {
    this.#blockedSince ??= now
    if (now - this.#blockedSince >= this.#fabric.options.tcpTimeoutMs) {
      this.drop()
      this.#onGiveUp()
      return
    }
    this.#arm(now + this.#retryMs)
    this.#retryMs = Math.min(2 * this.#retryMs, LONGEST_RETRY_MS)
  }

  /** Hands over all octets that have arrived; returns false when the last piece is to come a little later. */
  #deliver(now: number): boolean {
    const chunks: Uint8Array[] = []
    for (let head = this.#queue[0]; head?.kind === 'data' && head.at <= now; head = this.#queue[0]) {
      chunks.push(head.data)
      this.#queue.shift()
    }
    let rest: Uint8Array = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)
    const { random } = this.#fabric
    // Half of the arrivals are whole; the others come in up to four pieces, one in four of these with a pause.
    for (let cuts = Math.max(0, (random.uint32() % 8) - 4); cuts > 0 && rest.length > 1; cuts--) {
      const size = 1 + (random.uint32() % (rest.length - 1))
      this.#hand(rest.subarray(0, size))
      rest = rest.subarray(size)
      if (random.uint32() % 4 === 0) {
        const at = now + 1
        this.#queue.unshift({ kind: 'data', at, data: rest })
        this.#lastAt = Math.max(this.#lastAt, at)
        this.#arm(at)
        return false
      }
    }
    this.#hand(rest)
    return true
  }

  #hand(piece: Uint8Array): void {
    this.#queuedBytes = Math.max(0, this.#queuedBytes - piece.length)
    this.#target.receiveData(piece)
  }
}
