import { createEndpoint } from '../../src/call/endpoint.ts'
import type { Call } from '../../src/call/call.ts'
import type { MediaStats } from '../../src/media/session/types.ts'
import { SdpError } from '../../src/media/sdp/error.ts'
import type { Network, Runtime } from '../../src/runtime/runtime.ts'
import type { TransportStats } from '../../src/sip/transport/stats.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import type { SeededRandom } from '../../src/testing/seeded-random.ts'
import { createSimulatedRuntime, SimulatedNetwork } from '../../src/testing/simulated-network.ts'
import { VirtualClock } from '../../src/testing/virtual-clock.ts'
import { mutate } from './mutate.ts'

export interface LiveFuzzOptions {
  /** Spoiled messages to send, nine in ten by UDP. */
  readonly messages: number
  /** Calls that go on meanwhile. */
  readonly calls: number
  readonly seed: number
  /** More messages to spoil, besides those that the run makes up and learns. */
  readonly samples: readonly Uint8Array[]
}

/** What is left of a live endpoint that was sent spoiled messages while calls went on. */
export interface LiveFuzzResult {
  /** Of the calls, seen from the caller: how they stand after the storm, and what each heard. */
  readonly states: readonly string[]
  readonly media: readonly MediaStats[]
  /** Packets that a call without a fault would have heard by then. */
  readonly expectedPackets: number
  readonly endedBy: readonly string[]
  readonly answers: number
  readonly callsOfStrangers: number
  readonly transport: TransportStats
  /** Timers, UDP sockets and TCP connections of the endpoint under fire, and its calls: before the storm, and when it had died down. */
  readonly before: Holdings
  readonly after: Holdings
  /** The same once all is closed. */
  readonly closed: Holdings
  readonly errors: readonly unknown[]
}

export interface Holdings {
  readonly timers: number
  readonly sockets: number
  readonly connections: number
  readonly calls: number
}

const target = '10.0.0.1'
const attacker = '10.0.0.66'
/** Spoiled messages between two steps of 20 ms. */
const perStep = 500
/** Longer than what a message may have started: 64*T1 for the ACK, as long again for the BYE, then twice the idle time of a connection. */
const dyingDownMs = 320_000

/** Runs on virtual time and a network in memory; the same options give the same run. */
export async function runLiveFuzz(options: LiveFuzzOptions): Promise<LiveFuzzResult> {
  const clock = new VirtualClock()
  const random = seededRandom(options.seed)
  const network = new SimulatedNetwork({ clock, random: seededRandom(options.seed + 1) })
  const runtimeAt = (address: string): Runtime =>
    createSimulatedRuntime({ clock, random, network: network.host(address) })
  const errors: unknown[] = []

  const sockets = { open: 0 }
  const runtime = runtimeAt(target)
  const endpoint = await createEndpoint({
    listen: [`udp://${target}:5060`, `tcp://${target}:5060`],
    limits: { calls: options.calls + 300 },
    runtime: { ...runtime, network: counting(runtime.network, sockets) },
  })
  // A description that cannot be used is the fault of whoever sent it.
  endpoint.on('error', error => {
    if (!(error.cause instanceof SdpError)) errors.push(error)
  })
  let callsOfStrangers = 0
  const served = endpoint.serve(async call => {
    if (!call.remote.uri.toString().includes('friend')) callsOfStrangers += 1
    const { input, output } = await call.answer()
    for await (const { samples } of input) await output.write(samples)
  })

  const callers = await createEndpoint({
    listen: ['udp://10.0.0.2:5060'],
    runtime: runtimeAt('10.0.0.2'),
    limits: { calls: options.calls },
  })
  const calls: Call[] = []
  const begin = async (): Promise<void> => {
    for (let i = 0; i < options.calls; i += 1) {
      calls.push(await callers.call(`sip:echo@${target}`, { from: 'sip:friend@10.0.0.2' }))
    }
  }
  await clock.runFor(begin(), 60_000)
  await clock.advance(2000)
  const held = (): Holdings => ({
    timers: clock.pendingTimers,
    sockets: sockets.open,
    connections: endpoint.stats().transport.connections.open,
    calls: endpoint.stats().calls,
  })
  const before = held()
  const heardBefore = calls.map(call => call.media?.stats().packetsReceived ?? 0)
  const startedAt = clock.now()

  const storm = new Storm(runtimeAt(attacker).network, random, options.samples)
  await storm.open()
  for (let sent = 0; sent < options.messages; sent += perStep) {
    storm.send(Math.min(perStep, options.messages - sent))
    await clock.advance(20)
  }
  storm.close()
  await clock.advance(dyingDownMs)
  const after = held()
  const states = calls.map(call => call.state)
  const media = calls.flatMap(call => call.media?.stats() ?? [])
  const expectedPackets = Math.round((clock.now() - startedAt) / 20) + Math.min(...heardBefore)

  const ended = await clock.runFor(Promise.all(calls.map(call => call.hangup())), 60_000)
  await clock.runFor(Promise.all([callers.close(), endpoint.close(), served]), 120_000)
  await clock.advance(dyingDownMs)
  return {
    states,
    media,
    expectedPackets,
    endedBy: ended.map(({ by, cause }) => `${by} ${cause}`),
    answers: storm.answers,
    callsOfStrangers,
    transport: endpoint.stats().transport,
    before,
    after,
    closed: held(),
    errors,
  }
}

function counting(network: Network, sockets: { open: number }): Network {
  return {
    bindUdp: async options => {
      const socket = await network.bindUdp(options)
      sockets.open += 1
      const close = socket.close.bind(socket)
      let closed = false
      socket.close = () => {
        if (!closed) sockets.open -= 1
        closed = true
        close()
      }
      return socket
    },
    listenTcp: options => network.listenTcp(options),
    connectTcp: options => network.connectTcp(options),
    listenTls: options => network.listenTls(options),
    connectTls: options => network.connectTls(options),
    listenWebSocket: options => network.listenWebSocket(options),
    connectWebSocket: options => network.connectWebSocket(options),
    openWebSocket: options => network.openWebSocket(options),
    listenHttp: options => network.listenHttp(options),
    interfaces: () => network.interfaces(),
  }
}

/** Sends spoiled messages, and learns from the answers, so that some of them belong to dialogs that there are. */
class Storm {
  answers = 0
  readonly #network: Network
  readonly #random: SeededRandom
  readonly #samples: readonly Uint8Array[]
  /** In dialogs of our own; the oldest go. */
  readonly #learned: Uint8Array[] = []
  #socket: Awaited<ReturnType<Network['bindUdp']>> | undefined
  #count = 0

  constructor(network: Network, random: SeededRandom, samples: readonly Uint8Array[]) {
    this.#network = network
    this.#random = random
    this.#samples = samples
  }

  async open(): Promise<void> {
    this.#socket = await this.#network.bindUdp({ host: attacker, port: 5060 })
    this.#socket.onMessage = data => this.#learn(Buffer.from(data).toString('latin1'))
  }

  send(count: number): void {
    for (let i = 0; i < count; i += 1) {
      const bytes = mutate(this.#next(), this.#random)
      if (this.#random.uint32() % 10 > 0) this.#socket?.send(bytes, 5060, target)
      else void this.#stream(bytes)
    }
  }

  close(): void {
    this.#socket?.close()
  }

  #next(): Uint8Array {
    const kind = this.#random.uint32() % 4
    const pick = (list: readonly Uint8Array[]): Uint8Array | undefined =>
      list[this.#random.uint32() % Math.max(1, list.length)]
    const known = kind === 0 ? pick(this.#samples) : kind === 1 ? pick(this.#learned) : undefined
    return known ?? this.#make()
  }

  #make(): Uint8Array {
    this.#count += 1
    const method = methods[this.#random.uint32() % methods.length] ?? 'INVITE'
    const body = method === 'INVITE' ? offer : ''
    const id = this.#count
    return request(`${method} sip:echo@${target}`, {
      id,
      to: `<sip:echo@${target}>`,
      cseq: `1 ${method}`,
      body,
    })
  }

  #learn(response: string): void {
    this.answers += 1
    const to = /^To:\s*(.*;tag=.*)$/im.exec(response)?.[1]
    const id = /^Call-ID:\s*storm-(\d+)/im.exec(response)?.[1]
    if (to === undefined || id === undefined || !/^SIP\/2\.0 (?:18|200)/.test(response)) return
    for (const method of ['ACK', 'BYE', 'INFO', 'INVITE', 'REFER', 'UPDATE', 'PRACK', 'CANCEL']) {
      if (this.#learned.length > 500) this.#learned.shift()
      const cseq = method === 'ACK' || method === 'CANCEL' ? 1 : 2
      this.#learned.push(
        request(`${method} sip:echo@${target}`, {
          id: Number(id),
          to,
          cseq: `${cseq} ${method}`,
          body: method === 'INVITE' ? offer : '',
        }),
      )
    }
  }

  /** In two pieces, and closed behind it or left to the endpoint. */
  async #stream(bytes: Buffer): Promise<void> {
    try {
      const connection = await this.#network.connectTcp({ host: target, port: 5060 })
      const cut = bytes.length === 0 ? 0 : this.#random.uint32() % bytes.length
      connection.write(bytes.subarray(0, cut))
      connection.write(bytes.subarray(cut))
      if (this.#random.uint32() % 4 > 0) connection.end()
    } catch {
      // More connections than the endpoint takes from one address.
    }
  }
}

const methods = ['INVITE', 'OPTIONS', 'BYE', 'CANCEL', 'REGISTER', 'MESSAGE', 'SUBSCRIBE', 'REFER', 'NOTIFY']

const offer = [
  'v=0',
  `o=- 1 1 IN IP4 ${attacker}`,
  's=-',
  `c=IN IP4 ${attacker}`,
  't=0 0',
  'm=audio 40000 RTP/AVP 0 8 101',
  'a=rtpmap:101 telephone-event/8000',
  '',
].join('\r\n')

function request(
  start: string,
  { id, to, cseq, body }: { id: number; to: string; cseq: string; body: string },
): Buffer {
  const lines = [
    `${start} SIP/2.0`,
    `Via: SIP/2.0/UDP ${attacker};branch=z9hG4bK-storm-${id}-${cseq.replace(' ', '-')};rport`,
    'Max-Forwards: 70',
    `From: <sip:stranger@${attacker}>;tag=${id}`,
    `To: ${to}`,
    `Call-ID: storm-${id}`,
    `CSeq: ${cseq}`,
    `Contact: <sip:stranger@${attacker}>`,
    'Event: refer',
    'Refer-To: <sip:nobody@10.0.0.99>',
    ...(body === '' ? [] : ['Content-Type: application/sdp']),
    `Content-Length: ${body.length}`,
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`)
}

/** What is wrong with a result, in words; nothing when the endpoint went through the storm unharmed. */
export function complaintsAbout(result: LiveFuzzResult): readonly string[] {
  const { before, after, closed, states, media, endedBy, errors, transport, expectedPackets } = result
  const unharmed = media.filter(
    ({ packetsReceived, lost, concealedMs, discarded }) =>
      packetsReceived >= expectedPackets - 5 && lost === 0 && concealedMs === 0 && discarded.stray === 0,
  )
  const rows: readonly (readonly [boolean, string])[] = [
    [transport.received > 0 && result.answers > 0, 'nothing was sent, or nothing answered'],
    [transport.parserFaults === 0, `the parser failed ${transport.parserFaults} times`],
    [states.every(state => state === 'confirmed'), `calls are ${states.join(', ')}`],
    [unharmed.length === states.length, `${states.length - unharmed.length} calls did not hear all`],
    [endedBy.every(end => end === 'local hangup'), `calls ended by ${endedBy.join(', ')}`],
    [errors.length === 0, `errors: ${errors.map(String).join('; ')}`],
    [after.calls === before.calls, `${after.calls - before.calls} calls of strangers are left`],
    [after.sockets === before.sockets, `${after.sockets - before.sockets} UDP sockets are left`],
    [after.connections === 0, `${after.connections} connections are left`],
    // Timers of the calls' own INVITE transactions may have ended meanwhile.
    [after.timers <= before.timers, `${after.timers - before.timers} timers are left`],
    [Object.values(closed).every(count => count === 0), `closed, but ${JSON.stringify(closed)}`],
  ]
  return rows.filter(([fine]) => !fine).map(([, complaint]) => complaint)
}
