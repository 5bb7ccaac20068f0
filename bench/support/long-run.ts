/**
 * Two endpoints in memory that call each other for as long as virtual time is wanted, with everything a call may have:
 * SRTP, other codecs, hold, digits, recordings, RTCP, refusals and callers who give up. And a census of what they hold.
 */

import * as v8 from 'node:v8'
import { Call } from '../../src/call/call.ts'
import { Endpoint } from '../../src/call/endpoint.ts'
import type { IncomingCall } from '../../src/call/incoming-call.ts'
import type { CallOptions } from '../../src/call/outgoing-call.ts'
import { MediaFlow } from '../../src/media/session/flow.ts'
import { SrtpReceiver } from '../../src/media/srtp/receiver.ts'
import { Dialog } from '../../src/sip/dialog/dialog.ts'
import { ServerEntry } from '../../src/sip/transaction/server-entry.ts'
import { tone } from '../../src/media/audio/tones.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { SimulatedUdpSocket } from '../../src/testing/network/udp.ts'
import { SimulatedNetwork, createSimulatedRuntime } from '../../src/testing/simulated-network.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { Trace } from '../../src/trace/trace.ts'
import { keptBytes } from '../../test/support/heap.ts'

/** What there must be as many of after a day as after a minute. Counting takes a good part of a second each. */
export const counted: readonly unknown[] = [
  Call,
  Dialog,
  ServerEntry,
  MediaFlow,
  SrtpReceiver,
  SimulatedUdpSocket,
  Map,
  Promise,
]

/** What is held at one moment: live objects after a collection, by class, and more. */
export interface Census {
  readonly objects: Readonly<Record<string, number>>
  readonly timers: number
  /** Calls the endpoints say they have. */
  readonly endpoints: number
  /** Octets, after a collection, without compiled code: the compiler goes on for hours of calls. */
  readonly heap: number
  readonly resident: number
}

/** Ended calls that each trace keeps; reached before anything is compared. */
const keptCalls = 20
/** By then every transaction, port in quarantine and remembered dialog of the last call has gone. */
const restMs = 300_000
const limitMs = 48 * 3_600_000

export class LongRun {
  readonly clock: VirtualClock = new VirtualClock()
  readonly #network: SimulatedNetwork
  readonly #endpoints: Endpoint[] = []
  readonly #traces: Trace[] = []
  #calls = 0
  #failed = 0
  /** Why the last of those that failed did. */
  lastFailure: unknown
  #records = 0

  constructor() {
    this.#network = new SimulatedNetwork({
      clock: this.clock,
      random: seededRandom(1),
      conditions: { delayMs: 20, jitterMs: 5, loss: 0.002 },
    })
  }

  /** Calls that ended otherwise than meant. */
  get failed(): number {
    return this.#failed
  }

  get calls(): number {
    return this.#calls
  }

  /** Records the traces have told of. */
  get records(): number {
    return this.#records
  }

  async open(): Promise<void> {
    await this.clock.runFor(this.#open())
  }

  /**
   * So many calls one after another, each beginning `everyMs` after the one before, and beside them, when asked for, one
   * that lasts; then time for everything to settle.
   */
  async run(options: {
    readonly calls: number
    readonly callMs: number
    readonly everyMs: number
    readonly longCallMs?: number
  }): Promise<void> {
    const { calls, callMs, everyMs, longCallMs = 0 } = options
    const one = async (): Promise<void> => {
      for (let done = 0; done < calls; done += 1) {
        const next = this.clock.now() + everyMs
        const index = this.#calls
        this.#calls += 1
        await this.#call(index, callMs).catch((error: unknown) => {
          this.#failed += 1
          this.lastFailure = error
        })
        await this.clock.sleep(Math.max(0, next - this.clock.now()))
      }
    }
    const work = Promise.all([one(), longCallMs > 0 ? this.#longCall(longCallMs) : undefined])
    await this.clock.runFor(
      work.then(() => this.clock.sleep(restMs)),
      limitMs,
    )
  }

  async close(): Promise<void> {
    await this.clock.runFor(Promise.all(this.#endpoints.map(endpoint => endpoint.close())))
    for (const trace of this.#traces) trace.close()
  }

  census(classes: readonly unknown[] = counted): Census {
    const kept = keptBytes()
    const resident = process.memoryUsage().rss
    const objects: Record<string, number> = {}
    for (const constructor of classes as readonly (() => void)[]) {
      objects[constructor.name] = v8.queryObjects(constructor, { format: 'count' })
    }
    return {
      objects,
      timers: this.clock.pendingTimers,
      endpoints: this.#endpoints.reduce((sum, endpoint) => sum + endpoint.stats().calls, 0),
      heap: kept - compiledBytes(),
      resident,
    }
  }

  async #open(): Promise<void> {
    for (const address of ['10.0.0.1', '10.0.0.2']) {
      const endpoint = new Endpoint({
        listen: [`udp://${address}:5060`],
        codecs: ['PCMU', 'PCMA', 'G722', 'opus'],
        srtp: 'optional',
        // Few enough that each is used over and over.
        rtp: { minPort: 10_000, maxPort: 10_099 },
        runtime: createSimulatedRuntime({
          clock: this.clock,
          random: seededRandom(this.#endpoints.length + 7),
          network: this.#network.host(address),
        }),
      })
      this.#endpoints.push(endpoint)
      this.#traces.push(
        new Trace({ endpoint, keepCalls: keptCalls, onRecord: () => void (this.#records += 1) }),
      )
      await endpoint.open()
    }
    void this.#endpoints[0]?.serve(call => answer(call))
  }

  async #call(index: number, callMs: number): Promise<void> {
    const endpoint = this.#endpoints[1]
    if (endpoint === undefined) return
    if (index % 16 === 15) {
      // One who gives up while it rings.
      await endpoint.call('sip:slow@10.0.0.1', { ringTimeoutMs: 1000 }).catch(() => undefined)
      return
    }
    if (index % 16 === 7) {
      await endpoint.call('sip:busy@10.0.0.1').catch(() => undefined)
      return
    }
    const call = await endpoint.call('sip:echo@10.0.0.1', kindOf(index))
    const recording = index % 5 === 3 ? await call.record(nullSink) : undefined
    if (recording === undefined) void drain(call)
    await call.media.output.write(tone({ sampleRate: 8000, hz: 440, durationMs: 1000 }))
    await call.sleep(callMs / 4)
    if (index % 4 === 1) await call.sendDtmf('12#')
    if (index % 6 === 2) {
      await call.hold()
      await call.sleep(callMs / 4)
      await call.resume()
    }
    if (index % 9 === 4) await call.renegotiate({ rekey: true })
    await call.sleep(callMs / 2)
    await recording?.stop()
    const ended = index % 3 === 0 ? (await call.sendDtmf('*'), await call.ended) : await call.hangup()
    if (ended.cause !== 'hangup') throw new Error(`Call ${index} ended by ${ended.by}: ${ended.cause}`)
  }

  async #longCall(durationMs: number): Promise<void> {
    const call = await this.#endpoints[1]?.call('sip:echo@10.0.0.1', { srtp: 'required' })
    if (call === undefined) return
    void drain(call)
    await call.sleep(durationMs)
    await call.hangup()
  }
}

function compiledBytes(): number {
  const space = v8.getHeapSpaceStatistics().find(({ space_name: name }) => name === 'code_space')
  return space?.space_used_size ?? 0
}

/** The callee: echoes, and hangs up when it is told `*`. */
async function answer(call: IncomingCall): Promise<void> {
  const user = /^sip:(\w+)@/.exec(call.local.uri.toString())?.[1]
  if (user === 'busy') {
    call.reject(486)
    return
  }
  if (user === 'slow') {
    call.ring()
    await call.ended
    return
  }
  const { input, output } = await call.answer()
  void (async () => {
    for await (const { digit } of call.dtmf()) if (digit === '*') await call.hangup()
  })()
  for await (const { samples } of input) await output.write(samples)
}

async function drain(call: Call): Promise<void> {
  for await (const frame of call.media.input) void frame
}

/** Codec and protection take turns. */
function kindOf(index: number): CallOptions {
  // The dear ones rarely: a day would take as long as one.
  const codec = index % 25 === 9 ? 'opus' : index % 10 === 2 ? 'G722' : index % 4 === 3 ? 'PCMA' : 'PCMU'
  return {
    codecs: [codec],
    ...(index % 3 === 1 && { srtp: index % 2 === 0 ? 'required' : { suites: ['AEAD_AES_128_GCM'] } }),
  }
}

const nullSink = { write: () => {}, close: () => {} }
