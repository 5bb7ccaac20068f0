import { createCipheriv, createHmac } from 'node:crypto'
import type { SrtpProfile } from '../../../src/media/srtp/profiles.ts'

/**
 * SRTP written down plainly, with a new `node:crypto` object for every step, to hold the fast one against. Protects only: what it
 * makes has to be what the receiver takes, and what the sender makes.
 */
export interface ReferenceKey {
  readonly profile: SrtpProfile
  readonly masterKey: Uint8Array
  readonly masterSalt: Uint8Array
  readonly mki?: Uint8Array
}

/** RFC 3711 §3.1, §4.1, §4.2; RFC 7714 §8. */
export function protectRtpPlainly(key: ReferenceKey, packet: Uint8Array, rollover: number): Buffer {
  const { profile, mki = Buffer.alloc(0) } = key
  const bytes = Buffer.from(packet)
  const header = bytes.subarray(0, headerLengthOf(bytes))
  const payload = bytes.subarray(header.length)
  const index = BigInt(rollover) * 65_536n + BigInt(bytes.readUInt16BE(2))
  const keys = sessionKeys(key, 0)
  if (profile.transform === 'aes-gcm') {
    const iv = xor(number((BigInt(bytes.readUInt32BE(8)) << 48n) | index, 12), keys.salt)
    return Buffer.concat([header, sealGcm(profile, keys.key, iv, header, payload), mki])
  }
  const encrypted = Buffer.concat([header, applyCm(keys, bytes.readUInt32BE(8), index, payload)])
  const tag = hmac(keys.authentication, encrypted, number(BigInt(rollover), 4))
  return Buffer.concat([encrypted, mki, tag.subarray(0, profile.rtpTagOctets)])
}

/** RFC 3711 §3.4; RFC 7714 §9. */
export function protectRtcpPlainly(
  key: ReferenceKey,
  packet: Uint8Array,
  index: number,
  encrypt = true,
): Buffer {
  const { profile, mki = Buffer.alloc(0) } = key
  const bytes = Buffer.from(packet)
  const header = bytes.subarray(0, 8)
  const rest = bytes.subarray(8)
  const ssrc = bytes.readUInt32BE(4)
  const word = number(BigInt(index) + (encrypt ? 0x80000000n : 0n), 4)
  const keys = sessionKeys(key, 3)
  if (profile.transform === 'aes-gcm') {
    const iv = xor(number((BigInt(ssrc) << 48n) | BigInt(index), 12), keys.salt)
    const sealed = encrypt
      ? sealGcm(profile, keys.key, iv, Buffer.concat([header, word]), rest)
      : Buffer.concat([rest, sealGcm(profile, keys.key, iv, Buffer.concat([bytes, word]), Buffer.alloc(0))])
    return Buffer.concat([header, sealed, word, mki])
  }
  const encrypted = encrypt ? Buffer.concat([header, applyCm(keys, ssrc, BigInt(index), rest)]) : bytes
  const tag = hmac(keys.authentication, encrypted, word)
  return Buffer.concat([encrypted, word, mki, tag.subarray(0, profile.rtcpTagOctets)])
}

interface Keys {
  readonly key: Buffer
  readonly salt: Buffer
  readonly authentication: Buffer
}

/** Labels `first` … `first + 2` are encryption, authentication, salt. */
function sessionKeys({ profile, masterKey, masterSalt }: ReferenceKey, first: number): Keys {
  const derive = (label: number, octets: number): Buffer => {
    const salt = Buffer.concat([masterSalt, Buffer.alloc(14 - masterSalt.length)])
    const x = xor(number(BigInt(label) << 48n, 14), salt)
    return ctr(masterKey, Buffer.concat([x, Buffer.alloc(2)]), Buffer.alloc(octets))
  }
  return {
    key: derive(first, profile.keyOctets),
    authentication: derive(first + 1, 20),
    salt: derive(first + 2, profile.saltOctets),
  }
}

/** IV = (salt · 2^16) ⊕ (SSRC · 2^64) ⊕ (index · 2^16) */
function applyCm(keys: Keys, ssrc: number, index: bigint, data: Uint8Array): Buffer {
  const iv = xor(
    number((BigInt(ssrc) << 64n) ^ (index << 16n), 16),
    Buffer.concat([keys.salt, Buffer.alloc(2)]),
  )
  return ctr(keys.key, iv, data)
}

function ctr(key: Uint8Array, iv: Uint8Array, data: Uint8Array): Buffer {
  return createCipheriv(`aes-${key.length * 8}-ctr`, key, iv).update(data)
}

function sealGcm(
  { keyOctets }: SrtpProfile,
  key: Uint8Array,
  iv: Uint8Array,
  associated: Uint8Array,
  data: Uint8Array,
): Buffer {
  const cipher = createCipheriv(keyOctets === 16 ? 'aes-128-gcm' : 'aes-256-gcm', key, iv)
  cipher.setAAD(associated)
  return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()])
}

function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  const mac = createHmac('sha1', key)
  for (const part of parts) mac.update(part)
  return mac.digest()
}

function headerLengthOf(packet: Buffer): number {
  const fixed = 12 + 4 * (packet.readUInt8(0) & 15)
  return (packet.readUInt8(0) & 0x10) === 0 ? fixed : fixed + 4 + 4 * packet.readUInt16BE(fixed + 2)
}

function number(value: bigint, octets: number): Buffer {
  return Buffer.from(value.toString(16).padStart(octets * 2, '0'), 'hex')
}

function xor(a: Uint8Array, b: Uint8Array): Buffer {
  return Buffer.from(a.map((octet, i) => octet ^ (b[i] ?? 0)))
}
