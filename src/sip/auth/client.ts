import { SipError } from '../../runtime/errors.ts'
import type { Random } from '../../runtime/runtime.ts'
import type { SipResponse } from '../message/message.ts'
import { digestChallenges } from './challenge.ts'
import type { DigestChallenge } from './challenge.ts'
import { chooseQop, digestAlgorithm, digestCredentials } from './digest.ts'

export interface UsernamePassword {
  readonly username: string
  readonly password: string
}

/**
 * A name and password for whoever asks, or a function that chooses by realm (and by proxy or server). It may answer undefined for a realm
 * it has nothing for.
 */
export type Credentials =
  | UsernamePassword
  | ((challenge: DigestChallenge) => UsernamePassword | undefined | Promise<UsernamePassword | undefined>)

/** A request could not be authenticated. Check user name, password and realm. */
export class SipAuthError extends SipError {
  override readonly name: string = 'SipAuthError'
  /** The realm that asked; undefined when no usable challenge came. */
  readonly realm: string | undefined
  readonly algorithm: string | undefined
  /** 401 or 407. */
  readonly statusCode: number
  readonly response: SipResponse

  constructor(message: string, response: SipResponse, challenge?: { realm: string; algorithm: string }) {
    super('SIP_AUTH', message)
    this.realm = challenge?.realm
    this.algorithm = challenge?.algorithm
    this.statusCode = response.statusCode
    this.response = response
  }
}

export interface DigestRequest {
  readonly method: string
  /** The Request-URI exactly as it goes out. */
  readonly uri: string
  readonly body?: Uint8Array
}

/** Realms remembered by one client; the oldest is forgotten beyond that. */
const MAX_REALMS = 16
/** Answers to one realm within one request when every refusal says `stale=true`. */
const MAX_STALE_ANSWERS = 3
/** Answers to one realm within one request when the server just sends another nonce: the second may be for a farm that shares none. */
const MAX_FRESH_ANSWERS = 2

/** What is kept of one protection space: a proxy or server, and its realm. */
interface Realm {
  challenge: DigestChallenge
  readonly user: UsernamePassword
  nonceCount: number
  cnonce: string
  sessionKey: { readonly nonce: string; readonly cnonce: string }
}

/**
 * Answers Digest challenges (RFC 3261 §22, RFC 7616, RFC 8760) and remembers nonces, so that later requests carry their credentials at once.
 * One per dialog, registration or peer.
 */
export class DigestClient {
  readonly #credentials: Credentials
  readonly #random: Random
  readonly #realms = new Map<string, Realm>()

  constructor(options: { readonly credentials: Credentials; readonly random: Random }) {
    this.#credentials = options.credentials
    this.#random = options.random
  }

  /** Starts one request: it and its repeats share a limit of answers. */
  exchange(): DigestExchange {
    return new DigestExchange(this.#realms, this.#credentials, this.#random)
  }

  /**
   * Header fields for a request whose realms are known, without an exchange; the nonce counts go up.
   */
  authorise(request: DigestRequest): (readonly [name: string, value: string])[] {
    return authorise(this.#realms.values(), request)
  }
}

/** One request and its repeats after 401 or 407. */
export class DigestExchange {
  readonly #realms: Map<string, Realm>
  readonly #credentials: Credentials
  readonly #random: Random
  /** Answers given within this exchange, by realm. */
  readonly #answers = new Map<string, number>()

  constructor(realms: Map<string, Realm>, credentials: Credentials, random: Random) {
    this.#realms = realms
    this.#credentials = credentials
    this.#random = random
  }

  /** `Authorization` and `Proxy-Authorization` fields for the next attempt; the nonce counts go up. */
  authorise(request: DigestRequest): (readonly [name: string, value: string])[] {
    return authorise(this.#realms.values(), request)
  }

  /**
   * Takes in the challenges of a 401 or 407; afterwards `authorise` answers them.
   * @throws SipAuthError no challenge we can answer, no credentials for the realm, or the answer was refused
   */
  async challenged(response: SipResponse): Promise<void> {
    const chosen = chooseChallenges(response)
    if (chosen.size === 0) {
      throw new SipAuthError(
        `${response.statusCode} carried no Digest challenge with an algorithm and qop we know; ask the server for MD5, SHA-256 or SHA-512-256 with qop auth, auth-int or none`,
        response,
      )
    }
    let answered = 0
    let missing: DigestChallenge | undefined
    for (const [key, challenge] of chosen) {
      const known = this.#realms.get(key)
      this.#refuseLoop(key, challenge, known, response)
      // A stale nonce says that the password was right: it is not asked for again.
      const user = known !== undefined && challenge.stale ? known.user : await this.#userFor(challenge)
      if (user === undefined) {
        this.#realms.delete(key)
        missing = challenge
        continue
      }
      this.#remember(key, challenge, user)
      this.#answers.set(key, (this.#answers.get(key) ?? 0) + 1)
      answered++
    }
    if (answered === 0 && missing !== undefined) {
      throw new SipAuthError(
        `No credentials for realm ${JSON.stringify(missing.realm)}, which asked with ${response.statusCode}; give some for it`,
        response,
        missing,
      )
    }
  }

  #refuseLoop(
    key: string,
    challenge: DigestChallenge,
    known: Realm | undefined,
    response: SipResponse,
  ): void {
    if (known === undefined || known.nonceCount === 0) return
    const answers = this.#answers.get(key) ?? 0
    const refused = challenge.stale
      ? answers >= MAX_STALE_ANSWERS
      : answers >= MAX_FRESH_ANSWERS || known.challenge.nonce === challenge.nonce
    if (!refused) return
    this.#realms.delete(key)
    throw new SipAuthError(
      `The ${challenge.algorithm} answer to realm ${JSON.stringify(challenge.realm)} was refused with ${response.statusCode}; check user name and password`,
      response,
      challenge,
    )
  }

  async #userFor(challenge: DigestChallenge): Promise<UsernamePassword | undefined> {
    return typeof this.#credentials === 'function' ? this.#credentials(challenge) : this.#credentials
  }

  #remember(key: string, challenge: DigestChallenge, user: UsernamePassword): void {
    const cnonce = Buffer.from(this.#random.bytes(12)).toString('base64url')
    this.#realms.delete(key)
    if (this.#realms.size >= MAX_REALMS) {
      const oldest = this.#realms.keys().next()
      if (oldest.done !== true) this.#realms.delete(oldest.value)
    }
    this.#realms.set(key, {
      challenge,
      user,
      nonceCount: 0,
      cnonce,
      sessionKey: { nonce: challenge.nonce, cnonce },
    })
  }
}

function authorise(
  realms: Iterable<Realm>,
  request: DigestRequest,
): (readonly [name: string, value: string])[] {
  const headers: (readonly [string, string])[] = []
  for (const realm of realms) {
    realm.nonceCount++
    const value = digestCredentials({
      challenge: realm.challenge,
      username: realm.user.username,
      password: realm.user.password,
      method: request.method,
      uri: request.uri,
      ...(request.body === undefined ? {} : { body: request.body }),
      nonceCount: realm.nonceCount,
      cnonce: realm.cnonce,
      sessionKey: realm.sessionKey,
    })
    headers.push([realm.challenge.proxy ? 'Proxy-Authorization' : 'Authorization', value])
  }
  return headers
}

/**
 * The strongest answerable challenge of each realm. RFC 8760 §2.4 has the client take the topmost; a server that lists MD5 first for the sake
 * of old clients still gets the best both know.
 */
function chooseChallenges(response: SipResponse): Map<string, DigestChallenge> {
  const chosen = new Map<string, DigestChallenge>()
  for (const challenge of digestChallenges(response)) {
    if (chooseQop(challenge) === undefined) continue
    const algorithm = digestAlgorithm(challenge.algorithm)
    if (algorithm === undefined) continue
    const key = `${challenge.proxy ? 'proxy' : 'server'} ${challenge.realm}`
    const best = chosen.get(key)
    const bestStrength = best === undefined ? 0 : (digestAlgorithm(best.algorithm)?.strength ?? 0)
    if (algorithm.strength > bestStrength) chosen.set(key, challenge)
  }
  return chosen
}
