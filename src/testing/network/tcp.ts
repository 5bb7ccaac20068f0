import type { SipError } from '../../runtime/errors.ts'
import type {
  ConnectOptions,
  PeerCertificate,
  SocketAddress,
  StreamConnection,
  StreamListener,
} from '../../runtime/runtime.ts'
import { hostPort, transportError } from '../../runtime/transport-error.ts'
import { socketAddress, systemError } from './addresses.ts'
import type { Fabric, Interface, Route } from './fabric.ts'
import type { SimulatedHost } from './host.ts'
import { plain, type Session, shakeHands } from './session.ts'
import { type PipeEnd, Pipe } from './tcp-pipe.ts'
import { SimulatedWebSocket } from './web-socket.ts'

const FIRST_SYN_RETRY_MS = 1000

export class SimulatedListener implements StreamListener {
  readonly local: SocketAddress
  readonly host: SimulatedHost
  readonly session: Session
  onConnection: ((connection: StreamConnection) => void) | undefined
  onError: ((error: Error) => void) | undefined

  constructor(host: SimulatedHost, local: SocketAddress, session: Session = plain) {
    this.host = host
    this.local = local
    this.session = session
  }

  close(): Promise<void> {
    this.host.releaseTcp(this)
    return Promise.resolve()
  }
}

/** One end of a simulated TCP connection. */
export class SimulatedConnection implements StreamConnection, PipeEnd {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  /** Set by the handshake, before anybody gets the connection. */
  peer: PeerCertificate | undefined
  onData: ((data: Uint8Array) => void) | undefined
  onClose: ((error?: Error) => void) | undefined
  /** The client learns by it that its connection stands. */
  onOpen: (() => void) | undefined
  readonly #fabric: Fabric
  readonly #host: SimulatedHost
  #out: Pipe | undefined
  #endSent = false
  #endReceived = false
  #resetSent = false
  #closed = false

  constructor(fabric: Fabric, host: SimulatedHost, local: SocketAddress, remote: SocketAddress) {
    this.#fabric = fabric
    this.#host = host
    this.local = local
    this.remote = remote
    host.track(this)
  }

  /** Joins this end to the other. */
  attach(peer: SimulatedConnection, route: Route): void {
    this.#out = new Pipe(this.#fabric, route.link, peer, () => this.#fail('ETIMEDOUT'))
  }

  get bufferedBytes(): number {
    return this.#closed ? 0 : (this.#out?.bufferedBytes ?? 0)
  }

  get isReachable(): boolean {
    return !this.#host.isDown
  }

  write(data: Uint8Array): void {
    const out = this.#out
    if (this.#closed || this.#endSent || out === undefined) return
    if (out.queuedBytes + data.length > this.#fabric.options.maxStreamBytes) {
      this.#fabric.counters.streamsOverflowed++
      out.signal('reset')
      this.#fail('ENOBUFS')
      return
    }
    out.data(Buffer.from(data))
  }

  open(): void {
    this.#out?.signal('open')
  }

  end(): void {
    if (this.#closed || this.#endSent) return
    this.#endSent = true
    this.#out?.signal('end')
    if (this.#endReceived) this.#close()
  }

  destroy(): void {
    if (this.#closed) return
    if (!this.#endSent) this.#out?.signal('end')
    this.#endSent = true
    this.#close()
  }

  /** Both ends learn that the connection broke, this one at once. */
  reset(): void {
    if (this.#closed) return
    this.#out?.signal('reset')
    this.#fail('ECONNRESET')
  }

  receiveOpen(): void {
    this.onOpen?.()
  }

  receiveData(data: Uint8Array): void {
    if (!this.#closed) {
      this.onData?.(data)
    } else if (!this.#resetSent) {
      // A closed socket answers data with a reset, as the system does.
      this.#resetSent = true
      this.#out?.signal('reset')
    }
  }

  receiveEnd(): void {
    if (this.#closed || this.#endReceived) return
    this.#endReceived = true
    // Like node:net without allowHalfOpen: the answer to an end is the own end, after what is still buffered.
    if (this.#endSent) this.#close()
    else this.end()
  }

  receiveReset(): void {
    if (this.#closed) return
    this.#out?.drop()
    this.#fail('ECONNRESET')
  }

  #fail(code: string): void {
    this.#close(systemError(code, 'read', this.remote.address, this.remote.port))
  }

  #close(error?: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#host.untrack(this)
    this.#fabric.clock.setTimer(this.#fabric.clock.now(), () => this.onClose?.(error))
  }
}

/** Makes a connection from `inside` along `route`; resolves when the answer of the other end has arrived. */
export function connect(
  fabric: Fabric,
  host: SimulatedHost,
  inside: Interface,
  route: Route,
  localPort: number,
  { host: address, port, signal }: ConnectOptions,
  session: Session = plain,
): Promise<StreamConnection> {
  const { clock } = fabric
  const { link, station } = route
  const startedAt = clock.now()
  const local = socketAddress(inside.address, localPort)
  const remote = socketAddress(address, port)
  return new Promise((resolve, reject) => {
    let client: SimulatedConnection | undefined
    let timer = clock.setTimer(startedAt, () => attempt(FIRST_SYN_RETRY_MS))
    const finish = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', abort)
    }
    const fail = (error: unknown): void => {
      finish()
      client?.destroy()
      reject(error)
    }
    const abort = (): void => fail(signal?.reason)
    signal?.addEventListener('abort', abort)

    const attempt = (retryMs: number): void => {
      const now = clock.now()
      if (now - startedAt >= fabric.options.tcpTimeoutMs) return fail(unreachable('ETIMEDOUT', address, port))
      if (link.partitioned || station.isDown || host.isDown) {
        timer = clock.setTimer(now + retryMs, () => attempt(2 * retryMs))
        return
      }
      timer = clock.setTimer(link.streamArrival(now, 0), arrive)
    }
    const arrive = (): void => {
      const listener = station.listener(port)
      if (listener === undefined) {
        timer = clock.setTimer(clock.now() + link.conditions.delayMs, () =>
          fail(unreachable('ECONNREFUSED', address, port)),
        )
        return
      }
      const handshake = shakeHands(session, listener.session)
      if ('error' in handshake) {
        timer = clock.setTimer(clock.now() + link.conditions.delayMs, () =>
          fail(unreachable(handshake.error, address, port, session.kind)),
        )
        return
      }
      let visible = local
      for (const gateway of route.gateways) visible = gateway.translateTcp(visible)
      const back = listener.host.sender(visible.address, undefined)?.route(visible.address)
      if (back === undefined) {
        timer = clock.setTimer(clock.now(), () => fail(unreachable('EHOSTUNREACH', address, port)))
        return
      }
      client = new SimulatedConnection(fabric, host, local, remote)
      const server = new SimulatedConnection(fabric, listener.host, socketAddress(address, port), visible)
      client.peer = handshake.clientSees
      server.peer = handshake.serverSees
      client.attach(server, route)
      server.attach(client, back)
      client.onOpen = () => {
        finish()
        resolve(framed(client!, session))
      }
      server.open()
      if (listener.onConnection === undefined) server.destroy()
      else listener.onConnection(framed(server, session))
    }
  })
}

function framed(connection: SimulatedConnection, { kind }: Session): StreamConnection {
  return kind === 'ws' || kind === 'wss' ? new SimulatedWebSocket(connection) : connection
}

/** The `SipError` of a connection that could not be made. */
export function unreachable(code: string, address: string, port: number, kind = 'tcp'): SipError {
  const cause = systemError(code, 'connect', address, port)
  return transportError(`connect ${kind} ${hostPort(address, port)}`, cause)
}
