import { SipError } from './errors.ts'

const untrusted =
  'the certificate of the peer was issued by nobody we trust: give the authority that issued it as tls.ca'

/** What the codes of the system mean to the person who has to put it right. */
const ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is in use: choose another, or stop what holds it',
  EADDRNOTAVAIL: 'this host does not have that address: bind one of its own, or 0.0.0.0',
  EACCES: 'not permitted: choose a port above 1023, or grant the process the right to bind lower ones',
  EPERM: 'not permitted: a firewall or the privileges of the process forbid it',
  EAFNOSUPPORT: 'this host has no IPv6: use an IPv4 address',
  EMFILE: 'too many open sockets: raise the limit of open files (ulimit -n)',
  ECONNREFUSED: 'nobody listens there: check the port, and that the peer is running',
  ECONNRESET: 'the peer broke the connection: try again, or look at its log',
  EHOSTUNREACH: 'no route to that host: check the address and the network between',
  ENETUNREACH: 'no route to that network: check the address and the network between',
  ETIMEDOUT: 'no answer: check the address, and that no firewall drops the packets',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  CERT_HAS_EXPIRED: 'the certificate of the peer has expired: its owner must renew it',
  CERT_NOT_YET_VALID: 'the certificate of the peer is not valid yet: check the clocks',
  ENOTFOUND: 'the name is not known: check its spelling, or use a numeric address',
}

const certificateProblems: ReadonlySet<string> = new Set([
  ...Object.keys(ADVICE).filter(code => ADVICE[code] === untrusted),
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
])

/** Whether a connection was given up because of the certificate of the other side. */
export function isCertificateProblem(error: unknown): boolean {
  const code = systemCode((error as { cause?: unknown } | null | undefined)?.cause)
  return code !== undefined && certificateProblems.has(code)
}

/** The `code` that Node and the system put on an error. */
export function systemCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null | undefined)?.code
  return typeof code === 'string' ? code : undefined
}

/**
 * Wraps what the system said in a `SipError` of code `SIP_TRANSPORT`.
 * @param what what was tried, such as `bind udp 0.0.0.0:5060`
 */
export function transportError(what: string, cause: unknown): SipError {
  const code = systemCode(cause)
  const advice = code === undefined ? undefined : ADVICE[code]
  const said = code ?? (cause instanceof Error ? cause.message : String(cause))
  return new SipError('SIP_TRANSPORT', `cannot ${what}: ${advice ?? 'the system refused it'} (${said})`, {
    cause,
  })
}

/** `127.0.0.1:5060`, `[::1]:5060`. */
export function hostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
