import { timingSafeEqual } from 'node:crypto'
import { OptionError } from '../../runtime/errors.ts'
import { Authorization, ProxyAuthorization } from '../message/headers/security.ts'
import type { SipRequest } from '../message/message.ts'
import type { Params } from '../message/params.ts'
import { quote } from '../message/scanner.ts'
import { parseUri } from '../message/uri.ts'
import type { Admission, AdmissionHost, AdmissionPolicy, Refused } from './admission.ts'
import { digestAlgorithm, passwordHash, requestDigest } from './digest.ts'
import type { DigestAlgorithm } from './digest.ts'
import { issueOf, makeNonce, NonceUses } from './nonce.ts'

/** Hashes a challenge may name. MD5 is broken, and there for devices that know nothing else (RFC 8760 §2). */
export type ServerAlgorithm = 'SHA-512-256' | 'SHA-256' | 'MD5'

/** What is known of a user: the password, or H(A1) in hex for each algorithm it may be asked for (RFC 7616 §3.4.2). */
export type UserSecret =
  | { readonly password: string }
  | { readonly ha1: { readonly [Algorithm in ServerAlgorithm]?: string } }

export interface DigestServerOptions {
  /** What users are told they log in to, and part of every HA1. */
  readonly realm: string
  /** The secret of a user; undefined: no such user. An error answers the request with 500. */
  readonly secretOf: (user: string, realm: string) => UserSecret | undefined | Promise<UserSecret | undefined>
  /** A challenge for each, in order of preference (RFC 8760 §2.4). Default SHA-256, SHA-512-256. */
  readonly algorithms?: readonly ServerAlgorithm[]
  /** Default `auth` and `auth-int`; clients take `auth` then. With `auth-int` alone bodies are protected. */
  readonly qop?: readonly ('auth' | 'auth-int')[]
  /** 32 octets or more for the HMAC of nonces; processes that share it take each other's nonces. Default: random, one a policy. */
  readonly key?: Uint8Array
  /** How long a nonce is good for, milliseconds; after it the client is told `stale` and repeats with another. Default 300,000. */
  readonly nonceLifetimeMs?: number
  /** Nonces in use whose counts are remembered against replay. Default 20,000. */
  readonly maxNonces?: number
  /** Sent along, and returned by clients unchanged. */
  readonly opaque?: string
  /** Ask with 407 and Proxy-Authenticate, as a proxy does, in place of 401. */
  readonly proxy?: boolean
  /** Take credentials whose `uri` is not the Request-URI: some platforms write another. Default false: 400. */
  readonly anyUri?: boolean
  /** What these users assert about callers may be believed (RFC 3325). Default false. */
  readonly trusted?: boolean
}

/** Clocks of a cluster may differ by so much, milliseconds. */
const SKEW = 30_000

/**
 * Admits who proves a password (RFC 3261 §22, RFC 7616, RFC 8760), and challenges everybody else: put it last. A wrong password or an unknown
 * user is refused with 403, both alike. Name: `digest`.
 * @throws OptionError
 */
export function admitDigest(options: DigestServerOptions): AdmissionPolicy {
  return new DigestServer(options).policy
}

interface Answer {
  readonly user: string
  readonly algorithm: DigestAlgorithm
  readonly nonce: string
  readonly issuedAt: number
  readonly uri: string
  readonly response: string
  readonly qop: 'auth' | 'auth-int'
  readonly nc: string
  readonly cnonce: string
}

class DigestServer {
  readonly #options: DigestServerOptions
  readonly #algorithms: readonly DigestAlgorithm[]
  readonly #qop: readonly ('auth' | 'auth-int')[]
  readonly #lifetime: number
  readonly #uses: NonceUses
  #key: Uint8Array | undefined

  constructor(options: DigestServerOptions) {
    const { realm, key, algorithms = ['SHA-256', 'SHA-512-256'], qop = ['auth', 'auth-int'] } = options
    if (realm === '') throw new OptionError('realm', 'it is empty; name what users log in to')
    if (key !== undefined && key.length < 32)
      throw new OptionError('key', `${key.length} octets are too few; give 32 or more`)
    if (algorithms.length === 0) throw new OptionError('algorithms', 'there is none; name at least one')
    if (qop.length === 0) throw new OptionError('qop', 'there is none; give auth, auth-int or both')
    this.#options = options
    this.#key = key
    this.#qop = qop
    this.#lifetime = positive('nonceLifetimeMs', options.nonceLifetimeMs ?? 300_000)
    this.#uses = new NonceUses(positive('maxNonces', options.maxNonces ?? 20_000))
    this.#algorithms = algorithms.map(name => {
      const algorithm = digestAlgorithm(name)
      if (algorithm === undefined || algorithm.session)
        throw new OptionError('algorithms', `${name} is not one of SHA-512-256, SHA-256, MD5`)
      return algorithm
    })
  }

  readonly policy: AdmissionPolicy = (request, _flow, host) => {
    const params = this.#credentials(request)
    if (params === undefined) return this.#challenge(host)
    if (params === 'unreadable') return badRequest('Bad Authorization')
    const answer = this.#answer(params, host)
    if (answer === undefined) return this.#challenge(host)
    if (this.#options.anyUri !== true && !sameUri(answer.uri, request.requestUri))
      return badRequest('Authorization URI Mismatch')
    const secret = this.#options.secretOf(answer.user, this.#options.realm)
    return secret !== undefined && 'then' in secret
      ? secret.then(found => this.#decide(answer, found, request, host))
      : this.#decide(answer, secret, request, host)
  }

  /** The Digest credentials for our realm, among those for others. */
  #credentials(request: SipRequest): Params | 'unreadable' | undefined {
    const definition = this.#options.proxy === true ? ProxyAuthorization : Authorization
    try {
      for (const { scheme, params } of request.get(definition) ?? []) {
        if (scheme.toLowerCase() === 'digest' && params.value('realm') === this.#options.realm) return params
      }
      return undefined
    } catch {
      return 'unreadable'
    }
  }

  /** Undefined when there is nothing in it that could be checked: it is asked for again. */
  #answer(params: Params, host: AdmissionHost): Answer | undefined {
    const text = (name: string): string | undefined => params.value(name)
    const [nonce, uri, response, nc, cnonce] = ['nonce', 'uri', 'response', 'nc', 'cnonce'].map(text)
    const user = text('username') ?? extended(text('username*'))
    const qop = this.#qop.find(word => word === text('qop')?.toLowerCase())
    const named = digestAlgorithm(text('algorithm') ?? 'MD5')
    const algorithm = this.#algorithms.find(offered => offered === named)
    if (!nonce || !uri || !response || !nc || !cnonce || user === undefined) return undefined
    if (qop === undefined || algorithm === undefined || !/^[0-9a-f]{8}$/i.test(nc)) return undefined
    const issuedAt = issueOf(this.#keyFrom(host), this.#options.realm, nonce)
    if (issuedAt === undefined) return undefined
    return { user, algorithm, nonce, issuedAt, uri, response, qop, nc, cnonce }
  }

  #decide(
    answer: Answer,
    secret: UserSecret | undefined,
    request: SipRequest,
    host: AdmissionHost,
  ): Admission {
    const { realm } = this.#options
    const ha1 = this.#ha1(answer, secret)
    const expected = requestDigest(answer.algorithm, ha1 ?? '', {
      ...answer,
      method: request.method,
      body: request.body,
    })
    if (!sameText(expected, answer.response) || ha1 === undefined) return { kind: 'refused', statusCode: 403 }
    const now = host.clock.wallTime()
    this.#uses.expire(now - this.#lifetime)
    const { issuedAt, nonce, nc, user } = answer
    const stale = issuedAt < now - this.#lifetime || issuedAt > now + SKEW
    // The password was right: with another nonce it will do (RFC 7616 §3.3, stale).
    if (stale || this.#uses.take(nonce, issuedAt, Number.parseInt(nc, 16)) !== 'taken')
      return this.#challenge(host, true)
    return { kind: 'admitted', by: 'digest', user, realm, trusted: this.#options.trusted === true }
  }

  /** Of an unknown user as much is computed as of a known one, so that the time tells nothing. */
  #ha1({ user, algorithm }: Answer, secret: UserSecret | undefined): string | undefined {
    const { realm } = this.#options
    if (secret !== undefined && 'ha1' in secret) {
      return secret.ha1[algorithm.name as ServerAlgorithm]?.toLowerCase()
    }
    const hash = passwordHash(algorithm, user, realm, secret?.password ?? '')
    return secret === undefined ? undefined : hash
  }

  #challenge(host: AdmissionHost, stale = false): Refused {
    const { realm, opaque, proxy = false } = this.#options
    const nonce = makeNonce(this.#keyFrom(host), realm, host.clock.wallTime(), host.random.bytes(8))
    const common = [
      `realm=${quote(realm)}`,
      `nonce="${nonce}"`,
      ...(opaque === undefined ? [] : [`opaque=${quote(opaque)}`]),
      `qop="${this.#qop.join(',')}"`,
      ...(stale ? ['stale=true'] : []),
    ].join(', ')
    const name = proxy ? 'Proxy-Authenticate' : 'WWW-Authenticate'
    return {
      kind: 'refused',
      statusCode: proxy ? 407 : 401,
      headers: this.#algorithms.map(algorithm => [name, `Digest ${common}, algorithm=${algorithm.name}`]),
    }
  }

  #keyFrom(host: AdmissionHost): Uint8Array {
    this.#key ??= host.random.bytes(32)
    return this.#key
  }
}

function badRequest(reasonPhrase: string): Refused {
  return { kind: 'refused', statusCode: 400, reasonPhrase }
}

/** RFC 8187, `UTF-8''M%C3%BCller`, as RFC 7616 §3.4 has it for names that are not ASCII. */
function extended(value: string | undefined): string | undefined {
  const encoded = /^utf-8'[^']*'(.*)$/i.exec(value ?? '')?.[1]
  if (encoded === undefined) return undefined
  try {
    return decodeURIComponent(encoded)
  } catch {
    return undefined
  }
}

function sameUri(one: string, other: string): boolean {
  if (one === other) return true
  try {
    return parseUri(one).equals(parseUri(other))
  } catch {
    return false
  }
}

/** In constant time for texts of one length; the length of a digest is no secret. */
function sameText(expected: string, given: string): boolean {
  const [a, b] = [Buffer.from(expected), Buffer.from(given.toLowerCase())]
  return a.length === b.length && timingSafeEqual(a, b)
}

function positive(field: string, value: number): number {
  if (!(value >= 1)) throw new OptionError(field, `${value} is not a number of 1 or more`)
  return value
}
