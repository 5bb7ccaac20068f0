import { createHash, timingSafeEqual } from 'node:crypto'
import { OptionError } from '../../runtime/errors.ts'
import { isToken } from '../message/chars.ts'
import { sipIdentities } from '../transport/certificates.ts'
import { AddressList } from './address-list.ts'
import type { Admitted, AdmissionPolicy } from './admission.ts'

/** Of every policy that knows its senders beforehand. */
export interface KnownSender {
  /** `call.admission.user` of what comes from there: the name of a trunk, for example. */
  readonly user?: string
  /** It belongs to our trust domain: what it asserts about callers may be believed (RFC 3325 §2.3). Default false. */
  readonly trusted?: boolean
}

/**
 * Admits by the source address. Over UDP it can be forged, though an answer will not reach who forged it. Name: `address`.
 * @throws OptionError an entry that is neither address nor CIDR block
 */
export function admitAddresses(addresses: readonly string[], sender: KnownSender = {}): AdmissionPolicy {
  const list = new AddressList(addresses)
  const admitted = admission('address', sender)
  return (_request, flow) => (list.has(flow.remote.address) ? admitted : undefined)
}

/**
 * Admits by the client certificate of the connection (RFC 5922 §7.1): one that an authority we trust has issued, and that names one of `domains` as SIP
 * URI or DNS name. The endpoint has to ask for certificates: `tls.requestCert`. Name: `certificate`, user: the name that matched.
 */
export function admitCertificates(
  domains: readonly string[],
  sender: Pick<KnownSender, 'trusted'> = {},
): AdmissionPolicy {
  const wanted = new Set(domains.map(domain => domain.toLowerCase()))
  return (_request, { peer }) => {
    if (peer === undefined || !peer.trusted) return undefined
    const user = sipIdentities(peer).find(name => wanted.has(name))
    return user === undefined ? undefined : admission('certificate', { ...sender, user })
  }
}

/**
 * Admits by a header that carries a secret (`X-Telnyx-Token`), compared in constant time. It travels readable: ask for it over TLS only, which
 * `secureOnly` (default true) makes sure of. Name: `secret`.
 * @throws OptionError
 */
export function admitSecret(
  options: KnownSender & {
    readonly header: string
    readonly secrets: readonly string[]
    readonly secureOnly?: boolean
  },
): AdmissionPolicy {
  const { header, secureOnly = true } = options
  if (!isToken(header))
    throw new OptionError('header', `${JSON.stringify(header)} is not the name of a header`)
  if (options.secrets.length === 0 || options.secrets.includes(''))
    throw new OptionError('secrets', 'give at least one, and none that is empty')
  const known = options.secrets.map(digestOf)
  const admitted = admission('secret', options)
  return (request, flow) => {
    if (secureOnly && !flow.secure) return undefined
    const given = request.headers.get(header)
    if (given === undefined) return undefined
    const digest = digestOf(given.trim())
    return known.some(secret => timingSafeEqual(secret, digest)) ? admitted : undefined
  }
}

/** What scanners call themselves in User-Agent, lower case, as they begin. */
export const scannerUserAgents: readonly string[] = [
  'friendly-scanner',
  'friendly-request',
  'sipvicious',
  'sip-scan',
  'sipcli',
  'sundayddr',
  'iwar',
  'vaxsipuseragent',
  'pplsip',
  'sipptk',
]

/** Says nothing to programs that look for open phone systems, known by their User-Agent (or Server). */
export function dropScanners(userAgents: readonly string[] = scannerUserAgents): AdmissionPolicy {
  const known = userAgents.map(name => name.toLowerCase())
  return request => {
    const name = request.headers.get('User-Agent')?.trim().toLowerCase()
    return name !== undefined && known.some(scanner => name.startsWith(scanner))
      ? { kind: 'dropped' }
      : undefined
  }
}

/** Says nothing to anybody; the last of a list whose others admit by source. */
export function dropOthers(): AdmissionPolicy {
  return () => ({ kind: 'dropped' })
}

function admission(by: string, { user, trusted = false }: KnownSender): Admitted {
  return { kind: 'admitted', by, trusted, ...(user === undefined ? {} : { user }) }
}

/** Equal lengths, whatever comes in. */
function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
