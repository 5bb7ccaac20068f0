import type { CarrierId } from '../../call/carrier-ids.ts'
import { OptionError } from '../../runtime/errors.ts'
import type { SipError } from '../../runtime/errors.ts'
import type { Clock, Runtime, SocketAddress, TlsOptions } from '../../runtime/runtime.ts'
import type { Agent, AgentSession } from '../agent.ts'
import { dialectNamed } from '../streams/dialects.ts'
import type { DialectName, StreamDialect, StreamFormat } from '../streams/dialect.ts'
import { checkAuth } from './auth.ts'
import type { StreamAuth } from './auth.ts'
import type { CarrierControl } from './control.ts'
import { webhookDialects } from './webhook.ts'

/** A call that came by a stream, as whoever picks its agent sees it. */
export interface StreamCall {
  /** Ours. */
  readonly id: string
  readonly path: string
  readonly dialect: DialectName
  /** What the carrier calls the call; ours where it does not say. */
  readonly callId: string
  readonly streamId: string
  readonly accountId: string
  readonly carrierIds: readonly CarrierId[]
  /** As the carrier gives them, often in parameters; empty where it does not. */
  readonly from: string
  readonly to: string
  /** Custom values: Twilio's `<Parameter>`, Vonage's headers … They are as trustworthy as the auth of the path. */
  readonly parameters: Readonly<Record<string, string>>
  readonly format: StreamFormat
  readonly remote: SocketAddress
}

/** What an agent gets: a call like any other, and what only a stream knows. */
export interface StreamSession extends AgentSession {
  readonly stream: StreamCall
}

/** One carrier at one path. */
export interface StreamPath {
  /** `/twilio`: of the URL, without its query. */
  readonly path: string
  readonly dialect: DialectName
  readonly auth: StreamAuth
  /** Ends and transfers calls where the dialect has no message for it. */
  readonly control?: CarrierControl
  /** Of the audio to the carrier, where it is not as that from it: Telnyx's `stream_bidirectional_codec`. */
  readonly format?: StreamFormat
  /** A path that answers the carrier's webhook with what points at this stream, under the same `auth`. */
  readonly webhook?: string
  /** Instead of that of the server. */
  readonly agent?: Agent | ((call: StreamCall) => Agent | Promise<Agent>)
}

export interface StreamServerOptions {
  /** Port 0 lets the system choose. */
  readonly listen: { readonly host: string; readonly port: number; readonly tls?: TlsOptions }
  /**
   * What carriers were told, without the path: `wss://voice.example.com`. They sign URLs, and behind a proxy ours is another. Default: what the
   * Host header says.
   */
  readonly publicUrl?: string
  readonly streams: readonly StreamPath[]
  readonly agent: Agent | ((call: StreamCall) => Agent | Promise<Agent>)
  /** Whose trace gets the records. Default: the server's own, `new Trace({ endpoint: server })`. */
  readonly endpoint?: { readonly clock: Clock }
  readonly limits?: Partial<StreamLimits>
  /** An agent that threw, a carrier's interface that refused: the server goes on. */
  readonly onError?: (error: SipError | Error, call: StreamCall | undefined) => void
  /** Who was not let in, and why; no personal data. */
  readonly onRefused?: (refusal: StreamRefusal) => void
  /** Default: this machine. */
  readonly runtime?: Pick<Runtime, 'clock' | 'network' | 'random'>
}

export interface StreamRefusal {
  readonly path: string
  readonly remote: SocketAddress
  /** - `path`: nothing is there - `signature`: the auth does not fit - `busy`: `maxCalls` - `draining` - `start`: none came in time - `format`: audio we do not speak - `malformed` */
  readonly why: RefusalKind
  readonly detail: string
}

export type RefusalKind = 'path' | 'signature' | 'busy' | 'draining' | 'start' | 'format' | 'malformed'

export interface StreamLimits {
  /** Calls at a time, those that have not started yet included. Default 1,000. */
  readonly maxCalls: number
  /** From the upgrade to the start of the stream, ms. Default 10,000. */
  readonly startTimeoutMs: number
  /** Without any message, ms: the carrier is gone. Default 60,000. */
  readonly idleTimeoutMs: number
  /** Octets of one message. Default 65,536. */
  readonly maxMessageBytes: number
  /** Octets that wait for a peer that does not read; beyond it gets nothing more. Default 262,144. */
  readonly maxUnsentBytes: number
  /** A peer that reads nothing for so long has its call ended, ms. Default 20,000. */
  readonly stallTimeoutMs: number
  /** Messages that are not of the dialect, in one call; one more ends it. Default 100. */
  readonly maxMalformed: number
  /** How much audio the carrier is given ahead of what it plays, ms. Default 400, and 100 where the dialect has no `clear`. */
  readonly leadMs: number
}

const LIMITS: StreamLimits = {
  maxCalls: 1000,
  startTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  maxMessageBytes: 65_536,
  maxUnsentBytes: 262_144,
  stallTimeoutMs: 20_000,
  maxMalformed: 100,
  leadMs: 400,
}

/** A path, checked. */
export interface StreamRoute extends Omit<StreamPath, 'dialect'> {
  readonly dialect: StreamDialect
}

export interface StreamServerSettings {
  /** By path. */
  readonly routes: ReadonlyMap<string, StreamRoute>
  readonly webhooks: ReadonlyMap<string, StreamRoute>
  readonly publicUrl: string | undefined
  readonly limits: StreamLimits
  /** Undefined: by dialect. */
  readonly leadMs: number | undefined
}

/** @throws OptionError naming the field */
export function checkedServerOptions(options: StreamServerOptions): StreamServerSettings {
  const { streams, publicUrl, limits: wished = {} } = options
  if (streams.length === 0) throw new OptionError('streams', 'there are none; give at least one path')
  const routes = new Map<string, StreamRoute>()
  const webhooks = new Map<string, StreamRoute>()
  for (const [index, stream] of streams.entries()) {
    const field = `streams[${index}]`
    const route = { ...stream, dialect: dialectNamed(stream.dialect) }
    checkAuth(`${field}.auth`, stream.auth)
    checkFormat(`${field}.format`, route)
    if (stream.webhook !== undefined && !webhookDialects.has(route.dialect.name)) {
      throw new OptionError(`${field}.webhook`, `${route.dialect.name} asks nothing over HTTP; leave it out`)
    }
    if (
      stream.webhook !== undefined &&
      stream.auth.kind === 'telnyx' &&
      stream.auth.publicKey === undefined
    ) {
      throw new OptionError(
        `${field}.auth.publicKey`,
        'Telnyx signs its webhooks with it; give that of the account, or leave the webhook out',
      )
    }
    for (const [name, path, table] of [
      ['path', stream.path, routes],
      ['webhook', stream.webhook, webhooks],
    ] as const) {
      if (path === undefined) continue
      if (!/^\/[^?#\s]*$/.test(path))
        throw new OptionError(`${field}.${name}`, 'give a path that begins with /, without a query')
      if (routes.has(path) || webhooks.has(path))
        throw new OptionError(`${field}.${name}`, `${path} is taken already`)
      table.set(path, route)
    }
  }
  if (publicUrl !== undefined && !/^wss?:\/\/[^/?#\s]+\/?$/.test(publicUrl)) {
    throw new OptionError('publicUrl', 'give wss://host or wss://host:port, without a path')
  }
  const limits = { ...LIMITS, ...wished }
  for (const [name, value] of Object.entries(limits)) {
    if (!(value >= 1)) throw new OptionError(`limits.${name}`, `${value} is not usable; give 1 or more`)
  }
  return { routes, webhooks, publicUrl: publicUrl?.replace(/\/$/, ''), limits, leadMs: wished.leadMs }
}

/** What a carrier does not play would be noise to the caller. @throws OptionError */
function checkFormat(field: string, { format, dialect }: StreamRoute): void {
  if (format === undefined) return
  const known = [...dialect.formats, ...(dialect.botFormat === undefined ? [] : [dialect.botFormat])]
  const { encoding, sampleRate } = format
  if (known.some(one => one.encoding === encoding && one.sampleRate === sampleRate)) return
  const names = known.map(one => `${one.encoding} at ${one.sampleRate}`).join(', ')
  throw new OptionError(
    field,
    `${dialect.name} does not play ${encoding} at ${sampleRate}; there are ${names}`,
  )
}
