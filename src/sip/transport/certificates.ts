import type { PeerCertificate } from '../../runtime/runtime.ts'
import { familyOf, sameAddress } from './addresses.ts'

/**
 * The SIP domains a certificate stands for, in lower case (RFC 5922 §7.1): those of its `sip:` URIs without user part; else its DNS names; the common
 * name only where there is no alternative name at all. Addresses count for peers that are called by number.
 */
export function sipIdentities(certificate: PeerCertificate): readonly string[] {
  const { uris, dnsNames, addresses, commonName } = certificate
  const domains = uris.map(domainOf).filter(domain => domain !== undefined)
  if (domains.length > 0) return [...domains, ...addresses]
  const lower = dnsNames.map(name => name.toLowerCase())
  if (lower.length > 0 || addresses.length > 0) return [...lower, ...addresses]
  return uris.length === 0 && commonName !== undefined ? [commonName.toLowerCase()] : []
}

/** A `sips` URI is no identity, and one with a user is not that of a domain (RFC 5922 §7.1). */
function domainOf(uri: string): string | undefined {
  const host = /^sip:(?<host>\[[^\]]*\]|[^@:;?[\]]+)(?:[:;?].*)?$/i.exec(uri)?.groups?.['host']
  return uri.includes('@') ? undefined : host?.toLowerCase()
}

/** Whether the certificate stands for that domain or numeric address. No wildcards: RFC 5922 §7.2. */
export function standsFor(certificate: PeerCertificate, domain: string): boolean {
  const wanted = domain.toLowerCase().replace(/\.$/, '')
  const numeric = familyOf(wanted) !== 0
  return sipIdentities(certificate).some(name =>
    numeric ? sameAddress(name, wanted) : name.replace(/\.$/, '') === wanted,
  )
}

/** What is wrong with the certificate of the server for that domain; undefined when nothing is. */
export function serverFault(certificate: PeerCertificate | undefined, domain: string): string | undefined {
  if (certificate === undefined) return `the server shows no certificate, and ${domain} was expected`
  if (standsFor(certificate, domain)) return undefined
  const found = sipIdentities(certificate)
  const names = found.length === 0 ? 'no SIP domain' : found.join(', ')
  return (
    `the certificate is for ${names}, and ${domain} was expected: call the server by a name it has` +
    ` (tls.servername sets the name to expect)${found.some(name => name.startsWith('*')) ? '; SIP takes no wildcards' : ''}`
  )
}
