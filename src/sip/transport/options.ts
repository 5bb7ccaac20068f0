import { OptionError } from '../../runtime/errors.ts'
import type { Runtime } from '../../runtime/runtime.ts'
import { scanHostPort, writeHostPort } from '../message/host.ts'
import type { MessageLimits } from '../message/limits.ts'
import type { Advertised } from './flow.ts'
import type { TransportTlsOptions } from './streams.ts'
import { transports } from './transports.ts'
import type { TransportName } from './transports.ts'

export interface ListenAddress {
  readonly transport: TransportName
  /** Numeric address or name to bind; `0.0.0.0` or `::` for every interface. */
  readonly host: string
  /** Default: that of the transport. 0 lets the system choose. */
  readonly port?: number
  /** What others are told instead, for this address alone. */
  readonly advertise?: Advertised
}

/** Bounds; what goes beyond is refused and counted in `TransportStats`. */
export interface TransportLimits {
  /** Open and opening connections together. Default 4096. */
  readonly connections: number
  /** The same for one remote address. Default 256. */
  readonly connectionsPerRemote: number
  /** Octets a connection may owe its peer before it is closed. Default 1 MiB. */
  readonly bufferedBytes: number
  /** Requests of more octets go by TCP where the peer takes it (RFC 3261 §18.1.1). Default 1300; `Infinity` never. */
  readonly udpRequestBytes: number
  /** Remembered peers that refused TCP. Default 1024, the oldest forgotten first. */
  readonly rememberedRefusals: number
}

export const defaultTransportLimits: TransportLimits = {
  connections: 4096,
  connectionsPerRemote: 256,
  bufferedBytes: 1024 * 1024,
  udpRequestBytes: 1300,
  rememberedRefusals: 1024,
}

/** Milliseconds. */
export interface TransportTimers {
  /** Longest wait for a name. Default 10000. */
  readonly resolve: number
  /** Longest wait for a connection. Default 5000. */
  readonly connect: number
  /** The same when TCP is only tried because a request is large. Default 2000. */
  readonly connectInsteadOfUdp: number
  /** A peer that refused TCP for a large request is not asked again for so long. Default 300000. */
  readonly rememberRefusal: number
  /** A connection nobody holds is closed when no message has passed for so long. Default 120000. */
  readonly idle: number
  /**
   * Double CRLF on connections we opened, 80 to 100 % of this (RFC 5626 §4.4); on a WebSocket a ping frame, whoever opened it (RFC 7118 §6). Default 120000; `Infinity` never.
   */
  readonly keepAlive: number
  /** A peer that has answered such a ping before and does not within this is taken for dead. Default 10000. */
  readonly pong: number
}

export const defaultTransportTimers: TransportTimers = {
  resolve: 10_000,
  connect: 5_000,
  connectInsteadOfUdp: 2_000,
  rememberRefusal: 300_000,
  idle: 120_000,
  keepAlive: 120_000,
  pong: 10_000,
}

export interface TransportOptions {
  readonly runtime: Runtime
  readonly listen: readonly ListenAddress[]
  /** What others are told instead of the bound addresses, where an address has no `advertise` of its own. */
  readonly advertise?: Advertised
  /** Keys and trust for `tls` and `wss`. */
  readonly tls?: TransportTlsOptions
  /** Put into every diagnostics message, so that subscribers can tell endpoints apart. */
  readonly endpoint?: object
  readonly limits?: Partial<TransportLimits>
  readonly messageLimits?: Partial<MessageLimits>
  readonly timers?: Partial<TransportTimers>
}

export function checkListen(listen: readonly ListenAddress[], tls?: TransportTlsOptions): void {
  if (listen.length === 0) throw new OptionError('listen', 'give at least one address to listen on')
  for (const [index, { transport, port, host, advertise }] of listen.entries()) {
    if (transports[transport].secure && (tls?.cert === undefined || tls.key === undefined)) {
      throw new OptionError(
        tls?.cert === undefined ? 'tls.cert' : 'tls.key',
        `it is missing, and ${transport}:// cannot be listened on without: give the text of a PEM file`,
      )
    }
    checkAdvertise(`listen[${index}].advertise`, advertise)
    if (host === '') throw new OptionError('listen', 'a host is missing: give an address, or 0.0.0.0 for all')
    if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
      throw new OptionError('listen', `${port} is not a port: give 0 to 65535`)
    }
  }
}

/**
 * What others are told goes into every Via and Contact: a host that cannot stand there would break each message.
 * @throws OptionError
 */
export function checkAdvertise(field: string, advertise: Advertised | undefined): void {
  if (advertise === undefined) return
  const { host, port } = advertise
  if (!isHost(host)) {
    throw new OptionError(
      `${field}.host`,
      `${JSON.stringify(host)} is no host name or address; give one without port or scheme`,
    )
  }
  if (port !== undefined && !(Number.isInteger(port) && port > 0 && port <= 65_535)) {
    throw new OptionError(`${field}.port`, `${port} is not a port: give 1 to 65535`)
  }
}

function isHost(host: string): boolean {
  const text = writeHostPort(host, undefined)
  try {
    const { end, port } = scanHostPort(text, 0, text.length, false)
    return end === text.length && port === undefined
  } catch {
    return false
  }
}

/** Defaults filled in, and every given value a number of at least `least`. */
export function withDefaults<T extends object>(
  field: string,
  defaults: T,
  given: Partial<T> | undefined,
  least: number,
): T {
  const values: T = { ...defaults, ...given }
  for (const [name, value] of Object.entries(values)) {
    if (!(typeof value === 'number' && value >= least)) {
      throw new OptionError(`${field}.${name}`, `${String(value)} is not a number of at least ${least}`)
    }
  }
  return values
}
