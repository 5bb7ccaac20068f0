import type { Server, Socket } from 'node:net'
import { isIP } from 'node:net'
import { connect, createSecureContext, createServer } from 'node:tls'
import type {
  ConnectionOptions,
  SecureContext,
  SecureContextOptions,
  TlsOptions as ServerOptions,
  TLSSocket,
} from 'node:tls'
import { OptionError } from '../errors.ts'
import type {
  ConnectOptions,
  PeerCertificate,
  StreamConnection,
  StreamListener,
  TlsClientOptions,
  TlsOptions,
} from '../runtime.ts'
import { hostPort, transportError } from '../transport-error.ts'
import { KEEP_ALIVE, LISTEN_BACKLOG, NodeConnection, NodeListener, whenConnected } from './tcp.ts'

/** A client that does not finish its handshake is let go after so long, in ms. */
const HANDSHAKE_MS = 10_000

/** Reading keys and the system's authorities takes longer than a call setup: once for each set of options. */
const contexts = new WeakMap<TlsOptions, SecureContext>()

/** @throws OptionError what was given as key, certificate or authority cannot be used */
export function secureContext(tls: TlsOptions): SecureContext {
  const known = contexts.get(tls)
  if (known !== undefined) return known
  let context: SecureContext
  try {
    context = createSecureContext(contextOptions(tls))
  } catch (cause) {
    throw new OptionError(
      'tls',
      `cert, key, ca or passphrase cannot be used (${(cause as Error).message}): give PEM, and the key that belongs to the certificate`,
      { cause },
    )
  }
  contexts.set(tls, context)
  return context
}

function contextOptions({
  cert,
  key,
  ca,
  passphrase,
  minVersion = 'TLSv1.2',
}: TlsOptions): SecureContextOptions {
  return {
    minVersion,
    ...(cert !== undefined && { cert: asText(cert) }),
    ...(key !== undefined && { key: asText(key) }),
    ...(ca !== undefined && { ca: [ca].flat().map(asText) }),
    ...(passphrase !== undefined && { passphrase }),
  }
}

function asText(value: string | Uint8Array): string {
  return typeof value === 'string' ? value : Buffer.from(value).toString('latin1')
}

/** For servers of `node:tls` and `node:https`. */
export function serverOptions(tls: TlsOptions): ServerOptions {
  const { requestCert = false } = tls
  // A server makes its own context; this one says what is wrong with the options.
  secureContext(tls)
  return {
    ...contextOptions(tls),
    requestCert: requestCert !== false,
    rejectUnauthorized: requestCert === true,
    handshakeTimeout: HANDSHAKE_MS,
  }
}

/** For `tls.connect`. Whom the certificate names is checked by the caller, by the rules of SIP. */
export function clientOptions(tls: TlsOptions, serverName: string): ConnectionOptions {
  return {
    secureContext: secureContext(tls),
    rejectUnauthorized: tls.verify !== false,
    checkServerIdentity: () => undefined,
    servername: isIP(serverName) === 0 ? serverName : '',
  }
}

export function listenTls(address: string, port: number, tls: TlsOptions): Promise<StreamListener> {
  const server = createServer({
    ...serverOptions(tls),
    ...KEEP_ALIVE,
    ...(tls.alpn !== undefined && { ALPNProtocols: [...tls.alpn] }),
  })
  return listening(server, 'tls', address, port, () => {
    const listener = new NodeListener(server, socket => new NodeConnection(socket, peerOf(socket)))
    server.on('tlsClientError', error => listener.onError?.(error))
    return listener
  })
}

export function listening(
  server: Server,
  transport: string,
  address: string,
  port: number,
  toListener: () => StreamListener,
): Promise<StreamListener> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void =>
      reject(transportError(`listen ${transport} ${hostPort(address, port)}`, cause))
    server.once('error', fail)
    server.listen({ host: address, port, ipv6Only: true, exclusive: true, backlog: LISTEN_BACKLOG }, () => {
      server.off('error', fail)
      resolve(toListener())
    })
  })
}

export function connectTls({
  host,
  port,
  signal,
  tls,
  serverName,
}: ConnectOptions & TlsClientOptions): Promise<StreamConnection> {
  const open = (): TLSSocket => {
    const socket = connect({
      host,
      port,
      ...clientOptions(tls, serverName),
      ...(tls.alpn !== undefined && { ALPNProtocols: [...tls.alpn] }),
    })
    socket.setNoDelay(true)
    return socket
  }
  return whenConnected(`tls ${hostPort(host, port)}`, open, 'secureConnect', signal, socket => {
    socket.setKeepAlive(true, KEEP_ALIVE.keepAliveInitialDelay)
    return new NodeConnection(socket, peerOf(socket))
  })
}

/** What the other side has shown; undefined without TLS, or when it has shown nothing. */
export function peerOf(socket: Socket): PeerCertificate | undefined {
  if (!('getPeerCertificate' in socket)) return undefined
  const tlsSocket = socket as TLSSocket
  const { subject, subjectaltname } = tlsSocket.getPeerCertificate()
  if (subject === undefined) return undefined
  const commonName: unknown = subject.CN
  return {
    ...alternativeNames(subjectaltname ?? ''),
    commonName: typeof commonName === 'string' ? commonName : undefined,
    trusted: tlsSocket.authorized,
  }
}

/** Reads `DNS:a.example, URI:sip:b.example, IP Address:127.0.0.1`, as Node writes it; odd values are in JSON quotes. */
function alternativeNames(text: string): Pick<PeerCertificate, 'uris' | 'dnsNames' | 'addresses'> {
  const found: Record<string, string[]> = { URI: [], DNS: [], 'IP Address': [] }
  for (const [, kind = '', value = ''] of text.matchAll(/(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)/g)) {
    if (Object.hasOwn(found, kind))
      found[kind]?.push(value.startsWith('"') ? String(JSON.parse(value)) : value)
  }
  return { uris: found['URI'] ?? [], dnsNames: found['DNS'] ?? [], addresses: found['IP Address'] ?? [] }
}
