import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import { Endpoint } from '../call/endpoint.ts'
import type { EndpointOptions } from '../call/options.ts'
import { OptionError } from '../runtime/errors.ts'
import type { SipError } from '../runtime/errors.ts'
import type { CallRecord } from '../trace/call-record.ts'
import { Trace } from '../trace/trace.ts'
import { ScriptedCaller } from './caller.ts'
import { DriftingClock } from './drifting-clock.ts'
import type { NetworkConditions } from './network/conditions.ts'
import type { DatagramEvent } from './network/fabric.ts'
import type { SimulatedHost } from './network/host.ts'
import type { NatKind, SimulatedNat } from './network/nat.ts'
import type { SeededRandom } from './seeded-random.ts'
import { seededRandom } from './seeded-random.ts'
import { SimulatedNetwork, createSimulatedRuntime } from './simulated-network.ts'
import { SimulatedResolver } from './simulated-resolver.ts'
import { VirtualClock } from './virtual-clock.ts'

export interface LabOptions {
  /** Decides everything random: the same seed gives the same trace. Default 1. */
  readonly seed?: number
  /** The network between all parties; `nat` puts callers behind one. Default: perfect, no NAT. */
  readonly network?: NetworkConditions & { readonly nat?: NatKind }
  /** `lab.run()` gives up after so much virtual time, in milliseconds. Default 3,600,000. */
  readonly limitMs?: number
}

export type LabEndpointOptions = Omit<EndpointOptions, 'runtime' | 'listen'> & {
  /** Transports of port 5060 to listen on. Default UDP and TCP. */
  readonly transports?: readonly ('udp' | 'tcp')[]
  /** By how much the clock of this party is too fast, in parts in a million: real ones are off by up to 100 either way. Default 0. */
  readonly clockPpm?: number
}

/** A lab: endpoints and scripted callers on virtual time and a network in memory. No port is opened and nothing waits. */
export function createLab(options: LabOptions = {}): Lab {
  return new Lab(options)
}

const publicNat = '198.51.100.1'

export class Lab {
  readonly clock: VirtualClock
  readonly network: SimulatedNetwork
  readonly resolver: SimulatedResolver
  readonly #random: SeededRandom
  readonly #limitMs: number
  readonly #nat: SimulatedNat | undefined
  readonly #traces: Trace[] = []
  readonly #records: CallRecord[] = []
  readonly #endpoints: Endpoint[] = []
  readonly #callers: ScriptedCaller[] = []
  readonly #unheard: SipError[] = []
  readonly #hash: Hash = createHash('sha256')
  #hosts = 0
  #hidden = 0

  constructor(options: LabOptions) {
    const { nat, ...conditions } = options.network ?? {}
    this.#limitMs = options.limitMs ?? 3_600_000
    if (!(this.#limitMs > 0))
      throw new OptionError('limitMs', `${this.#limitMs} leaves no time to run; give milliseconds above 0`)
    this.#random = seededRandom(options.seed ?? 1)
    this.clock = new VirtualClock()
    this.resolver = new SimulatedResolver()
    this.network = new SimulatedNetwork({
      clock: this.clock,
      random: this.#fork(),
      resolver: this.resolver,
      conditions,
    })
    this.#nat = nat === undefined ? undefined : this.network.nat({ publicAddress: publicNat, kind: nat })
    this.network.onDatagram(event => this.#note(event))
  }

  /**
   * An endpoint on a host of its own, listening on port 5060: reachable as `sip:anything@NAME` and by its address,
   * 10.0.0.1 for the first.
   */
  async endpoint(name = `host${this.#hosts + 1}`, options: LabEndpointOptions = {}): Promise<Endpoint> {
    this.#hosts += 1
    const address = `10.0.${this.#hosts >> 8}.${this.#hosts & 255}`
    this.resolver.setAddresses(name, [address])
    return this.#open(this.network.host(address), address, options)
  }

  /** Somebody with a phone, told what to do line by line; behind the NAT, when the lab has one. */
  caller(options: LabEndpointOptions = {}): ScriptedCaller {
    const caller = new ScriptedCaller(this.clock, async () => {
      if (this.#nat === undefined) return this.endpoint(undefined, options)
      this.#hidden += 1
      const address = `192.168.${this.#hidden >> 8}.${this.#hidden & 255}`
      return this.#open(this.#nat.host(address), address, options)
    })
    this.#callers.push(caller)
    return caller
  }

  /**
   * Lets virtual time pass until every caller has done its lines and `script`, if given, is done; then hangs up and
   * closes everything. Rejects with the first line that failed, or else with the first error of an endpoint (a handler or
   * agent that threw) whose `error` event nobody listens to.
   */
  async run(script?: () => Promise<void>): Promise<void> {
    const work = (async () => {
      await script?.()
      for (const caller of this.#callers) await caller.done()
    })()
    work.catch(() => {})
    try {
      await this.clock.runFor(work, this.#limitMs)
    } finally {
      await this.clock.runFor(this.close(), this.#limitMs)
    }
    const [unheard] = this.#unheard
    if (unheard !== undefined) throw unheard
  }

  /** Hangs up and closes every endpoint. `run()` does it. */
  async close(): Promise<void> {
    await Promise.all(this.#endpoints.splice(0).map(endpoint => endpoint.close()))
    for (const trace of this.#traces) trace.close()
  }

  /** The record of every call that has ended, both ends of it, in order. */
  get records(): readonly CallRecord[] {
    return this.#records
  }

  /** The ladder of a call, as the endpoint with that id (or Call-ID) saw it. */
  ladder(id: string): string | undefined {
    for (const trace of this.#traces) {
      const ladder = trace.ladder(id)
      if (ladder !== undefined) return ladder
    }
    return undefined
  }

  /** SHA-256 over every datagram so far, with its time, way and fate: equal for equal seeds. */
  get fingerprint(): string {
    return this.#hash.copy().digest('hex')
  }

  #fork(): SeededRandom {
    return seededRandom(this.#random.uint32())
  }

  async #open(host: SimulatedHost, address: string, options: LabEndpointOptions): Promise<Endpoint> {
    const { transports = ['udp', 'tcp'], clockPpm = 0, ...rest } = options
    const endpoint = new Endpoint({
      ...rest,
      listen: transports.map(transport => ({ transport, host: address, port: 5060 })),
      runtime: createSimulatedRuntime({
        clock: clockPpm === 0 ? this.clock : new DriftingClock(this.clock, clockPpm),
        network: host,
        random: this.#fork(),
        resolver: this.resolver,
      }),
    })
    this.#endpoints.push(endpoint)
    endpoint.on('error', error => {
      if (endpoint.listenerCount('error') === 1) this.#unheard.push(error)
    })
    this.#traces.push(new Trace({ endpoint, onRecord: record => this.#records.push(record) }))
    await endpoint.open()
    return endpoint
  }

  #note(event: DatagramEvent): void {
    const { from, to, sentAtMs, atMs, fate } = event
    this.#hash.update(`${sentAtMs} ${atMs} ${from.address}:${from.port} ${to.address}:${to.port} ${fate}\n`)
    this.#hash.update(event.data)
  }
}
