import type { RtcpOptions } from '../media/session/rtcp-session.ts'
import type { OpusOptions } from '../media/codec/opus-options.ts'
import { delayBounds } from '../media/rtp/jitter-options.ts'
import type { PlayoutDelayOptions } from '../media/rtp/jitter-options.ts'
import { OptionError } from '../runtime/errors.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { TransportTlsOptions } from '../sip/transport/streams.ts'
import { transportNamed } from '../sip/transport/transports.ts'
import type { TransportName } from '../sip/transport/transports.ts'
import type { DtmfSettings } from '../media/session/digit-roads.ts'
import type { SrtpMode, SrtpOptions } from '../media/session/srtp-options.ts'
import type { EndpointAdmissionOptions } from './admission.ts'
import type { EndpointControlOptions } from './control-options.ts'

/** Where to listen: `udp://0.0.0.0:5060`, `tls://[::]:5061`, `wss://0.0.0.0:443`. Port 0 lets the system choose. */
export interface ListenOptions {
  readonly transport: TransportName
  readonly host: string
  readonly port: number
}

/** Codecs by their SDP name, in any case; with the clock rate where one name has several. Order is preference. */
export type CodecName =
  | 'PCMU'
  | 'PCMA'
  | 'G722'
  | 'opus'
  | 'L16/8000'
  | 'L16/16000'
  | 'L16/44100'
  | 'L16/48000'
  | `passthrough:${string}`
  | (string & {})

export interface RtpOptions {
  /** First and last UDP port for media; even ports are used. Default 10000 to 20000. */
  readonly minPort?: number
  readonly maxPort?: number
  /** Ends the call when no RTP came for this long while media should flow. Default 30,000; 0 switches it off. */
  readonly timeoutMs?: number
  /** The same for the first packet, counted from the ACK and again when a hold ends. Default `timeoutMs`. */
  readonly firstPacketTimeoutMs?: number
  /** Send to where valid RTP comes from rather than to the SDP address, as NAT demands. Default true. */
  readonly symmetric?: boolean
  /** RTCP, see docs/statistics.md: default true; false for none at all, or how it is done. */
  readonly rtcp?: boolean | RtcpOptions
  /** How long a port rests after a call, so that the next call does not hear the last one. Default 30,000. */
  readonly quarantineMs?: number
  /** How long sound waits for the stragglers of the network; default: as the network asks for, 20 to 500 ms. See docs/jitter-buffer.md. */
  readonly jitterBuffer?: PlayoutDelayOptions
}

/** What a single call may say of its RTP; what is left out the endpoint says. */
export interface CallRtpOptions {
  readonly jitterBuffer?: PlayoutDelayOptions
}

/** Bounds that keep a flood from growing memory. A call over the limit is answered 503. */
export interface EndpointLimits {
  /** Calls at once, both directions. Default 2,000. */
  readonly calls: number
}

export interface EndpointOptions extends EndpointControlOptions, EndpointAdmissionOptions {
  /** Addresses to bind. Default: one UDP socket on an ephemeral port of every IPv4 interface. */
  readonly listen?: readonly (string | ListenOptions)[]
  /** Address other parties must use when it differs from the bound one (NAT, container): a host, or host and SIP port. */
  readonly advertise?: string | { readonly host: string; readonly port?: number }
  /** Keys, certificates and trust for `tls` and `wss`, both for calls that come and for calls that go out. */
  readonly tls?: TransportTlsOptions
  /**
   * How often a connection we opened is proved to be alive (RFC 5626 §4.4), in milliseconds; on a WebSocket by ping frames, whoever opened it.
   * Default 120,000; 0 switches it off.
   */
  readonly keepAliveMs?: number
  /** Default PCMU, PCMA. */
  readonly codecs?: readonly CodecName[]
  /** How Opus is encoded and received, where `codecs` names it. */
  readonly opus?: OpusOptions
  readonly rtp?: RtpOptions
  /**
   * SRTP with keys in the session description (SDES): `off` (default), `optional`, `required`, or `{ mode, suites }`. The keys are as secret as the
   * signalling that carries them: use it with TLS. A trunk, a call and an answer may each say otherwise.
   */
  readonly srtp?: SrtpMode | SrtpOptions
  /** Roads of digits, both ways (docs/dtmf.md). A trunk, a call and an answer may each say otherwise. */
  readonly dtmf?: DtmfSettings
  /**
   * Comfort noise (RFC 3389), offered and taken beside G.711, G.722 and L16: where both sides have it, silence is described by a few
   * octets now and then instead of being sent. Default false. A call and an answer may each say otherwise. See docs/codecs.md.
   */
  readonly comfortNoise?: boolean
  readonly limits?: Partial<EndpointLimits>
  /** Goes into User-Agent and Server. Default `Offhook`. */
  readonly userAgent?: string
  /** Seams for tests and simulators; what is not given is the real thing. */
  readonly runtime?: Partial<Runtime>
}

export const defaultRtpOptions: Required<RtpOptions> = {
  minPort: 10_000,
  maxPort: 20_000,
  timeoutMs: 30_000,
  firstPacketTimeoutMs: 30_000,
  symmetric: true,
  rtcp: true,
  quarantineMs: 30_000,
  jitterBuffer: {},
}

export const defaultLimits: EndpointLimits = { calls: 2_000 }

/** Reads a listen address. Throws `OptionError` naming the field and the form it must have. */
export function parseListen(value: string | ListenOptions, field = 'listen'): ListenOptions {
  if (typeof value !== 'string') {
    checkPort(value.port, `${field}.port`)
    return value
  }
  const match =
    /^(?<transport>[a-z]+):\/\/(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>[^:/?#[\]]+))(?::(?<port>\d{1,5}))?\/?$/.exec(
      value,
    )
  const parts = match?.groups
  const kind = transportNamed(parts?.['transport'] ?? '')
  if (!parts || kind === undefined) {
    throw new OptionError(
      field,
      `"${value}" is not an address to listen on; write udp://HOST:PORT, or tcp, tls, ws or wss; IPv6 in brackets`,
    )
  }
  const port = parts['port'] === undefined ? kind.defaultPort : Number(parts['port'])
  checkPort(port, field)
  return { transport: kind.name, host: parts['v6'] ?? parts['host'] ?? '', port }
}

/** The form `parseListen` reads. */
export function formatListen(options: ListenOptions): string {
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return `${options.transport}://${host}:${options.port}`
}

export function parseAdvertise(
  value: EndpointOptions['advertise'],
): { host: string; port?: number } | undefined {
  if (value === undefined) return value
  if (typeof value !== 'string') {
    if (value.port !== undefined) checkPort(value.port, 'advertise.port')
    parseAdvertise(value.host.includes(':') ? `[${value.host}]` : value.host)
    return value
  }
  const match = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>[\w.-]+))(?::(?<port>\d{1,5}))?$/.exec(value)
  const parts = match?.groups
  if (!parts)
    throw new OptionError('advertise', `"${value}" is not HOST or HOST:PORT; put an IPv6 address in brackets`)
  const host = parts['v6'] ?? parts['host'] ?? ''
  if (parts['port'] === undefined) return { host }
  const port = Number(parts['port'])
  checkPort(port, 'advertise')
  return { host, port }
}

export function resolveRtpOptions(value: RtpOptions | undefined): Required<RtpOptions> {
  const { timeoutMs = defaultRtpOptions.timeoutMs } = value ?? {}
  const rtp = { ...defaultRtpOptions, firstPacketTimeoutMs: timeoutMs, ...value }
  checkPort(rtp.minPort, 'rtp.minPort')
  checkPort(rtp.maxPort, 'rtp.maxPort')
  if (rtp.maxPort < rtp.minPort + 1) {
    throw new OptionError(
      'rtp.maxPort',
      `${rtp.maxPort} leaves no even port above rtp.minPort ${rtp.minPort}; give a range of at least two ports`,
    )
  }
  for (const name of ['timeoutMs', 'firstPacketTimeoutMs', 'quarantineMs'] as const) {
    if (!(rtp[name] >= 0))
      throw new OptionError(`rtp.${name}`, `${rtp[name]} is not a number of milliseconds, 0 or more`)
  }
  delayBounds(rtp.jitterBuffer ?? {}, 'rtp.jitterBuffer.')
  return rtp
}

function checkPort(port: number, field: string): void {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new OptionError(field, `${port} is not a port; give a whole number from 0 to 65535`)
  }
}

/** Milliseconds for the transport layer, which is never asked to wait for 0. */
export function keepAliveTimer(value: number | undefined): { readonly keepAlive?: number } {
  if (value === undefined) return {}
  if (!(value >= 0)) {
    throw new OptionError('keepAliveMs', `${value} is not a number of milliseconds, 0 or more`)
  }
  return { keepAlive: value === 0 ? Infinity : value }
}
