/**
 * The seams between Offhook and the outside world: time, network, randomness, names.
 *
 * Nothing else in the library touches them, so a ten-minute call on a lossy network
 * runs in a test in milliseconds, and twice the same.
 */

/** Everything an endpoint needs from its host. `createNodeRuntime()` makes the real one. */
export interface Runtime {
  readonly clock: Clock
  readonly network: Network
  readonly random: Random
  readonly resolver: Resolver
}

/** Time. `now()` and timers are monotonic and unaffected by changes of the wall clock. */
export interface Clock {
  /** Milliseconds (fractional) since an arbitrary start; never runs backwards. */
  now(): number
  /** Milliseconds since the Unix epoch, for records that people read. */
  wallTime(): number
  /**
   * Runs `run` once when `now()` has reached `atMs`; a time in the past means as soon as possible, never synchronously.
   * With `earlyMs` it may run up to that much before its time, which saves a wake-up when the process is awake just then.
   */
  setTimer(atMs: number, run: () => void, earlyMs?: number): Timer
}

export interface Timer {
  /** Idempotent; a cancelled timer never runs. */
  cancel(): void
}

/** Unpredictable in production, seeded in tests. */
export interface Random {
  /** `length` random octets. */
  bytes(length: number): Uint8Array
  /** A uniform integer in 0 … 2^32 - 1. */
  uint32(): number
}

export interface SocketAddress {
  /** Numeric address, IPv6 without brackets. */
  readonly address: string
  readonly port: number
  readonly family: 4 | 6
}

export interface BindOptions {
  /** Numeric address or name to bind; `0.0.0.0` and `::` mean every interface. */
  readonly host: string
  /** 0 lets the system choose. */
  readonly port: number
  /** UDP: what the system should hold while the process is busy; it may grant less. Default 1 MiB. */
  readonly receiveBufferBytes?: number
  /**
   * UDP: whether `onError` hears of datagrams that the system refused to send (no route, too long, a firewall). For
   * signalling; media, which sends again in 20 ms anyway, saves the few per cent it costs. Default false.
   */
  readonly reportSendErrors?: boolean
}

export interface Network {
  /** Rejects with a `SipError` of code `SIP_TRANSPORT` (cause: the system's error) when the address cannot be bound. */
  bindUdp(options: BindOptions): Promise<UdpSocket>
  listenTcp(options: BindOptions): Promise<StreamListener>
  /** `signal` gives up the attempt; rejects with `SIP_TRANSPORT` when refused or unreachable. */
  connectTcp(options: BindOptions & { readonly signal?: AbortSignal }): Promise<StreamConnection>
  /** Addresses of this host's interfaces, loopback last: to find what to advertise when bound to every interface. */
  interfaces(): readonly SocketAddress[]
}

export interface UdpSocket {
  readonly local: SocketAddress
  /** `data` is the receiver's to keep. Set before the first turn of the event loop after binding, or datagrams are lost. */
  onMessage: ((data: Uint8Array, remote: SocketAddress) => void) | undefined
  /** A receive error (an ICMP refusal, say), and with `reportSendErrors` a send error; the socket stays usable. */
  onError: ((error: Error) => void) | undefined
  /** Fire and forget. `data` must not be changed afterwards. `address` is numeric. */
  send(data: Uint8Array, port: number, address: string): void
  close(): void
}

/** One ordered octet stream: TCP now; TLS and WebSocket fit the same shape. */
export interface StreamConnection {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  onData: ((data: Uint8Array) => void) | undefined
  /** Called exactly once, after the last `onData`; `error` when the connection did not end in order. */
  onClose: ((error?: Error) => void) | undefined
  /** Octets accepted but not yet handed to the system. */
  readonly bufferedBytes: number
  /** After `end` or `destroy`, or once the connection has closed, it does nothing. `data` must not be changed afterwards. */
  write(data: Uint8Array): void
  /** Sends what is buffered, then closes once the peer does too: `onData` may still be called until then. */
  end(): void
  /** Closes at once. */
  destroy(): void
}

export interface StreamListener {
  readonly local: SocketAddress
  onConnection: ((connection: StreamConnection) => void) | undefined
  onError: ((error: Error) => void) | undefined
  close(): Promise<void>
}

/** Name look-ups. Every method resolves to an empty list when the name or the record does not exist. */
export interface Resolver {
  /** A and AAAA records, in the order the system gives them. A numeric host resolves to itself. */
  address(host: string): Promise<readonly ResolvedAddress[]>
  srv(name: string): Promise<readonly SrvRecord[]>
  naptr(name: string): Promise<readonly NaptrRecord[]>
}

export interface ResolvedAddress {
  readonly address: string
  readonly family: 4 | 6
  readonly ttlSeconds: number
}

export interface SrvRecord {
  readonly host: string
  readonly port: number
  readonly priority: number
  readonly weight: number
  readonly ttlSeconds: number
}

export interface NaptrRecord {
  readonly order: number
  readonly preference: number
  readonly flags: string
  readonly service: string
  readonly replacement: string
  readonly ttlSeconds: number
}
