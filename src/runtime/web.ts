/** WebSockets of any subprotocol and HTTP servers: how calls meet engines that live elsewhere. */
import { SipError } from './errors.ts'
import type { BindOptions, SocketAddress, TlsOptions } from './runtime.ts'

/** What is taken when an option does not say otherwise. */
export const webLimits = {
  /** Octets of one WebSocket message; a longer one closes the connection with 1009. */
  maxMessageBytes: 1_048_576,
  /** Octets of the body of one HTTP request; a longer one is answered with 413. */
  maxBodyBytes: 1_048_576,
  /** Connections of one HTTP server; more are closed at once. */
  maxConnections: 10_000,
  /** For the handshake of a WebSocket and the head and body of a request, milliseconds. */
  requestTimeoutMs: 10_000,
} as const

export interface OpenWebSocketOptions {
  /** `ws:` or `wss:`, with path and query. */
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  /** Subprotocols to offer (RFC 6455 §1.9). Default: none. */
  readonly protocols?: readonly string[]
  /** For `wss:`; the name in the URL must be in the certificate unless `verify` is false. */
  readonly tls?: TlsOptions
  /** Gives up the attempt, with its reason; later it does nothing. */
  readonly signal?: AbortSignal
  /** Octets of one message. Default 1 MiB. */
  readonly maxMessageBytes?: number
}

/** One WebSocket (RFC 6455), of either side. */
export interface WebSocketConnection {
  readonly remote: SocketAddress
  /** The subprotocol agreed on; empty when none was. */
  readonly protocol: string
  /** A text message as a string, a binary one as octets, which are the receiver's to keep. What comes before it is set waits. */
  onMessage: ((data: string | Uint8Array) => void) | undefined
  /** Called exactly once, after the last message. 1005 when the peer gave no code, 1006 when the connection broke (RFC 6455 §7.4.1). */
  onClose: ((code: number, reason: string) => void) | undefined
  /** Octets accepted but not yet handed to the system. */
  readonly bufferedBytes: number
  /** A string goes as text, octets as binary. Nothing is sent once the connection is closing. Octets must not be changed afterwards. */
  send(data: string | Uint8Array): void
  /** Sends a ping frame (RFC 6455 §5.5.2). */
  ping(onPong: () => void): void
  /** Sends what is buffered and a close frame, then closes when the peer does, or after a while. Default 1000. */
  close(code?: number, reason?: string): void
  /** Closes at once, with 1006. */
  destroy(): void
}

export interface HttpRequest {
  /** Capital letters. */
  readonly method: string
  /** Path and query, as on the request line. */
  readonly url: string
  /** By name in small letters; several of one name are joined by a comma. */
  readonly headers: ReadonlyMap<string, string>
  /** Empty for an upgrade. */
  readonly body: Uint8Array
  readonly remote: SocketAddress
  /** Whether it came over TLS. */
  readonly secure: boolean
}

export interface HttpResponse {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
}

/** How an upgrade is taken. */
export interface UpgradeAccepted {
  /** Gets the connection once the handshake is done. */
  readonly accept: (connection: WebSocketConnection) => void
  /** One of those offered. Default: none. */
  readonly protocol?: string
}

export interface ListenHttpOptions extends BindOptions {
  readonly tls?: TlsOptions
  /** One that rejects is answered with 500, and `onError` of the listener hears of it. */
  readonly onRequest: (request: HttpRequest) => Promise<HttpResponse>
  /** For WebSockets: takes it, or refuses it with a response. Without it upgrades are answered with 426. */
  readonly onUpgrade?: (
    request: HttpRequest,
  ) => UpgradeAccepted | HttpResponse | Promise<UpgradeAccepted | HttpResponse>
  /** Default 1 MiB. */
  readonly maxBodyBytes?: number
  /** Octets of one WebSocket message. Default 1 MiB. */
  readonly maxMessageBytes?: number
  /** Default 10,000, WebSockets included. */
  readonly maxConnections?: number
}

export interface HttpListener {
  readonly local: SocketAddress
  onError: ((error: Error) => void) | undefined
  /** Takes no more; WebSockets that are up stay up. */
  close(): Promise<void>
}

/** The server answered the upgrade to a WebSocket with something else. */
export class UpgradeRefusedError extends SipError {
  override readonly name: string = 'UpgradeRefusedError'
  readonly statusCode: number
  /** What the server said, its first 1,024 characters. */
  readonly body: string

  constructor(place: string, statusCode: number, body: string) {
    const why = REFUSALS[statusCode] ?? 'look at the log of that server'
    super('SIP_TRANSPORT', `${place} refused the WebSocket with ${statusCode}: ${why}`)
    this.statusCode = statusCode
    this.body = body.slice(0, 1024)
  }
}

const REFUSALS: Readonly<Record<number, string>> = {
  400: 'it did not like the request: check the path and the headers',
  401: 'the credentials are missing or wrong: check headers, token or signature',
  403: 'we may not do that: check credentials, signature and allowed addresses',
  404: 'nothing is at that path: check the URL',
  426: 'no WebSocket is served there: check the path',
  429: 'too many connections or requests: try later',
  503: 'it is overloaded or starting: try later',
}
