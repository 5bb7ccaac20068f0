import type { PeerCertificate, TlsOptions } from '../../runtime/runtime.ts'

/** What a certificate says, as data: the simulated network has no cryptography. */
export interface SimulatedCertificate {
  readonly uris?: readonly string[]
  readonly dnsNames?: readonly string[]
  readonly addresses?: readonly string[]
  readonly commonName?: string
  /** Whether everybody trusts who issued it. Default true. */
  readonly trusted?: boolean
}

export type SessionKind = 'tcp' | 'tls' | 'ws' | 'wss' | 'http' | 'https'

/** What one party brings to the start of a connection. */
export interface Session {
  readonly kind: SessionKind
  readonly tls: TlsOptions | undefined
  readonly certificate: SimulatedCertificate | undefined
}

export const plain: Session = { kind: 'tcp', tls: undefined, certificate: undefined }

/** How a handshake ends: the identities that each side learns, or the code of the error at the client. */
export type Handshake =
  | {
      readonly serverSees: PeerCertificate | undefined
      readonly clientSees: PeerCertificate | undefined
    }
  | { readonly error: string }

/** Peers that speak different protocols break the connection; certificates count as for `node:tls`. */
export function shakeHands(client: Session, server: Session): Handshake {
  if (client.kind !== server.kind) return { error: 'ECONNRESET' }
  if (client.tls === undefined || server.tls === undefined) {
    return { serverSees: undefined, clientSees: undefined }
  }
  const clientSees = identity(server.certificate)
  if (client.tls.verify !== false && clientSees?.trusted !== true) {
    return { error: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' }
  }
  const { requestCert = false } = server.tls
  const serverSees = requestCert === false ? undefined : identity(client.certificate)
  if (requestCert === true && serverSees?.trusted !== true) {
    return { error: 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED' }
  }
  return { serverSees, clientSees }
}

function identity(certificate: SimulatedCertificate | undefined): PeerCertificate | undefined {
  if (certificate === undefined) return undefined
  const { uris = [], dnsNames = [], addresses = [], commonName, trusted = true } = certificate
  return { uris, dnsNames, addresses, commonName, trusted }
}
