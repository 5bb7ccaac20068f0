import type { Random } from '../../src/runtime/runtime.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'

/** Bytes that turn up where parsers of line-based and binary protocols go wrong. */
const telling = [
  0, 9, 10, 13, 32, 34, 37, 39, 44, 45, 47, 48, 57, 58, 59, 60, 61, 62, 64, 91, 92, 93, 127, 128, 255,
]

type Mutation = (bytes: Buffer, random: Random) => Buffer

function place(bytes: Buffer, random: Random): number {
  return bytes.length === 0 ? 0 : random.uint32() % bytes.length
}

/** A short range: most faults come of small damage. */
function range(bytes: Buffer, random: Random): [number, number] {
  const from = place(bytes, random)
  return [from, Math.min(bytes.length, from + 1 + (random.uint32() % (random.uint32() % 8 === 0 ? 256 : 8)))]
}

const mutations: readonly Mutation[] = [
  function flipBit(bytes, random) {
    const at = place(bytes, random)
    if (bytes.length > 0) bytes[at] = (bytes[at] as number) ^ (1 << (random.uint32() % 8))
    return bytes
  },
  function setByte(bytes, random) {
    if (bytes.length > 0) bytes[place(bytes, random)] = random.uint32() & 255
    return bytes
  },
  function setTelling(bytes, random) {
    if (bytes.length > 0) bytes[place(bytes, random)] = telling[random.uint32() % telling.length] as number
    return bytes
  },
  function insertTelling(bytes, random) {
    const at = place(bytes, random)
    const count = 1 + (random.uint32() % 4)
    const added = Buffer.alloc(count, telling[random.uint32() % telling.length])
    return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at)])
  },
  function remove(bytes, random) {
    const [from, to] = range(bytes, random)
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])
  },
  function repeat(bytes, random) {
    const [from, to] = range(bytes, random)
    return Buffer.concat([bytes.subarray(0, to), bytes.subarray(from, to), bytes.subarray(to)])
  },
  function swap(bytes, random) {
    const [from, to] = range(bytes, random)
    const at = place(bytes, random)
    const rest = Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])
    const cut = Math.min(at, rest.length)
    return Buffer.concat([rest.subarray(0, cut), bytes.subarray(from, to), rest.subarray(cut)])
  },
  function truncate(bytes, random) {
    return bytes.subarray(0, place(bytes, random))
  },
]

/** A damaged copy: one to four small changes. The same random numbers give the same damage. */
export function mutate(bytes: Uint8Array, random: Random): Buffer {
  let result: Buffer = Buffer.from(bytes)
  for (let count = 1 + (random.uint32() % 4); count > 0; count--) {
    const mutation = mutations[random.uint32() % mutations.length] as Mutation
    result = mutation(result, random)
  }
  return result
}

/** `count` damaged copies of the samples in turn, from one seed. */
export function* mutants(
  samples: readonly Uint8Array[],
  count: number,
  seed: number,
): IterableIterator<Buffer> {
  const random = seededRandom(seed)
  for (let i = 0; i < count; i++) yield mutate(samples[i % samples.length] as Uint8Array, random)
}
