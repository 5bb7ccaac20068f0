import type { SocketAddress, StreamConnection, UdpSocket } from '../../../src/runtime/runtime.ts'
import { TransportLayer } from '../../../src/sip/transport/transport-layer.ts'
import type { TransportOptions } from '../../../src/sip/transport/options.ts'
import type { SimulatedHost } from '../../../src/testing/network/host.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { createSimulatedRuntime, SimulatedNetwork } from '../../../src/testing/simulated-network.ts'
import type { SimulatedNetworkOptions } from '../../../src/testing/simulated-network.ts'
import { SimulatedResolver } from '../../../src/testing/simulated-resolver.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

export interface Heard {
  readonly at: number
  readonly text: string
  readonly remote: SocketAddress
}

/** A peer that is nothing but a socket: what it hears is what is on the wire. */
export interface RawUdp {
  readonly heard: Heard[]
  readonly socket: UdpSocket
  say(text: string, port?: number, address?: string): void
  /** Forgets what was heard, and returns it as text. */
  take(): string[]
}

export interface RawTcp {
  readonly heard: Heard[]
  readonly connection: StreamConnection
  closed: boolean
  say(text: string): void
  take(): string
}

/** A clock, a network and hosts on it; addresses in tests are 10.0.0.x and 2001:db8::x. */
export class World {
  readonly clock: VirtualClock = new VirtualClock()
  readonly resolver: SimulatedResolver = new SimulatedResolver()
  readonly network: SimulatedNetwork

  constructor(options: Partial<SimulatedNetworkOptions> = {}) {
    this.network = new SimulatedNetwork({
      clock: this.clock,
      random: seededRandom(1),
      resolver: this.resolver,
      ...options,
    })
  }

  host(address: string | readonly string[]): SimulatedHost {
    return this.network.host(address)
  }

  async layer(
    host: SimulatedHost,
    options: Partial<TransportOptions> & Pick<TransportOptions, 'listen'>,
  ): Promise<TransportLayer> {
    const runtime = createSimulatedRuntime({
      clock: this.clock,
      network: host,
      random: seededRandom(2),
      resolver: this.resolver,
    })
    const layer = new TransportLayer({ runtime, ...options })
    await layer.open()
    return layer
  }

  async rawUdp(
    host: SimulatedHost,
    options: { address?: string; port?: number; to?: string; toPort?: number } = {},
  ): Promise<RawUdp> {
    const { address = '0.0.0.0', port = 5060, to = '10.0.0.1', toPort = 5060 } = options
    const socket = await host.bindUdp({ host: address, port })
    const heard: Heard[] = []
    socket.onMessage = (data, remote) => {
      heard.push({ at: this.clock.now(), text: Buffer.from(data).toString('latin1'), remote })
    }
    return {
      heard,
      socket,
      say: (text, port = toPort, address = to) => socket.send(Buffer.from(text, 'latin1'), port, address),
      take: () => heard.splice(0).map(({ text }) => text),
    }
  }

  rawTcp(connection: StreamConnection): RawTcp {
    const heard: Heard[] = []
    const raw: RawTcp = {
      heard,
      connection,
      closed: false,
      say: text => connection.write(Buffer.from(text, 'latin1')),
      take: () =>
        heard
          .splice(0)
          .map(({ text }) => text)
          .join(''),
    }
    connection.onData = data => {
      heard.push({
        at: this.clock.now(),
        text: Buffer.from(data).toString('latin1'),
        remote: connection.remote,
      })
    }
    connection.onClose = () => {
      raw.closed = true
    }
    return raw
  }

  /** A listener that keeps what connects to it. */
  async rawListener(
    host: SimulatedHost,
    port = 5060,
  ): Promise<{ connections: RawTcp[]; close(): Promise<void> }> {
    const listener = await host.listenTcp({ host: '0.0.0.0', port })
    const connections: RawTcp[] = []
    listener.onConnection = connection => connections.push(this.rawTcp(connection))
    return { connections, close: () => listener.close() }
  }

  async connect(host: SimulatedHost, address = '10.0.0.1', port = 5060): Promise<RawTcp> {
    const connection = await this.clock.runFor(host.connectTcp({ host: address, port }))
    return this.rawTcp(connection)
  }
}

export interface RequestParts {
  readonly method?: string
  readonly uri?: string
  readonly via?: string
  readonly branch?: string
  readonly from?: string
  readonly to?: string
  readonly callId?: string
  readonly cseq?: string
  readonly headers?: readonly string[]
  readonly body?: string
}

/** A request as text, by default one that a peer at 10.0.0.2:5060 sends over UDP. */
export function requestText(parts: RequestParts = {}): string {
  const { method = 'OPTIONS', branch = 'z9hG4bK-peer-1', body = '' } = parts
  return [
    `${method} ${parts.uri ?? 'sip:us@10.0.0.1'} SIP/2.0`,
    `Via: ${parts.via ?? `SIP/2.0/UDP 10.0.0.2:5060;branch=${branch}`}`,
    'Max-Forwards: 70',
    `From: ${parts.from ?? '<sip:peer@10.0.0.2>;tag=peer'}`,
    `To: ${parts.to ?? '<sip:us@10.0.0.1>'}`,
    `Call-ID: ${parts.callId ?? 'call-1@10.0.0.2'}`,
    `CSeq: ${parts.cseq ?? `1 ${method}`}`,
    ...(parts.headers ?? []),
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n')
}

/** A response to a request given as text: Via, From, To (with a tag), Call-ID and CSeq are copied. */
export function responseText(
  request: string,
  status: string,
  options: { tag?: string; headers?: string[] } = {},
): string {
  const copied = request
    .split('\r\n')
    .filter(line => /^(Via|From|To|Call-ID|CSeq):/i.test(line))
    .map(line =>
      /^To:/i.test(line) && !line.includes(';tag=') ? `${line};tag=${options.tag ?? 'remote'}` : line,
    )
  return [`SIP/2.0 ${status}`, ...copied, ...(options.headers ?? []), 'Content-Length: 0', '', ''].join(
    '\r\n',
  )
}

export function header(text: string, name: string): string | undefined {
  const line = text.split('\r\n').find(line => line.toLowerCase().startsWith(`${name.toLowerCase()}:`))
  return line?.slice(name.length + 1).trim()
}

export function startLine(text: string): string {
  return text.split('\r\n', 1)[0] ?? ''
}
