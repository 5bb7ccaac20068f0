import type { SocketAddress, UdpSocket } from '../../../src/runtime/runtime.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { SimulatedNetwork, type SimulatedNetworkOptions } from '../../../src/testing/simulated-network.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

export interface Lab {
  readonly clock: VirtualClock
  readonly network: SimulatedNetwork
}

export function makeLab(options: Partial<SimulatedNetworkOptions> & { seed?: number } = {}): Lab {
  const clock = new VirtualClock()
  const random = seededRandom(options.seed ?? 1)
  return { clock, network: new SimulatedNetwork({ clock, random, ...options }) }
}

export interface Received {
  readonly text: string
  readonly at: number
  readonly from: SocketAddress
}

/** Collects what a socket receives. */
export function inbox(clock: VirtualClock, socket: UdpSocket): Received[] {
  const received: Received[] = []
  socket.onMessage = (data, from) => {
    received.push({ text: Buffer.from(data).toString(), at: clock.now(), from })
  }
  return received
}

export function text(value: string | number): Uint8Array {
  return Buffer.from(String(value))
}
