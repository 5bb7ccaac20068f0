import type { Random } from '../../runtime/runtime.ts'
import type { CryptoCapability, LocalCapabilities } from './capabilities.ts'
import {
  type CryptoKey,
  type CryptoLine,
  type CryptoSuite,
  sameKey,
  splitKey,
  usableCrypto,
  writeCrypto,
} from './crypto.ts'
import type { MediaDescription } from './description.ts'
import { type SdpError, unacceptable } from './error.ts'

/** A line of ours, and the key in it. */
export interface LocalCrypto {
  readonly tag: string
  readonly suite: CryptoSuite
  /** The name to write: in an answer that of the offer. */
  readonly suiteName: string
  /** Master key and master salt. */
  readonly material: Uint8Array
}

/** How the packets of a stream are protected, both ways with one suite (RFC 4568 §5.1.2). */
export interface NegotiatedCrypto {
  readonly suite: string
  readonly tag: string
  /** Ours, for what we send. */
  readonly send: CryptoKey
  /** The peer's, for what we receive; more than one only where each has an MKI. */
  readonly receive: readonly CryptoKey[]
}

export function cryptoValue({ tag, suiteName, material }: LocalCrypto): string {
  return writeCrypto(tag, suiteName, material)
}

export function isSecure(protocol: string): boolean {
  return /^RTP\/SAVPF?$/i.test(protocol)
}

/** The transports of an offer we accept, the one to offer first. */
export function protocolsOf(capabilities: LocalCapabilities): readonly string[] {
  return capabilities.protocols ?? (capabilities.crypto === undefined ? plain : [...secure, ...plain])
}

const plain = ['RTP/AVP', 'RTP/AVPF']
const secure = ['RTP/SAVP', 'RTP/SAVPF']

/** What of an offered stream's protection keeps us from taking it. */
export function cryptoProblem(
  line: MediaDescription,
  crypto: CryptoCapability | undefined,
): SdpError | undefined {
  if (crypto === undefined || chooseCrypto(line, crypto) !== undefined) return undefined
  if (isSecure(line.protocol))
    return unacceptable(`no a=crypto line of the offered ${line.protocol} can be used`, 'crypto', 306)
  if (crypto.mode === 'required')
    return unacceptable(
      `the offer has ${line.protocol} without a=crypto, and SRTP is required here`,
      'm',
      302,
    )
  return undefined
}

/** The first usable line: the order of an offer is its preference (RFC 4568 §5.1.2). */
export function chooseCrypto(
  line: MediaDescription,
  crypto: CryptoCapability | undefined,
): CryptoLine | undefined {
  return crypto === undefined ? undefined : usableCrypto(line.crypto, crypto.suites)[0]
}

export function agreedCrypto(local: LocalCrypto, remote: CryptoLine): NegotiatedCrypto {
  return {
    suite: local.suite.name,
    tag: local.tag,
    send: splitKey(local.material, local.suite),
    receive: remote.keys,
  }
}

/**
 * What the answer to our offer settles; `undefined` for a stream without protection.
 * @throws SdpError 488 when it does not fit the offer (RFC 4568 §5.1.3)
 */
export function answeredCrypto(
  offered: readonly LocalCrypto[],
  remote: MediaDescription,
  crypto: CryptoCapability | undefined,
): NegotiatedCrypto | undefined {
  const lines = remote.crypto
  if (offered.length === 0) {
    if (lines.length === 0) return undefined
    throw unacceptable('the answer has a=crypto and the offer had none', 'crypto', 306)
  }
  if (lines.length === 0) {
    // A peer that takes the stream but not its protection: for us to judge, and only while it does not claim to protect.
    if (crypto?.mode === 'optional' && !isSecure(remote.protocol)) return undefined
    throw unacceptable('the answer has no a=crypto for the SRTP that was offered', 'crypto', 306)
  }
  if (lines.length > 1)
    throw unacceptable(`the answer has ${lines.length} a=crypto lines where one is due`, 'crypto', 306)
  const suites = offered.map(line => line.suite)
  const [answer] = usableCrypto(lines, suites)
  if (answer === undefined)
    throw unacceptable('the a=crypto line of the answer cannot be used', 'crypto', 306)
  const local = offered.find(line => Number(line.tag) === Number(answer.tag))
  if (local === undefined || local.suite !== answer.suite)
    throw unacceptable(`the answer has a=crypto:${answer.tag}, which was not offered so`, 'crypto', 306)
  return agreedCrypto(local, answer)
}

/** What was agreed, and from which lines. */
export interface CryptoInForce {
  readonly agreed: NegotiatedCrypto
  /** Ours of the last exchange: the one in use, and those the peer left alone. */
  readonly lines: readonly LocalCrypto[]
}

/**
 * Draws our keys. A key stays through every exchange (RFC 4568 §7.1.4 lets it) unless the other side changed its own, which
 * is how a stream that begins anew announces itself, or new ones are asked for: then nothing of the old is used again.
 */
export class CryptoKeys {
  readonly #random: Random
  #lastTag = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** The lines of an offer: the one in use first, then all other suites in our order. */
  offer(
    { suites, offered = suites }: CryptoCapability,
    inForce: CryptoInForce | undefined,
    fresh: boolean,
  ): readonly LocalCrypto[] {
    const kept = fresh || inForce === undefined ? [] : inForce.lines
    const inUse = kept.find(line => line.tag === inForce?.agreed.tag)
    const others = offered
      .filter(suite => suite.name !== inUse?.suite.name)
      .map(suite => kept.find(line => line.suite.name === suite.name) ?? this.#line(suite))
    return inUse === undefined ? others : [inUse, ...others]
  }

  /** Our line in the answer to an offer. */
  answer(chosen: CryptoLine, inForce: CryptoInForce | undefined): LocalCrypto {
    const { tag, suite, suiteName } = chosen
    const goesOn =
      inForce?.agreed.suite === suite.name && chosen.keys.some(key => isKnown(key, inForce.agreed.receive))
    const before = goesOn ? inForce.lines.find(line => line.tag === inForce.agreed.tag) : undefined
    if (Number(tag) < maxTag) this.#lastTag = Math.max(this.#lastTag, Number(tag))
    return { tag, suite, suiteName, material: before?.material ?? this.#draw(suite) }
  }

  /** Tags grow with each new key: there are peers that take a tag they know for the key they know. */
  #line(suite: CryptoSuite): LocalCrypto {
    this.#lastTag += 1
    return { tag: String(this.#lastTag), suite, suiteName: suite.name, material: this.#draw(suite) }
  }

  #draw({ keyOctets, saltOctets }: CryptoSuite): Uint8Array {
    return this.#random.bytes(keyOctets + saltOctets)
  }
}

/** A tag has nine digits at the most (RFC 4568 §9.1): one that leaves no room above it does not count. */
const maxTag = 900_000_000

function isKnown(key: CryptoKey, known: readonly CryptoKey[]): boolean {
  return known.some(other => sameKey(key, other))
}
