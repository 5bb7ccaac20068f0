import { createServer, STATUS_CODES } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { WebSocketServer } from 'ws'
import { transportError, hostPort } from '../transport-error.ts'
import { checkedHeaders } from '../web-url.ts'
import { webLimits } from '../web.ts'
import type { HttpListener, HttpRequest, HttpResponse, ListenHttpOptions } from '../web.ts'
import { KEEP_ALIVE, LISTEN_BACKLOG, socketAddress } from './tcp.ts'
import { serverOptions } from './tls.ts'
import { NodeWebSocket } from './web-socket.ts'

const EMPTY = new Uint8Array(0)

export function listenHttp(address: string, options: ListenHttpOptions): Promise<HttpListener> {
  const { tls, port } = options
  const common = {
    ...KEEP_ALIVE,
    requestTimeout: webLimits.requestTimeoutMs,
    headersTimeout: webLimits.requestTimeoutMs,
  }
  const server: Server =
    tls === undefined ? createServer(common) : createSecureServer({ ...serverOptions(tls), ...common })
  server.maxConnections = options.maxConnections ?? webLimits.maxConnections
  return new Promise((resolve, reject) => {
    const fail = (cause: Error): void =>
      reject(
        transportError(`listen ${tls === undefined ? 'http' : 'https'} ${hostPort(address, port)}`, cause),
      )
    server.once('error', fail)
    server.listen({ host: address, port, ipv6Only: true, exclusive: true, backlog: LISTEN_BACKLOG }, () => {
      server.off('error', fail)
      resolve(serve(server, options))
    })
  })
}

function serve(server: Server, options: ListenHttpOptions): HttpListener {
  const bound = server.address() as { address: string; port: number }
  const listener: HttpListener = {
    local: socketAddress(bound.address, bound.port),
    onError: undefined,
    close: () => {
      if (server.listening) server.close()
      server.closeIdleConnections()
      return Promise.resolve()
    },
  }
  const report = (error: unknown): void =>
    listener.onError?.(error instanceof Error ? error : new Error(String(error)))
  const secure = options.tls !== undefined
  const chosen = new WeakMap<IncomingMessage, string>()
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: options.maxMessageBytes ?? webLimits.maxMessageBytes,
    perMessageDeflate: false,
    handleProtocols: (_offered, request) => chosen.get(request) ?? false,
  })
  server.on('error', report)
  server.on('clientError', (error, socket: Duplex) => {
    report(error)
    socket.destroy()
  })
  if (secure) server.on('tlsClientError', report)

  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    readBody(request, options.maxBodyBytes ?? webLimits.maxBodyBytes)
      .then(async body => {
        if (body === undefined) return { status: 413, headers: { Connection: 'close' } }
        return options.onRequest(toRequest(request, body, secure))
      })
      .catch((error: unknown): HttpResponse => {
        report(error)
        return { status: 500 }
      })
      .then(answer => write(response, answer))
      .catch(error => {
        report(error)
        response.destroy()
      })
  })

  server.on('upgrade', (request: IncomingMessage, duplex: Duplex, head: Buffer) => {
    const socket = duplex as Socket
    socket.on('error', report)
    const upgrade = async (): Promise<void> => {
      if (request.headers.upgrade?.toLowerCase() !== 'websocket') return refuse(socket, { status: 400 })
      const answer = (await options.onUpgrade?.(toRequest(request, EMPTY, secure))) ?? { status: 426 }
      if ('status' in answer) return refuse(socket, answer)
      const { protocol, accept } = answer
      const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map(name => name.trim())
      if (protocol !== undefined && offered.includes(protocol)) chosen.set(request, protocol)
      sockets.handleUpgrade(request, socket, head, webSocket => {
        socket.setNoDelay(true)
        socket.off('error', report)
        accept(new NodeWebSocket(webSocket, socket))
      })
    }
    upgrade().catch((error: unknown) => {
      report(error)
      refuse(socket, { status: 500 })
    })
  })
  return listener
}

/** `undefined` when it is longer than `most`. */
function readBody(request: IncomingMessage, most: number): Promise<Uint8Array | undefined> {
  return new Promise((resolve, reject) => {
    if (Number(request.headers['content-length'] ?? 0) > most) {
      resolve(undefined)
      return
    }
    const chunks: Uint8Array[] = []
    let length = 0
    request.on('data', (chunk: Uint8Array) => {
      length += chunk.length
      if (length <= most) chunks.push(chunk)
      else {
        request.pause()
        resolve(undefined)
      }
    })
    request.on('end', () => resolve(Buffer.concat(chunks)))
    request.on('error', reject)
  })
}

function toRequest(request: IncomingMessage, body: Uint8Array, secure: boolean): HttpRequest {
  const { socket } = request
  const headers = new Map<string, string>()
  for (const [name, value] of Object.entries(request.headers)) {
    if (value !== undefined) headers.set(name, typeof value === 'string' ? value : value.join(', '))
  }
  return {
    method: request.method ?? 'GET',
    url: request.url ?? '/',
    headers,
    body,
    remote: socketAddress(socket.remoteAddress ?? '', socket.remotePort ?? 0),
    secure,
  }
}

function write(response: ServerResponse, { status, headers = {}, body = '' }: HttpResponse): void {
  const bytes = Buffer.from(body)
  response.writeHead(status, { ...checkedHeaders(headers), 'Content-Length': bytes.length })
  response.end(bytes)
}

function refuse(socket: Socket, { status, headers = {}, body = '' }: HttpResponse): void {
  if (!socket.writable) return
  const bytes = Buffer.from(body)
  const lines = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}`,
    ...Object.entries(checkedHeaders(headers)).map(([name, value]) => `${name}: ${value}`),
    'Connection: close',
    `Content-Length: ${bytes.length}`,
  ]
  socket.end(Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`), bytes]))
}
