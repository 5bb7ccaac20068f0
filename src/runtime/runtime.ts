/**
 * The seams between Offhook and the outside world: time, network, randomness, names.
 *
 * Nothing else in the library touches them, so a ten-minute call on a lossy network
 * runs in a test in milliseconds, and twice the same.
 */

import type { HttpListener, ListenHttpOptions, OpenWebSocketOptions, WebSocketConnection } from './web.ts'

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

export interface ConnectOptions extends BindOptions {
  readonly signal?: AbortSignal
}

/** Keys and certificates of one party, as server and as client. */
export interface TlsOptions {
  /** PEM, the chain after the certificate. Shown to clients, and to servers that ask for one. */
  readonly cert?: string | Uint8Array
  /** PEM, the private key of `cert`. */
  readonly key?: string | Uint8Array
  /** Of the private key, when it is encrypted. */
  readonly passphrase?: string
  /** PEM of the authorities to trust instead of those the system trusts. */
  readonly ca?: string | Uint8Array | readonly (string | Uint8Array)[]
  /** Servers: `true` refuses clients without a trusted certificate, `optional` asks and lets them in. Default false. */
  readonly requestCert?: boolean | 'optional'
  /** Default `TLSv1.2`. */
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'
  /** Protocols to negotiate (RFC 7301), `sip` for example. Default: none, for many carriers refuse the extension. Not for WebSocket. */
  readonly alpn?: readonly string[]
  /** Clients: `false` takes any certificate. For tests. Default true. */
  readonly verify?: boolean
}

export interface TlsClientOptions {
  readonly tls: TlsOptions
  /** For SNI (RFC 6066 §3); not sent when it is a numeric address. */
  readonly serverName: string
}

export interface WebSocketClientOptions {
  readonly tls?: TlsOptions
  /** For the Host header, and SNI with `tls`. */
  readonly serverName: string
  /** Default `/`. */
  readonly path?: string
}

/** Whom a certificate names. */
export interface PeerCertificate {
  /** Subject alternative names of each kind. */
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  readonly addresses: readonly string[]
  readonly commonName: string | undefined
  /** Issued by an authority we trust, and valid now. */
  readonly trusted: boolean
}

export interface Network {
  /** Rejects with a `SipError` of code `SIP_TRANSPORT` (cause: the system's error) when the address cannot be bound. */
  bindUdp(options: BindOptions): Promise<UdpSocket>
  listenTcp(options: BindOptions): Promise<StreamListener>
  /** `signal` gives up the attempt; rejects with `SIP_TRANSPORT` when refused or unreachable. */
  connectTcp(options: ConnectOptions): Promise<StreamConnection>
  /** As `listenTcp`; a connection is handed over when its handshake is done. @throws OptionError a key or certificate that cannot be used */
  listenTls(options: BindOptions & { readonly tls: TlsOptions }): Promise<StreamListener>
  /** Rejects for a certificate that nobody trusts; whom it names is for the caller to check, in `peer`. */
  connectTls(options: ConnectOptions & TlsClientOptions): Promise<StreamConnection>
  /** WebSocket with the subprotocol `sip` (RFC 7118 §4.1), over TLS when `tls` is given. */
  listenWebSocket(options: BindOptions & { readonly tls?: TlsOptions }): Promise<StreamListener>
  connectWebSocket(options: ConnectOptions & WebSocketClientOptions): Promise<StreamConnection>
  /** A WebSocket of any subprotocol. Rejects with `SIP_TRANSPORT`; an `UpgradeRefusedError` when the server answered otherwise. @throws OptionError `url` */
  openWebSocket(options: OpenWebSocketOptions): Promise<WebSocketConnection>
  /** An HTTP server, over TLS when `tls` is given, which may take WebSockets too. */
  listenHttp(options: ListenHttpOptions): Promise<HttpListener>
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

/** One ordered octet stream (TCP, TLS), or an ordered sequence of messages (WebSocket). */
export interface StreamConnection {
  readonly local: SocketAddress
  readonly remote: SocketAddress
  /** TLS: the certificate the other side has shown; undefined when it has shown none. */
  readonly peer?: PeerCertificate | undefined
  /** WebSocket: sends a ping frame (RFC 6455 §5.5.2). */
  readonly ping?: (onPong: () => void) => void
  /** On a WebSocket each call is one message, and so is each `write`. */
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
