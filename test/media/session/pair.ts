import { AudioCapture } from './capture.ts'
import { MediaSession } from '../../../src/media/session/media-session.ts'
import type { MediaSessionOptions } from '../../../src/media/session/types.ts'
import { Pacer } from '../../../src/media/rtp/pacer.ts'
import { PortPool } from '../../../src/media/rtp/port-pool.ts'
import type { NetworkConditions } from '../../../src/testing/network/conditions.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { SimulatedNetwork } from '../../../src/testing/simulated-network.ts'
import type { Resolver } from '../../../src/runtime/runtime.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

export interface PairOptions {
  readonly seed?: number
  readonly conditions?: NetworkConditions
  readonly a?: Partial<MediaSessionOptions>
  readonly b?: Partial<MediaSessionOptions>
  readonly resolver?: Resolver
}

/** Two sessions on a simulated network in virtual time. A packet log is kept of each direction. */
export class Pair {
  readonly clock: VirtualClock
  readonly network: SimulatedNetwork
  readonly a: MediaSession
  readonly b: MediaSession

  private constructor(network: SimulatedNetwork, clock: VirtualClock, a: MediaSession, b: MediaSession) {
    this.network = network
    this.clock = clock
    this.a = a
    this.b = b
  }

  static async open(options: PairOptions = {}): Promise<Pair> {
    const clock = new VirtualClock()
    const random = seededRandom(options.seed ?? 1)
    const network = new SimulatedNetwork({
      clock,
      random,
      ...(options.conditions && { conditions: options.conditions }),
    })
    const open = async (
      address: string,
      changes: Partial<MediaSessionOptions> = {},
    ): Promise<MediaSession> => {
      const host = network.host(address)
      const runtime = {
        clock,
        network: host,
        random,
        ...(options.resolver && { resolver: options.resolver }),
      }
      const ports = new PortPool({ network: host, clock, random, host: address })
      return MediaSession.open({ runtime, ports, pacer: new Pacer({ clock }), call: address, ...changes })
    }
    const a = await open('10.0.0.1', options.a)
    const b = await open('10.0.0.2', options.b)
    return new Pair(network, clock, a, b)
  }

  /** Offer and answer, `from` offering. */
  connect(from: MediaSession = this.a, options: { readonly hold?: boolean } = {}): void {
    const to = from === this.a ? this.b : this.a
    from.acceptAnswer(to.answerOffer(from.createOffer(options)))
  }

  capture(session: MediaSession, rate?: number): AudioCapture {
    return new AudioCapture(rate === undefined ? session.input : session.input.at(rate))
  }

  async close(): Promise<void> {
    await Promise.all([this.a.close(), this.b.close()])
  }
}
