const EMPTY = new Uint8Array(0)
/** States of a slot. */
const VACANT = 0
const RESERVED = 1
const OTHER = 2
const AUDIO = 3

/** A fixed ring of packets by unwrapped sequence number. The owner keeps all numbers within one capacity of each other. */
export class PacketRing {
  readonly capacity: number
  /** Packets of audio held. */
  depth = 0
  readonly #mask: number
  readonly #states: Uint8Array
  readonly #sequences: Float64Array
  readonly #positions: Float64Array
  readonly #durations: Float64Array
  readonly #timestamps: Float64Array
  readonly #payloadTypes: Uint8Array
  readonly #markers: Uint8Array
  readonly #payloads: Uint8Array[]

  /** `capacity` is a power of two. */
  constructor(capacity: number) {
    this.capacity = capacity
    this.#mask = capacity - 1
    this.#states = new Uint8Array(capacity)
    this.#sequences = new Float64Array(capacity).fill(-1)
    this.#positions = new Float64Array(capacity)
    this.#durations = new Float64Array(capacity)
    this.#timestamps = new Float64Array(capacity)
    this.#payloadTypes = new Uint8Array(capacity)
    this.#markers = new Uint8Array(capacity)
    this.#payloads = Array.from({ length: capacity }, () => EMPTY)
  }

  /** Whether the number is accounted for: it is no loss. */
  has(sequence: number): boolean {
    const slot = sequence & this.#mask
    return this.#sequences[slot] === sequence && this.#states[slot] !== VACANT
  }

  /** Whether the packet is held or was, not too long ago. */
  knows(sequence: number): boolean {
    const slot = sequence & this.#mask
    return this.#sequences[slot] === sequence && this.#states[slot] !== RESERVED
  }

  isAudio(sequence: number): boolean {
    const slot = sequence & this.#mask
    return this.#sequences[slot] === sequence && this.#states[slot] === AUDIO
  }

  put(
    sequence: number,
    position: number,
    duration: number,
    payload: Uint8Array,
    payloadType: number,
    timestamp: number,
    marker: boolean,
  ): void {
    const slot = sequence & this.#mask
    this.#states[slot] = AUDIO
    this.#sequences[slot] = sequence
    this.#positions[slot] = position
    this.#durations[slot] = duration
    this.#payloads[slot] = payload
    this.#payloadTypes[slot] = payloadType
    this.#timestamps[slot] = timestamp
    this.#markers[slot] = marker ? 1 : 0
    this.depth += 1
  }

  /** Takes note of a number whose packet is no audio. */
  putOther(sequence: number): void {
    const slot = sequence & this.#mask
    this.#states[slot] = OTHER
    this.#sequences[slot] = sequence
  }

  /** Keeps a number free for a packet that may or may not exist. */
  reserve(sequence: number): void {
    const slot = sequence & this.#mask
    this.#states[slot] = RESERVED
    this.#sequences[slot] = sequence
  }

  /** Of a number that is held. */
  remove(sequence: number): void {
    const slot = sequence & this.#mask
    if (this.#states[slot] === AUDIO) this.depth -= 1
    if (this.#states[slot] === RESERVED) this.#sequences[slot] = -1
    this.#states[slot] = VACANT
    this.#payloads[slot] = EMPTY
  }

  position(sequence: number): number {
    return this.#positions[sequence & this.#mask]!
  }

  duration(sequence: number): number {
    return this.#durations[sequence & this.#mask]!
  }

  payload(sequence: number): Uint8Array {
    return this.#payloads[sequence & this.#mask]!
  }

  payloadType(sequence: number): number {
    return this.#payloadTypes[sequence & this.#mask]!
  }

  timestamp(sequence: number): number {
    return this.#timestamps[sequence & this.#mask]!
  }

  marker(sequence: number): boolean {
    return this.#markers[sequence & this.#mask] === 1
  }
}
