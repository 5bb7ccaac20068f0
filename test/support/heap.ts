import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Octets that are kept: the heap, and what it holds outside, after a collection. */
export function keptBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  // Buffers are given back by a thread of its own, which may be behind on a busy machine.
  let kept = Infinity
  for (let round = 0; round < 20; round += 1) {
    collect()
    const { heapUsed, external } = process.memoryUsage()
    if (heapUsed + external >= kept) break
    kept = heapUsed + external
  }
  return kept
}

/**
 * How much more is kept after `work` was done over and over than after it was done a few times: what the first runs
 * load and compile does not count.
 */
export function growthOf(
  work: (round: number) => void,
  { warmUp, rounds }: { warmUp: number; rounds: number },
): number {
  for (let round = 0; round < warmUp; round += 1) work(round)
  const before = keptBytes()
  for (let round = warmUp; round < warmUp + rounds; round += 1) work(round)
  return keptBytes() - before
}
