import type { NegotiatedCrypto } from '../sdp/crypto-negotiation.ts'
import type { CryptoKey } from '../sdp/crypto.ts'
import { sameKey } from '../sdp/crypto.ts'
import { srtpFailures, srtpProfiles } from '../srtp/profiles.ts'
import type { SrtpFailure, SrtpProfile } from '../srtp/profiles.ts'
import type { SrtpMasterKey } from '../srtp/master-key.ts'
import { SrtpReceiver } from '../srtp/receiver.ts'
import { SrtpSender } from '../srtp/sender.ts'

/** Packets that were thrown away or never left, by what SRTP found wrong with them. */
export type CryptoFailures = Readonly<Record<SrtpFailure, number>>

interface KeyedSender {
  readonly suite: string
  readonly key: CryptoKey
  readonly sender: SrtpSender
  readonly profile: SrtpProfile
}

interface KeyedReceiver {
  readonly suite: string
  /** Told apart by their MKI when there are several. */
  readonly keys: readonly CryptoKey[]
  readonly receiver: SrtpReceiver
}

/** Where packets go: a socket. */
export interface PacketOut {
  send(packet: Uint8Array, port: number, address: string): void
}

/**
 * SRTP and SRTCP of one call, one context per direction. A context lives as long as its key is agreed on: through every renegotiation that keeps the key,
 * and through one that was taken back, so that no index of a stream is ever protected twice (RFC 3711 §9.1).
 */
export class MediaCrypto implements PacketOut {
  readonly #out: PacketOut
  readonly #senders: KeyedSender[] = []
  #sender: KeyedSender | undefined
  /** The one agreed on. */
  #receiver: KeyedReceiver | undefined
  /** Of before the keys were changed, the newest first. */
  #former: KeyedReceiver[] = []
  /** When those of before are given up at the latest. */
  #retireAt = Infinity
  #byFormerKey = false
  readonly #failures: Map<number, number> = new Map()

  constructor(out: PacketOut) {
    this.#out = out
  }

  /** By what was wrong; all that never happened are 0. */
  get failures(): CryptoFailures {
    const entries = Object.entries(srtpFailures).map(([name, code]) => [name, this.#failures.get(code) ?? 0])
    return Object.fromEntries(entries) as CryptoFailures
  }

  get failed(): number {
    let sum = 0
    for (const count of this.#failures.values()) sum += count
    return sum
  }

  /** The packet unprotected last had a key of before: whoever sent it need not be party to what was agreed since. */
  get byFormerKey(): boolean {
    return this.#byFormerKey
  }

  /** A packet with a key of before was not taken, as it did not come from the peer. */
  countForeign(): void {
    this.#count(srtpFailures.authentication)
  }

  /**
   * Takes up what was agreed. A known key goes on where it was; with another the rollover counter of `ssrc`, our stream, begins at 0, as most peers
   * expect. RFC 3711 §3.3.1 lets it go on instead: true when the two differ, and our stream needs another SSRC that makes them one.
   */
  configure({ suite, send, receive }: NegotiatedCrypto, ssrc: number, now: number): boolean {
    const before = this.#sender
    this.#sender = this.#senderOf(suite, send)
    this.#expect(suite, receive, now)
    return this.#sender !== before && (before?.sender.rolloverOf(ssrc) ?? 0) > 0
  }

  #expect(suite: string, receive: readonly CryptoKey[], now: number): void {
    const current = this.#receiver
    if (current !== undefined && isSet(current, suite, receive)) return
    // The peer's packets of before are on their way still, and more come until it has our answer.
    const before = current === undefined ? this.#former : [current, ...this.#former]
    const known = before.find(entry => isSet(entry, suite, receive))
    this.#receiver = known ?? receiverOf(suite, receive, current)
    const former = before.filter(entry => entry !== known)
    this.#former = former.slice(0, MAX_FORMER)
    this.#retireAt = now + LAST_OVERLAP_MS
    this.#byFormerKey = false
    for (const { receiver } of former.slice(MAX_FORMER)) receiver.close()
  }

  /** Decrypts a packet in place once it is authenticated; its length then, or a negative code. */
  unprotectRtp(packet: Uint8Array, now: number): number {
    const length = (this.#receiver as KeyedReceiver).receiver.unprotectRtp(packet)
    return length >= 0 && this.#former.length === 0 ? length : this.#settle(packet, length, now, unprotectRtp)
  }

  unprotectRtcp(packet: Uint8Array, now: number): number {
    const length = (this.#receiver as KeyedReceiver).receiver.unprotectRtcp(packet)
    return length >= 0 && this.#former.length === 0
      ? length
      : this.#settle(packet, length, now, unprotectRtcp)
  }

  /** Protects an RTP packet and sends it. */
  send(packet: Uint8Array, port: number, address: string): void {
    this.#protect(packet, port, address, this.#out, protectRtp)
  }

  /** Protects a compound RTCP packet and sends it by that socket. */
  sendControl(out: PacketOut, packet: Uint8Array, port: number, address: string): void {
    this.#protect(packet, port, address, out, protectRtcp)
  }

  close(): void {
    for (const { sender } of this.#senders) sender.close()
    this.#receiver?.receiver.close()
    this.#retire()
  }

  #protect(packet: Uint8Array, port: number, address: string, out: PacketOut, how: Protect): void {
    const { sender, profile } = this.#sender as KeyedSender
    const room = how === protectRtp ? profile.rtpOverhead : profile.rtcpOverhead
    const bytes = Buffer.allocUnsafe(packet.length + room)
    bytes.set(packet)
    const length = how(sender, bytes, packet.length)
    if (length < 0) this.#count(length)
    else out.send(length === bytes.length ? bytes : bytes.subarray(0, length), port, address)
  }

  /** Tries the keys of before, and lets go of them when their time is over. */
  #settle(packet: Uint8Array, length: number, now: number, how: Unprotect): number {
    this.#byFormerKey = false
    if (now >= this.#retireAt) this.#retire()
    if (length >= 0) {
      this.#retireAt = Math.min(this.#retireAt, now + OVERLAP_MS)
      return length
    }
    for (const { receiver } of this.#former) {
      const found = how(receiver, packet)
      if (found < 0) continue
      this.#byFormerKey = true
      return found
    }
    this.#count(length)
    return length
  }

  #retire(): void {
    for (const { receiver } of this.#former) receiver.close()
    this.#former = []
  }

  #senderOf(suite: string, key: CryptoKey): KeyedSender {
    const senders = this.#senders
    const at = senders.findIndex(entry => entry.suite === suite && sameKey(entry.key, key))
    const known = at < 0 ? undefined : senders.splice(at, 1)[0]
    const sender = known ?? senderOf(suite, key)
    // In the order of use. One that was in use so long ago cannot come back: a negotiation is taken back by one step only.
    senders.push(sender)
    if (senders.length > MAX_SENDERS) senders.shift()?.sender.close()
    return sender
  }

  #count(code: number): void {
    this.#failures.set(code, (this.#failures.get(code) ?? 0) + 1)
  }
}

/** How long packets with the old key are taken once the new one is in use. */
const OVERLAP_MS = 1_000
/** And while it is not: a peer has its answer by then, or none at all (RFC 3261 §13.3.1.4, 64*T1). */
const LAST_OVERLAP_MS = 32_000
const MAX_FORMER = 4
const MAX_SENDERS = 4
/** A stream takes another SSRC with each change of its RTP clock, which parties may do as often as they like. */
const MAX_SOURCES = 1024

type Protect = (sender: SrtpSender, bytes: Uint8Array, length: number) => number
type Unprotect = (receiver: SrtpReceiver, packet: Uint8Array) => number

function protectRtp(sender: SrtpSender, bytes: Uint8Array, length: number): number {
  return sender.protectRtp(bytes, length)
}

function protectRtcp(sender: SrtpSender, bytes: Uint8Array, length: number): number {
  return sender.protectRtcp(bytes, length)
}

function unprotectRtp(receiver: SrtpReceiver, packet: Uint8Array): number {
  return receiver.unprotectRtp(packet)
}

function unprotectRtcp(receiver: SrtpReceiver, packet: Uint8Array): number {
  return receiver.unprotectRtcp(packet)
}

function isSet(entry: KeyedReceiver, suite: string, keys: readonly CryptoKey[]): boolean {
  return (
    entry.suite === suite &&
    entry.keys.length === keys.length &&
    keys.every((key, i) => isKey(entry.keys[i], key))
  )
}

function isKey(a: CryptoKey | undefined, b: CryptoKey): boolean {
  return a !== undefined && sameKey(a, b) && Buffer.compare(a.mki ?? NO_MKI, b.mki ?? NO_MKI) === 0
}

const NO_MKI = new Uint8Array(0)

/**
 * A peer's stream goes on with its rollover counter or begins again at 0, both are done. The lifetime a peer states is its own to keep: to
 * hang up on one that does not would help nobody.
 */
function receiverOf(
  suite: string,
  keys: readonly CryptoKey[],
  before: KeyedReceiver | undefined,
): KeyedReceiver {
  const [first, ...otherKeys] = keys.map(masterKeyOf)
  if (first === undefined) throw new RangeError('no key')
  const receiver = new SrtpReceiver({
    profile: profileOf(suite),
    ...first,
    otherKeys,
    maxSources: MAX_SOURCES,
    ...(before !== undefined && { continues: before.receiver }),
  })
  return { suite, keys, receiver }
}

function senderOf(suite: string, key: CryptoKey): KeyedSender {
  const profile = profileOf(suite)
  const sender = new SrtpSender({ profile, ...masterKeyOf(key), maxSources: MAX_SOURCES })
  return { suite, key, sender, profile }
}

function masterKeyOf({ key, salt, mki }: CryptoKey): SrtpMasterKey {
  return { masterKey: key, masterSalt: salt, ...(mki !== undefined && { mki }) }
}

function profileOf(suite: string): SrtpProfile {
  const profile = srtpProfiles[suite]
  if (profile === undefined) throw new RangeError(`no SRTP profile ${suite}`)
  return profile
}
