import { OptionError } from '../../runtime/errors.ts'
import type { Credentials } from '../auth/client.ts'
import type { HeaderList } from '../dialog/session-types.ts'
import { NameAddr } from '../message/name-addr.ts'
import { SipUri, parseUri } from '../message/uri.ts'
import { defaultBackOff } from './client-machine.ts'
import type { BackOff } from './client-machine.ts'

export interface OutboundOptions {
  /** Tells the flows of one device apart, 1 or more (RFC 5626 §4.2). Default 1. */
  readonly regId?: number
}

export interface RegistrationOptions {
  /** The address of record: `sip:alice@example.com`, or a name-addr with a display name. */
  readonly aor: string
  /** Where REGISTER is addressed to, without a user part. Default: the domain of the address of record. */
  readonly registrar?: string
  /** Where it goes first, for example `sip:sbc.example:5080;transport=tcp`; it routes loosely (`lr` is added). */
  readonly outboundProxy?: string
  readonly credentials?: Credentials
  /** Asked for; the registrar may grant another time. Default 600 seconds. */
  readonly expiresSeconds?: number
  /** The user part of our Contact. Default: that of the address of record. */
  readonly contactUser?: string
  /** Other addresses to bind beside ours, as URIs or name-addrs; parameters such as `q` go behind the angle brackets. */
  readonly contacts?: readonly string[]
  /** `q` of our own Contact, 0 to 1. */
  readonly q?: number
  /**
   * Names this device for good, as a URN: `urn:uuid:...` (RFC 5626 §4.1). Keep it across restarts. With it a GRUU is asked for (RFC 5627).
   */
  readonly instanceId?: string
  /** Asks the registrar to send calls over the flow that registered (RFC 5626). It needs `instanceId`. Default off. */
  readonly outbound?: boolean | OutboundOptions
  /**
   * Double CRLF on the flow, at 80 to 100 % of this, so that a NAT keeps it open and calls, and the BYE of long ones, arrive (RFC 5626 §4.4).
   * Default 20,000 milliseconds on UDP and what the transport does by itself on connections; 0 switches it off. Flow-Timer makes it shorter.
   */
  readonly keepAliveMs?: number
  readonly backOff?: Partial<BackOff>
  /** Added to each REGISTER. */
  readonly headers?: HeaderList
}

/** Options checked and taken apart. */
export interface RegistrationPlan {
  readonly aor: NameAddr
  readonly registrar: SipUri
  readonly proxy: NameAddr | undefined
  readonly credentials: Credentials | undefined
  readonly expiresSeconds: number
  readonly contactUser: string | undefined
  readonly others: readonly NameAddr[]
  readonly q: number | undefined
  /** With angle brackets, as the parameter has it. */
  readonly instance: string | undefined
  readonly regId: number | undefined
  readonly keepAliveMs: number | undefined
  readonly backOff: BackOff
  readonly headers: HeaderList
}

/** The longest that RFC 3261 §20.19 lets an expiry be. */
const longestSeconds = 0xffff_ffff

/** @throws OptionError naming the field */
export function planRegistration(options: RegistrationOptions): RegistrationPlan {
  const { expiresSeconds = 600, q, instanceId, keepAliveMs, contacts = [] } = options
  const aor = readAddress('aor', options.aor)
  const { uri } = aor
  if (!(uri instanceof SipUri) || uri.rawUser === undefined)
    throw new OptionError('aor', 'it names nobody; give sip:USER@DOMAIN')
  if (!(expiresSeconds >= 1 && expiresSeconds <= longestSeconds))
    throw new OptionError('expiresSeconds', `${expiresSeconds} is not a number of seconds, 1 or more`)
  if (q !== undefined && !(q >= 0 && q <= 1)) throw new OptionError('q', `${q} is not from 0 to 1`)
  if (keepAliveMs !== undefined && !(keepAliveMs === 0 || keepAliveMs >= 1000))
    throw new OptionError('keepAliveMs', `${keepAliveMs} is neither 0 nor 1000 milliseconds or more`)
  const proxy =
    options.outboundProxy === undefined ? undefined : readAddress('outboundProxy', options.outboundProxy)
  const outbound = options.outbound === true ? {} : options.outbound === false ? undefined : options.outbound
  const regId = outbound === undefined ? undefined : (outbound.regId ?? 1)
  if (regId !== undefined && !(Number.isInteger(regId) && regId >= 1 && regId < 2 ** 31))
    throw new OptionError('outbound.regId', `${regId} is not a whole number of 1 or more`)
  if (regId !== undefined && instanceId === undefined)
    throw new OptionError('instanceId', 'outbound needs it: give urn:uuid:..., the same after each restart')
  const backOff = { ...defaultBackOff, ...options.backOff }
  for (const name of ['baseMs', 'maxMs'] as const) {
    if (!(backOff[name] >= 1))
      throw new OptionError(`backOff.${name}`, `${backOff[name]} is not 1 millisecond or more`)
  }
  return {
    aor: new NameAddr({ displayName: aor.displayName, uri }),
    registrar: registrarOf(options, uri),
    proxy: proxy === undefined ? undefined : loose(proxy),
    credentials: options.credentials,
    expiresSeconds: Math.floor(expiresSeconds),
    contactUser: options.contactUser ?? uri.user,
    others: contacts.map((text, index) => readAddress(`contacts[${index}]`, text)),
    q,
    instance: instanceId === undefined ? undefined : checkInstance(instanceId),
    regId,
    keepAliveMs,
    backOff,
    headers: options.headers ?? [],
  }
}

/** RFC 3261 §10.2: a Request-URI without user part. */
function registrarOf({ registrar }: RegistrationOptions, aor: SipUri): SipUri {
  if (registrar === undefined) {
    return new SipUri({
      scheme: aor.scheme,
      host: aor.host,
      port: aor.port,
      params: aor.transport === undefined ? [] : [['transport', aor.transport]],
    })
  }
  const { uri } = readAddress('registrar', registrar)
  if (!(uri instanceof SipUri))
    throw new OptionError('registrar', 'give a SIP URI, for example sip:pbx.example')
  return uri.with({ user: undefined, password: undefined, headers: [] })
}

function checkInstance(instanceId: string): string {
  if (!/^urn:[\w-]+:[^\s<>"]+$/i.test(instanceId))
    throw new OptionError(
      'instanceId',
      'it is no URN; give urn:uuid: and a UUID, the same after each restart',
    )
  return `<${instanceId}>`
}

function readAddress(field: string, text: string): NameAddr {
  if (typeof text !== 'string') throw new OptionError(field, 'it is missing; give sip:USER@HOST')
  try {
    // Without angle brackets, `;transport=tcp` would belong to the header and not to the URI (RFC 3261 §20.10).
    const address = text.includes('<') ? NameAddr.parse(text) : new NameAddr({ uri: parseUri(text) })
    void address.uri
    return address
  } catch (cause) {
    throw new OptionError(
      field,
      `it cannot be read as a SIP address (${(cause as Error).message}); give sip:USER@HOST`,
      {
        cause,
      },
    )
  }
}

/** RFC 3261 §16.12: who means a strict router has to find a better one. */
function loose({ uri }: NameAddr): NameAddr {
  return new NameAddr({ uri: uri.kind === 'sip' ? uri.withParam('lr', true) : uri })
}
