const EMPTY = new Uint8Array(0)
/** States of a slot. */
const VACANT = 0
const RESERVED = 1
const OTHER = 2
const AUDIO = 3
/** What is known of a slot lies side by side, one line of the processor's cache. */
const NUMBERS = 8
const SEQUENCE = 0
const POSITION = 1
const DURATION = 2
const TIMESTAMP = 3
const STATE = 4
const PAYLOAD_TYPE = 5
const MARKER = 6
const NOISE = 7

/** A fixed ring of packets by unwrapped sequence number. The owner keeps all numbers within one capacity of each other. */
export class PacketRing {
  readonly capacity: number
  /** Packets of audio held. */
  depth = 0
  readonly #mask: number
  readonly #numbers: Float64Array
  readonly #payloads: Uint8Array[]

  /** `capacity` is a power of two. */
  constructor(capacity: number) {
    this.capacity = capacity
    this.#mask = capacity - 1
    this.#numbers = new Float64Array(capacity * NUMBERS)
    for (let slot = 0; slot < capacity; slot += 1) this.#numbers[slot * NUMBERS + SEQUENCE] = -1
    this.#payloads = Array.from({ length: capacity }, () => EMPTY)
  }

  /** Whether the number is accounted for: it is no loss. */
  has(sequence: number): boolean {
    const slot = sequence & this.#mask
    return (
      this.#numbers[slot * NUMBERS + SEQUENCE] === sequence &&
      this.#numbers[slot * NUMBERS + STATE] !== VACANT
    )
  }

  /** Whether the packet is held or was, not too long ago. */
  knows(sequence: number): boolean {
    const slot = sequence & this.#mask
    return (
      this.#numbers[slot * NUMBERS + SEQUENCE] === sequence &&
      this.#numbers[slot * NUMBERS + STATE] !== RESERVED
    )
  }

  isAudio(sequence: number): boolean {
    const slot = sequence & this.#mask
    return (
      this.#numbers[slot * NUMBERS + SEQUENCE] === sequence && this.#numbers[slot * NUMBERS + STATE] === AUDIO
    )
  }

  put(
    sequence: number,
    position: number,
    duration: number,
    payload: Uint8Array,
    payloadType: number,
    timestamp: number,
    marker: boolean,
    noise: boolean = false,
  ): void {
    const slot = sequence & this.#mask
    this.#numbers[slot * NUMBERS + STATE] = AUDIO
    this.#numbers[slot * NUMBERS + SEQUENCE] = sequence
    this.#numbers[slot * NUMBERS + POSITION] = position
    this.#numbers[slot * NUMBERS + DURATION] = duration
    this.#payloads[slot] = payload
    this.#numbers[slot * NUMBERS + PAYLOAD_TYPE] = payloadType
    this.#numbers[slot * NUMBERS + TIMESTAMP] = timestamp
    this.#numbers[slot * NUMBERS + MARKER] = marker ? 1 : 0
    this.#numbers[slot * NUMBERS + NOISE] = noise ? 1 : 0
    this.depth += 1
  }

  /** Takes note of a number whose packet is no audio. */
  putOther(sequence: number): void {
    const slot = sequence & this.#mask
    this.#numbers[slot * NUMBERS + STATE] = OTHER
    this.#numbers[slot * NUMBERS + SEQUENCE] = sequence
  }

  /** Keeps a number free for a packet that may or may not exist. */
  reserve(sequence: number): void {
    const slot = sequence & this.#mask
    this.#numbers[slot * NUMBERS + STATE] = RESERVED
    this.#numbers[slot * NUMBERS + SEQUENCE] = sequence
  }

  /** Of a number that is held. */
  remove(sequence: number): void {
    const slot = sequence & this.#mask
    if (this.#numbers[slot * NUMBERS + STATE] === AUDIO) this.depth -= 1
    if (this.#numbers[slot * NUMBERS + STATE] === RESERVED) this.#numbers[slot * NUMBERS + SEQUENCE] = -1
    this.#numbers[slot * NUMBERS + STATE] = VACANT
    this.#payloads[slot] = EMPTY
  }

  position(sequence: number): number {
    return this.#numbers[(sequence & this.#mask) * NUMBERS + POSITION]!
  }

  duration(sequence: number): number {
    return this.#numbers[(sequence & this.#mask) * NUMBERS + DURATION]!
  }

  payload(sequence: number): Uint8Array {
    return this.#payloads[sequence & this.#mask]!
  }

  payloadType(sequence: number): number {
    return this.#numbers[(sequence & this.#mask) * NUMBERS + PAYLOAD_TYPE]!
  }

  timestamp(sequence: number): number {
    return this.#numbers[(sequence & this.#mask) * NUMBERS + TIMESTAMP]!
  }

  marker(sequence: number): boolean {
    return this.#numbers[(sequence & this.#mask) * NUMBERS + MARKER] === 1
  }

  /** Whether the packet says that the peer fell silent. */
  isNoise(sequence: number): boolean {
    return this.#numbers[(sequence & this.#mask) * NUMBERS + NOISE] === 1
  }
}
