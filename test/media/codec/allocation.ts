import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/**
 * Octets of heap per call, over 1000 calls; the least of several rounds, as the compiler too allocates now and then. The
 * smallest object there is has 16 octets, so anything below 8 is none per call.
 */
export function octetsPerCall(call: () => void): number {
  const calls = 1000
  let least = Infinity
  for (let round = 0; round < 12 && least >= 4 * calls; round += 1) {
    for (let i = 0; i < calls; i += 1) call()
    collect()
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < calls; i += 1) call()
    least = Math.min(least, process.memoryUsage().heapUsed - before)
  }
  return Math.max(0, least) / calls
}
