import { sleep } from '../../call/sleep.ts'
import { Pacer } from '../../media/rtp/pacer.ts'
import { SipError } from '../../runtime/errors.ts'
import { createNodeRuntime } from '../../runtime/node.ts'
import type { Clock, Runtime, SocketAddress } from '../../runtime/runtime.ts'
import type {
  HttpListener,
  HttpRequest,
  HttpResponse,
  UpgradeAccepted,
  WebSocketConnection,
} from '../../runtime/web.ts'
import { SignatureError } from '../signatures/signature-error.ts'
import type { StreamMessage, StreamStart } from '../streams/dialect.ts'
import { authoriseUpgrade, authoriseWebhook } from './auth.ts'
import type { LateCheck } from './auth.ts'
import { CarrierCall } from './carrier-call.ts'
import { carrierIdsOf, partiesOf } from './identity.ts'
import { checkedServerOptions } from './options.ts'
import type {
  RefusalKind,
  StreamCall,
  StreamRoute,
  StreamServerOptions,
  StreamServerSettings,
} from './options.ts'
import { webhookAnswer, webhookFields } from './webhook.ts'

export interface StreamServerStats {
  /** Calls that are up. */
  readonly calls: number
  /** Connections whose stream has not started. */
  readonly waiting: number
  /** Streams that started, in all. */
  readonly started: number
  /** Who was not let in, by reason. */
  readonly refused: Readonly<Record<RefusalKind, number>>
  /** Webhooks that were answered. */
  readonly webhooks: number
}

export interface StreamServer {
  /** For `new Trace({ endpoint: server })`. */
  readonly clock: Clock
  readonly local: SocketAddress
  readonly stats: StreamServerStats
  /** Other paths and limits for streams from now on; calls under way go on as they are. A path that is gone is answered 404. @throws OptionError */
  replace(next: Pick<StreamServerOptions, 'streams' | 'publicUrl' | 'limits'>): void
  /** Takes no more calls (503); resolves when those under way have ended. */
  drain(): Promise<void>
  /** Ends all calls and lets go of the port. */
  close(): Promise<void>
}

/**
 * Takes the WebSockets on which carriers bring calls, and gives each to an agent, as `runAgent` does with SIP calls: returning hangs up,
 * throwing ends the call and is told to `onError`. Nobody comes in without the `auth` of the path. @throws OptionError; SipError SIP_TRANSPORT
 */
export async function streamServer(options: StreamServerOptions): Promise<StreamServer> {
  const settings = checkedServerOptions(options)
  const server = new CarrierServer(options, settings)
  await server.open()
  return server
}

/** Ahead of what a carrier plays that takes nothing back. */
const NO_CLEAR_LEAD_MS = 100

const NEVER: AbortSignal = new AbortController().signal

class CarrierServer implements StreamServer {
  readonly clock: Clock
  readonly #options: StreamServerOptions
  #settings: StreamServerSettings
  readonly #runtime: Pick<Runtime, 'clock' | 'network' | 'random'>
  readonly #pacer: Pacer
  readonly #calls = new Set<CarrierCall>()
  readonly #running = new Set<Promise<void>>()
  #waiting = 0
  /** What turns those away whose stream has not started (bounded by `maxCalls`). */
  readonly #starting = new Set<() => void>()
  #closed = false
  #started = 0
  #webhooks = 0
  #draining = false
  #listener: HttpListener | undefined
  readonly #refused: Record<RefusalKind, number> = {
    path: 0,
    signature: 0,
    busy: 0,
    draining: 0,
    start: 0,
    format: 0,
    malformed: 0,
  }

  constructor(options: StreamServerOptions, settings: StreamServerSettings) {
    this.#options = options
    this.#settings = settings
    this.#runtime = options.runtime ?? createNodeRuntime()
    this.clock = this.#runtime.clock
    this.#pacer = new Pacer({ clock: this.clock, onError: error => this.#failed(error, undefined) })
  }

  async open(): Promise<void> {
    const { host, port, tls } = this.#options.listen
    this.#listener = await this.#runtime.network.listenHttp({
      host,
      port,
      ...(tls !== undefined && { tls }),
      maxMessageBytes: this.#settings.limits.maxMessageBytes,
      maxBodyBytes: 65_536,
      onRequest: request => Promise.resolve(this.#answer(request)),
      onUpgrade: request => this.#upgrade(request),
    })
    this.#listener.onError = error => this.#failed(error, undefined)
  }

  get local(): SocketAddress {
    if (this.#listener === undefined) throw new SipError('SIP_STATE', 'the server is not open')
    return this.#listener.local
  }

  get stats(): StreamServerStats {
    return {
      calls: this.#calls.size,
      waiting: this.#waiting,
      started: this.#started,
      refused: { ...this.#refused },
      webhooks: this.#webhooks,
    }
  }

  replace(next: Pick<StreamServerOptions, 'streams' | 'publicUrl' | 'limits'>): void {
    const { listen, agent } = this.#options
    this.#settings =
      next.streams.length === 0
        ? { ...this.#settings, routes: new Map(), webhooks: new Map() }
        : checkedServerOptions({ ...next, listen, agent })
  }

  async drain(): Promise<void> {
    this.#draining = true
    while (this.#calls.size + this.#waiting > 0) {
      const calls = [...this.#calls].map(({ session }) => session.ended)
      await (calls.length > 0 ? Promise.all(calls) : this.#pause(50))
    }
    await this.#told()
  }

  async close(): Promise<void> {
    this.#draining = true
    this.#closed = true
    for (const turnAway of this.#starting) turnAway()
    for (const call of this.#calls) call.end('local', 'closed')
    await this.#listener?.close()
    await this.#told()
  }

  /** Until the carriers know that their calls are over; an agent that does not come to its end is not waited for. */
  async #told(): Promise<void> {
    if (this.#running.size > 0) await Promise.race([Promise.all(this.#running), this.#pause(10_000)])
  }

  #pause(ms: number): Promise<void> {
    return sleep(this.clock, ms, NEVER)
  }

  #answer(request: HttpRequest): HttpResponse {
    const path = request.url.split('?')[0] ?? ''
    const route = this.#settings.webhooks.get(path)
    if (route === undefined) return { status: this.#settings.routes.has(path) ? 426 : 404 }
    if (!URL.canParse(this.#urlOf(request))) return this.#noUrl(path, request.remote)
    if (request.method !== 'POST' && request.method !== 'GET')
      return { status: 405, headers: { Allow: 'GET, POST' } }
    try {
      const url = this.#urlOf(request).replace(/^ws/, 'http')
      authoriseWebhook(route.auth, request, url, this.clock.wallTime())
    } catch (error) {
      return this.#refuse(request.remote, path, error)
    }
    if (this.#draining) return { status: 503 }
    this.#webhooks += 1
    return webhookAnswer(route, this.#urlOf({ ...request, url: route.path }), webhookFields(request))
  }

  #upgrade(request: HttpRequest): UpgradeAccepted | HttpResponse {
    const openedAt = this.clock.now()
    const path = request.url.split('?')[0] ?? ''
    const { remote } = request
    const route = this.#settings.routes.get(path)
    if (route === undefined) {
      this.#count('path', path, remote, 'nothing is at that path')
      return { status: 404 }
    }
    if (!URL.canParse(this.#urlOf(request))) return this.#noUrl(path, remote)
    let late: LateCheck | undefined
    try {
      late = authoriseUpgrade(route.auth, request, this.#urlOf(request), this.clock.wallTime())
    } catch (error) {
      return this.#refuse(remote, path, error)
    }
    const { maxCalls } = this.#settings.limits
    if (this.#draining || this.#calls.size + this.#waiting >= maxCalls) {
      if (this.#draining) this.#count('draining', path, remote, 'no more calls are taken')
      else this.#count('busy', path, remote, `${maxCalls} calls are up (limits.maxCalls)`)
      return { status: 503 }
    }
    // Carriers offer none; who does gets the first.
    const protocol = request.headers.get('sec-websocket-protocol')?.split(',')[0]?.trim()
    this.#waiting += 1
    let taken = false
    // A handshake that breaks off never gets to `accept`.
    const given = this.clock.setTimer(this.clock.now() + this.#settings.limits.startTimeoutMs, () => {
      if (!taken) this.#waiting -= 1
      taken = true
    })
    return {
      ...(protocol !== undefined && protocol !== '' && { protocol }),
      accept: connection => {
        given.cancel()
        if (taken) return connection.destroy()
        taken = true
        if (this.#closed) {
          this.#waiting -= 1
          return connection.destroy()
        }
        this.#await(connection, route, { late, openedAt, secure: request.secure, path })
      },
    }
  }

  /** Until the stream starts. */
  #await(
    connection: WebSocketConnection,
    route: StreamRoute,
    opened: { late: LateCheck | undefined; openedAt: number; secure: boolean; path: string },
  ): void {
    const { limits } = this.#settings
    const { path } = opened
    const { remote } = connection
    let { late } = opened
    let malformed = 0
    let over = false
    const leave = (): void => {
      over = true
      this.#waiting -= 1
      this.#starting.delete(closing)
      timer.cancel()
      connection.onClose = undefined
    }
    const turnAway = (why: RefusalKind, detail: string, code: number): void => {
      if (over) return
      leave()
      this.#count(why, path, remote, detail)
      connection.close(code, why)
    }
    const closing = (): void => turnAway('draining', 'the server closed before the stream started', 1001)
    this.#starting.add(closing)
    const timer = this.clock.setTimer(this.clock.now() + limits.startTimeoutMs, () =>
      turnAway('start', `the stream did not start within ${limits.startTimeoutMs} ms`, 1008),
    )
    connection.onClose = () => {
      if (over) return
      leave()
      this.#count('start', path, remote, 'it closed before the stream started')
    }
    connection.onMessage = data => {
      if (over) return
      const message: StreamMessage = route.dialect.carrier.parse(data)
      const verdict = late?.(message)
      if (verdict === false) return turnAway('signature', 'the token is missing or another one', 1008)
      if (verdict === true) late = undefined
      if (message.kind === 'malformed' || message.kind === 'media') {
        malformed += 1
        const what = message.kind === 'media' ? 'audio before the start' : message.reason
        if (malformed > limits.maxMalformed) turnAway('malformed', what, 1007)
        return
      }
      if (message.kind === 'stop') return turnAway('start', 'it stopped before it started', 1000)
      if (message.kind !== 'start') return
      const { encoding, sampleRate } = message.format
      const known = route.dialect.formats.some(
        format => format.encoding === encoding && format.sampleRate === sampleRate,
      )
      if (!known) return turnAway('format', `${encoding} at ${sampleRate} is not spoken here`, 1003)
      leave()
      this.#begin(connection, route, message, opened)
    }
  }

  #begin(
    connection: WebSocketConnection,
    route: StreamRoute,
    start: StreamStart,
    { openedAt, secure }: { openedAt: number; secure: boolean },
  ): void {
    const { limits, leadMs } = this.#settings
    const id = Buffer.from(this.#runtime.random.bytes(12)).toString('hex')
    const dialect = route.dialect.name
    const call: StreamCall = {
      id,
      path: route.path,
      dialect,
      callId: start.callId || start.parameters['uuid'] || id,
      streamId: start.streamId,
      accountId: start.accountId,
      carrierIds: carrierIdsOf(dialect, start),
      ...partiesOf(start),
      parameters: start.parameters,
      format: start.format,
      remote: connection.remote,
    }
    const carrier = new CarrierCall(call, {
      clock: this.clock,
      connection,
      route,
      limits,
      leadMs: leadMs ?? (route.dialect.noClear === true ? NO_CLEAR_LEAD_MS : limits.leadMs),
      owner: this.#options.endpoint ?? this,
      openedAt,
      secure,
      onError: error => this.#failed(error, call),
    })
    this.#started += 1
    this.#calls.add(carrier)
    carrier.begin()
    const paced = this.#pacer.add({ tick: () => carrier.tick() })
    const talk = this.#talk(carrier, route.agent ?? this.#options.agent).finally(() => {
      this.#running.delete(talk)
    })
    this.#running.add(talk)
    void carrier.session.ended.then(() => {
      paced.remove()
      this.#calls.delete(carrier)
    })
  }

  async #talk(carrier: CarrierCall, agent: StreamServerOptions['agent']): Promise<void> {
    try {
      const engine = typeof agent === 'function' ? await agent(carrier.call) : agent
      await engine.run(carrier.session)
    } catch (cause) {
      // What an agent throws because its call has ended is no fault of its own.
      if (!(carrier.isOver && cause === carrier.session.signal.reason)) this.#failed(cause, carrier.call)
      const said = cause instanceof Error ? cause.message : String(cause)
      const error =
        cause instanceof SipError ? cause : new SipError('SIP_ENGINE', `the agent failed: ${said}`, { cause })
      carrier.end('error', 'failed', error)
    }
    await carrier.hangup()
  }

  /** As the carrier was told it. */
  #urlOf({ url, headers, secure }: Pick<HttpRequest, 'url' | 'headers' | 'secure'>): string {
    const { publicUrl } = this.#settings
    const base = publicUrl ?? `${secure ? 'wss' : 'ws'}://${headers.get('host') ?? 'localhost'}`
    return base + url
  }

  #noUrl(path: string, remote: SocketAddress): HttpResponse {
    this.#count('malformed', path, remote, 'its Host header is no host')
    return { status: 400 }
  }

  #refuse(remote: SocketAddress, path: string, error: unknown): HttpResponse {
    if (!(error instanceof SignatureError)) throw error
    this.#count('signature', path, remote, error.message)
    return error.problem === 'missing'
      ? {
          status: 401,
          headers: { 'WWW-Authenticate': error.scheme === 'basic' ? 'Basic realm="streams"' : 'Bearer' },
        }
      : { status: 403 }
  }

  #count(why: RefusalKind, path: string, remote: SocketAddress, detail: string): void {
    this.#refused[why] += 1
    this.#guarded(() => this.#options.onRefused?.({ path: path.slice(0, 256), remote, why, detail }))
  }

  #failed(error: unknown, call: StreamCall | undefined): void {
    this.#guarded(() =>
      this.#options.onError?.(error instanceof Error ? error : new Error(String(error)), call),
    )
  }

  /** A listener that throws must not hurt a call. */
  #guarded(run: () => void): void {
    try {
      run()
    } catch {
      // It was told; there is nobody else to tell.
    }
  }
}
