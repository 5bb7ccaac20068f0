import { createHmac, timingSafeEqual } from 'node:crypto'

/** Octets: time of issue (milliseconds since 1970), random, HMAC. */
const TIME = 6
const SALT = 8
const MAC = 16
const LENGTH = TIME + SALT + MAC

/**
 * A nonce that carries its own proof (RFC 7616 §5.4): when it was issued, and an HMAC over that and the realm. Nothing is kept of those handed
 * out, so challenging strangers costs no memory, and every process with the same key knows the nonces of the others.
 */
export function makeNonce(key: Uint8Array, realm: string, issuedAt: number, salt: Uint8Array): string {
  const body = Buffer.alloc(TIME + SALT)
  body.writeUIntBE(Math.trunc(issuedAt), 0, TIME)
  body.set(salt.subarray(0, SALT), TIME)
  return Buffer.concat([body, mac(key, realm, body)]).toString('base64url')
}

/** When the nonce was issued, milliseconds since 1970; undefined when it is none of ours. */
export function issueOf(key: Uint8Array, realm: string, nonce: string): number | undefined {
  if (nonce.length !== (LENGTH * 4) / 3) return undefined
  const octets = Buffer.from(nonce, 'base64url')
  if (octets.length !== LENGTH) return undefined
  const body = octets.subarray(0, TIME + SALT)
  if (!timingSafeEqual(mac(key, realm, body), octets.subarray(TIME + SALT))) return undefined
  return body.readUIntBE(0, TIME)
}

function mac(key: Uint8Array, realm: string, body: Uint8Array): Buffer {
  return createHmac('sha256', key).update(body).update(realm).digest().subarray(0, MAC)
}

/** Counts below the highest one seen that may still come, as requests overtake each other. */
const WINDOW = 32

interface Use {
  readonly issuedAt: number
  highest: number
  /** Bit n: `highest - n` has been used. */
  seen: number
}

/**
 * Which nonce counts have been used (RFC 7616 §3.4, `nc`). Only nonces with which somebody has proved a password get in here, at most `max`:
 * when the oldest has to go, unknown nonces of its age and above count as used up, so that forgetting never lets a replay through.
 */
export class NonceUses {
  readonly #max: number
  readonly #uses = new Map<string, Use>()
  #forgottenUntil = -1
  /** Nonces that went before their time. */
  evicted = 0

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#uses.size
  }

  /** Takes one count, once. `forgotten`: the nonce is too old for the table; another one must be used. */
  take(nonce: string, issuedAt: number, count: number): 'taken' | 'replayed' | 'forgotten' {
    const use = this.#uses.get(nonce)
    if (use === undefined) {
      if (issuedAt <= this.#forgottenUntil) return 'forgotten'
      this.#uses.set(nonce, { issuedAt, highest: count, seen: 1 })
      if (this.#uses.size > this.#max) this.#forgetOldest()
      return 'taken'
    }
    const ahead = count - use.highest
    if (ahead > 0) {
      use.seen = ahead >= WINDOW ? 1 : ((use.seen << ahead) | 1) >>> 0
      use.highest = count
      return 'taken'
    }
    if (-ahead >= WINDOW) return 'replayed'
    const bit = (1 << -ahead) >>> 0
    if ((use.seen & bit) !== 0) return 'replayed'
    use.seen = (use.seen | bit) >>> 0
    return 'taken'
  }

  /** Forgets nonces issued before that time, which nobody may use any more. */
  expire(before: number): void {
    for (const [nonce, { issuedAt }] of this.#uses) {
      if (issuedAt >= before) break
      this.#uses.delete(nonce)
    }
  }

  #forgetOldest(): void {
    for (const [nonce, { issuedAt }] of this.#uses) {
      this.#uses.delete(nonce)
      this.#forgottenUntil = Math.max(this.#forgottenUntil, issuedAt)
      this.evicted++
      return
    }
  }
}
