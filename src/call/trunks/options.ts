import { OptionError } from '../../runtime/errors.ts'
import type { Credentials } from '../../sip/auth/client.ts'
import type { HeaderList } from '../../sip/dialog/session-types.ts'
import type { DtmfSettings } from '../../media/session/digit-roads.ts'
import type { SrtpMode, SrtpOptions } from '../../media/session/srtp-options.ts'
import type { CarrierIdHeader } from '../carrier-ids.ts'
import { checkHeaders, parseTarget } from '../checks.ts'
import type { CodecName } from '../options.ts'
import type { Carrier, TrunkAuth, TrunkTransport } from './carrier.ts'
import { maxCallsRule } from './call-slots.ts'
import type { MaxCallsSettings } from './call-slots.ts'
import { carriers } from './carriers.ts'
import type { CarrierName } from './carriers.ts'
import { escapeUser, formatNumber } from './numbers.ts'
import type { NumberFormat, NumberSettings } from './numbers.ts'
import { cpsRule } from './pacer.ts'
import type { CpsSettings } from './pacer.ts'

/** What you say about a trunk; what is left out the carrier's preset says. */
export interface TrunkSettings {
  /** For records, states and messages, where one carrier has several trunks. Default: the carrier's. */
  readonly name?: string
  /** What is ours in the carrier's host: `acme` of `acme.pstn.twilio.com`, the project id at OpenAI. */
  readonly account?: string
  /** Edges or regions in the order to try them: `['ashburn', 'umatilla']`. */
  readonly edges?: readonly string[]
  /** Hosts in the order to try them, `sbc.example` or `sbc.example:5080`, in place of the preset's edges. */
  readonly hosts?: readonly string[]
  /** Default: the carrier's first, TLS with `secure`. The endpoint has to listen by it. */
  readonly transport?: TrunkTransport
  /** TLS, and SRTP as the carrier wants it then. Default false. */
  readonly secure?: boolean
  readonly srtp?: SrtpMode | SrtpOptions
  readonly auth?: TrunkAuth
  /** For `digest` and `register`. */
  readonly credentials?: Credentials
  /** For `token`: the secret. It travels readable: use `secure`. */
  readonly token?: string
  /** Who calls unless a call says otherwise: a number, or a SIP URI. */
  readonly caller?: string
  readonly displayName?: string
  readonly codecs?: readonly CodecName[]
  readonly dtmf?: DtmfSettings
  readonly numbers?: NumberSettings | NumberFormat
  /** Added to each INVITE. */
  readonly headers?: HeaderList
  /** Calls a second; default what the carrier has published, Infinity for no limit. */
  readonly cps?: number | CpsSettings
  /** Calls at once, both ways together; default no limit but the endpoint's. */
  readonly maxCalls?: number | MaxCallsSettings
  /** Hangs up so long after the answer, milliseconds. */
  readonly maxDurationMs?: number
  readonly health?: TrunkHealthSettings | false
  readonly failover?: FailoverSettings
  /** Addresses and blocks (CIDR) its calls come from; default those the carrier has published. */
  readonly sources?: readonly string[]
  /** Further headers in which it names a call. */
  readonly ids?: readonly Omit<CarrierIdHeader, 'carrier'>[]
}

/** OPTIONS to each edge (RFC 3261 §11). */
export interface TrunkHealthSettings {
  /** Between two to one edge, milliseconds; each is early or late by up to a tenth. Default 30,000. */
  readonly intervalMs?: number
  /** An edge that has not answered for so long has failed once, milliseconds. Default 5,000. */
  readonly timeoutMs?: number
  /** Failures in a row after which an edge is down. Default 3. */
  readonly downAfter?: number
  /** While an edge is down the interval doubles up to this, milliseconds. Default 120,000. */
  readonly maxIntervalMs?: number
}

/** When the next edge, or the next trunk, gets the call. Who gave no sign of life is always left. */
export interface FailoverSettings {
  /** Refusals after which the next is tried. Default 503. */
  readonly statuses?: readonly number[]
  /**
   * Also when the refusal came after a 100: most carriers send one to every call, so that their 503 comes after it. A phone that has begun to ring (180, 183)
   * is never left for another. Default false.
   */
  readonly afterTrying?: boolean
}

export interface TrunkEdge {
  /** `ashburn`, or the host. */
  readonly name: string
  readonly host: string
  /** `sip:acme.pstn.twilio.com;transport=tls` */
  readonly uri: string
}

/** A trunk with all that is to be known of it: plain data. `createTrunk(endpoint, …)` brings it to life. */
export interface TrunkOptions {
  readonly name: string
  readonly carrier: Carrier
  readonly account: string | undefined
  readonly edges: readonly TrunkEdge[]
  readonly transport: TrunkTransport
  readonly auth: TrunkAuth
  readonly credentials: Credentials | undefined
  readonly srtp: SrtpMode | SrtpOptions | undefined
  readonly caller: string | undefined
  readonly displayName: string | undefined
  readonly codecs: readonly CodecName[] | undefined
  readonly dtmf: DtmfSettings | undefined
  readonly numbers: NumberSettings
  readonly headers: readonly (readonly [name: string, value: string])[]
  readonly cps: Required<CpsSettings>
  readonly maxCalls: Required<MaxCallsSettings>
  readonly maxDurationMs: number | undefined
  readonly health: Required<TrunkHealthSettings> | undefined
  readonly failover: Required<FailoverSettings>
  readonly sources: readonly string[]
  readonly token: string | undefined
  readonly ids: readonly CarrierIdHeader[]
}

type Presets = { readonly [Name in CarrierName]: (settings?: TrunkSettings) => TrunkOptions }

/**
 * Trunks by carrier: `trunks.twilio({ account: 'acme', credentials, caller: '+15550100' })`. `trunks.generic` is for everybody else.
 * Each throws an OptionError that names what is missing, and what to do.
 */
export const trunks: Presets = Object.fromEntries(
  Object.entries(carriers).map(([name, carrier]) => [
    name,
    (settings: TrunkSettings = {}) => trunkOptions(carrier, settings),
  ]),
) as unknown as Presets

/** @throws OptionError naming the field */
export function trunkOptions(carrier: Carrier, settings: TrunkSettings): TrunkOptions {
  const { secure = false, account, token, caller, headers = [] } = settings
  const transport = settings.transport ?? (secure ? 'tls' : carrier.transports[0]!)
  if (!carrier.transports.includes(transport))
    throw new OptionError(
      'transport',
      `${carrier.title} is reached by ${carrier.transports.join(', ')}, not by ${transport}`,
    )
  if (secure && transport !== 'tls')
    throw new OptionError('transport', 'secure means tls; leave transport out, or secure')
  if (account !== undefined && !/^[\w.-]+$/.test(account))
    throw new OptionError('account', 'give letters, digits, - and _ only')
  const numbers = numberSettings(carrier, settings.numbers)
  if (caller !== undefined) callerOf(caller, numbers, 'caller.example')
  checkHeaders(headers)
  const all = [...headers]
  checkCarrierHeaders(carrier, all)
  const auth = settings.auth ?? carrier.auth.find(mode => fits(mode, settings)) ?? carrier.auth[0]!
  checkAuth(carrier, auth, settings)
  return {
    name: settings.name ?? carrier.name,
    carrier,
    account,
    edges: edgesOf(carrier, settings, transport),
    transport,
    auth,
    credentials: settings.credentials,
    srtp: settings.srtp ?? srtpOf(carrier, secure),
    caller,
    displayName: settings.displayName,
    codecs: codecsOf(carrier, settings.codecs),
    dtmf: dtmfOf(carrier, settings.dtmf),
    numbers,
    headers: [...tokenHeader(carrier, auth, token), ...usernameHeader(carrier, auth, settings), ...all],
    cps: cpsRule(settings.cps ?? carrier.cps),
    maxCalls: maxCallsRule(settings.maxCalls),
    maxDurationMs: settings.maxDurationMs,
    health: healthOf(carrier, settings.health),
    failover: { statuses: [503], afterTrying: false, ...settings.failover },
    sources: settings.sources ?? carrier.sources ?? [],
    token,
    ids: [
      ...(carrier.ids ?? []),
      ...(settings.ids ?? []).map(({ header, field }) => ({
        carrier: settings.name ?? carrier.name,
        header,
        field,
      })),
    ],
  }
}

/** The user and host of From. @throws OptionError */
export function callerOf(caller: string, numbers: NumberSettings, host: string): string {
  if (/^sips?:|</i.test(caller)) return parseTarget(caller, 'caller').uriText
  return `sip:${escapeUser(formatNumber(caller, numbers, 'caller'))}@${host}`
}

/** @throws OptionError a header the carrier refuses, or would not pass on */
export function checkCarrierHeaders(
  { headers, title }: Carrier,
  given: readonly (readonly [name: string, value: string])[],
): void {
  for (const [name] of given) {
    const lower = name.toLowerCase()
    const reserved = headers?.reserved?.find(start => lower.startsWith(start))
    if (reserved !== undefined)
      throw new OptionError(
        'headers',
        `${name} is reserved: names that begin with ${reserved} belong to ${title}`,
      )
    const { passes } = headers ?? {}
    if (passes === undefined || !lower.startsWith('x-')) continue
    if (!passes.some(start => lower.startsWith(start.toLowerCase())))
      throw new OptionError('headers', `${title} passes on none but ${passes.join(', ')}…; rename ${name}`)
  }
}

function edgesOf(
  carrier: Carrier,
  { edges, hosts, account }: TrunkSettings,
  transport: TrunkTransport,
): readonly TrunkEdge[] {
  const known = Object.keys(carrier.edges)
  if (hosts !== undefined && edges !== undefined)
    throw new OptionError('hosts', 'give hosts or edges: hosts take the place of the edges')
  if (hosts !== undefined || known.length === 0) {
    if (hosts === undefined || hosts.length === 0)
      throw new OptionError('hosts', `give the host of ${carrier.title}, for example ['sbc.example']`)
    return hosts.map((host, index) => edge(host, host, transport, `hosts[${index}]`))
  }
  const names = edges ?? known.slice(0, 1)
  if (names.length === 0) throw new OptionError('edges', 'name one at least, or leave it out')
  return names.map((name, index) => {
    const template = carrier.edges[name] ?? carrier.anyEdge
    if (template === undefined || !/^[\w-]+$/.test(name))
      throw new OptionError(
        `edges[${index}]`,
        `${carrier.title} has no edge "${name}" that is known here; there are ${known.join(', ')}; give hosts for others`,
      )
    if (account === undefined && template.includes('{account}'))
      throw new OptionError('account', `give ${carrier.account ?? 'the name of your account'}`)
    const host = template.replace('{account}', account ?? '').replace('{edge}', name)
    return edge(name, host, transport, `edges[${index}]`)
  })
}

function edge(name: string, host: string, transport: TrunkTransport, field: string): TrunkEdge {
  const hint = `"${host}" is not HOST or HOST:PORT; the transport is an option of its own`
  if (/[;?@<>\s]|^sips?:/i.test(host)) throw new OptionError(field, hint)
  const uri = transport === 'udp' ? `sip:${host}` : `sip:${host};transport=${transport}`
  try {
    parseTarget(uri, field)
  } catch (cause) {
    throw new OptionError(field, hint, { cause })
  }
  return { name, host, uri }
}

/** Whether what was given is what that mode needs. */
function fits(mode: TrunkAuth, { credentials, token }: TrunkSettings): boolean {
  if (mode === 'digest' || mode === 'register') return credentials !== undefined
  if (mode === 'token') return token !== undefined
  return credentials === undefined && token === undefined
}

function checkAuth(carrier: Carrier, auth: TrunkAuth, settings: TrunkSettings): void {
  if (!carrier.auth.includes(auth))
    throw new OptionError('auth', `${carrier.title} knows ${carrier.auth.join(', ')}, not ${auth}`)
  if ((auth === 'digest' || auth === 'register') && settings.credentials === undefined)
    throw new OptionError(
      'credentials',
      `${auth} needs { username, password }; give those of ${carrier.title}`,
    )
  if (auth === 'token' && (settings.token ?? '') === '')
    throw new OptionError('token', `give the secret that ${carrier.title} knows this trunk by`)
  if (auth === 'register' && typeof settings.credentials === 'function' && settings.caller === undefined)
    throw new OptionError('caller', 'give the SIP URI to register, since credentials is a function')
}

function numberSettings(carrier: Carrier, value: TrunkSettings['numbers']): NumberSettings {
  const settings = typeof value === 'string' ? { format: value } : value
  const { format = carrier.numbers } = settings ?? {}
  const formats: readonly NumberFormat[] = ['e164', 'digits', 'national', 'as-given']
  if (!formats.includes(format))
    throw new OptionError('numbers.format', `${format as string} is none of ${formats.join(', ')}`)
  if (format === 'national' && settings?.national === undefined)
    throw new OptionError('numbers.national', 'the format national needs a function that makes it; give one')
  return { ...settings, format }
}

function codecsOf(carrier: Carrier, codecs: TrunkSettings['codecs']): TrunkOptions['codecs'] {
  const known = carrier.knownCodecs?.map(name => name.toLowerCase())
  for (const name of codecs ?? []) {
    const bare = name.toLowerCase().replace(/^passthrough:/, '')
    if (known !== undefined && !known.includes(bare))
      throw new OptionError(
        'codecs',
        `${carrier.title} does not take ${name}; it takes ${carrier.knownCodecs?.join(', ')}`,
      )
  }
  return codecs ?? carrier.codecs
}

function dtmfOf(carrier: Carrier, dtmf: DtmfSettings | undefined): DtmfSettings | undefined {
  const road = dtmf?.send
  if (road !== undefined && road !== 'auto' && carrier.dtmfRoads?.includes(road) === false)
    throw new OptionError(
      'dtmf.send',
      `${carrier.title} does not take digits by ${road}; it takes ${carrier.dtmfRoads.join(', ')}`,
    )
  return carrier.dtmf === undefined && dtmf === undefined ? undefined : { ...carrier.dtmf, ...dtmf }
}

function srtpOf(carrier: Carrier, secure: boolean): TrunkOptions['srtp'] {
  const mode = secure ? carrier.srtp.secure : carrier.srtp.plain
  if (mode === undefined || mode === 'off' || carrier.srtpSuites === undefined) return mode
  return { mode, suites: carrier.srtpSuites }
}

function tokenHeader(
  carrier: Carrier,
  auth: TrunkAuth,
  token: string | undefined,
): readonly (readonly [string, string])[] {
  if (auth !== 'token' || token === undefined) return []
  return [[carrier.headers?.token ?? 'X-Token', token]]
}

function usernameHeader(
  { headers }: Carrier,
  auth: TrunkAuth,
  { credentials }: TrunkSettings,
): readonly (readonly [string, string])[] {
  if ((auth !== 'digest' && auth !== 'register') || headers?.username === undefined) return []
  if (credentials === undefined || typeof credentials === 'function') return []
  return [[headers.username, credentials.username]]
}

function healthOf(carrier: Carrier, value: TrunkSettings['health']): TrunkOptions['health'] {
  if (value === false || (value === undefined && !carrier.options)) return undefined
  const health = { intervalMs: 30_000, timeoutMs: 5_000, downAfter: 3, maxIntervalMs: 120_000, ...value }
  // Ten trunks with many edges each must not become a storm because of one wrong unit.
  if (!(health.intervalMs >= 1_000))
    throw new OptionError('health.intervalMs', `${health.intervalMs} is too often; give 1000 ms or more`)
  if (!(health.timeoutMs > 0)) throw new OptionError('health.timeoutMs', 'give milliseconds above 0')
  if (!Number.isInteger(health.downAfter) || health.downAfter < 1)
    throw new OptionError('health.downAfter', `${health.downAfter} is not a whole number of 1 or more`)
  return { ...health, maxIntervalMs: Math.max(health.maxIntervalMs, health.intervalMs) }
}
