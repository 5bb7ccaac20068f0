/**
 * Room for the length of one turn, shared by all calls of the process: it stays in the processor's cache from one call to
 * the next, and no call keeps any of its own. Whoever is given it must be done with it when the turn ends.
 */
export interface Scratch {
  /** What was heard, what is said: a recording wants both at once. */
  readonly heard: Int16Array
  readonly said: Int16Array
}

const byLength: Map<number, Scratch> = new Map()

/** Room for frames of so many samples; there are as many as there are rates. */
export function scratchFrames(samples: number): Scratch {
  let scratch = byLength.get(samples)
  if (scratch === undefined) {
    scratch = { heard: new Int16Array(samples), said: new Int16Array(samples) }
    byLength.set(samples, scratch)
  }
  return scratch
}

const payloads: Map<number, Uint8Array> = new Map()

/** Room for a payload of exactly so many octets. */
export function scratchPayload(length: number): Uint8Array {
  let payload = payloads.get(length)
  if (payload === undefined) {
    payload = new Uint8Array(length)
    payloads.set(length, payload)
  }
  return payload
}
