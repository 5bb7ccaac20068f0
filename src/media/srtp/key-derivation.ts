import { createCipheriv } from 'node:crypto'
import type { SrtpProfile } from './profiles.ts'

/** What one transform works with: for RTP or for RTCP. */
export interface SessionKeys {
  readonly key: Uint8Array
  /** As long as the master salt. */
  readonly salt: Uint8Array
  /** 20 octets; empty for the AEAD suites, which need none. */
  readonly authenticationKey: Uint8Array
}

/** RFC 3711 §4.3.2. */
const labels = {
  rtp: { encryption: 0, authentication: 1, salt: 2 },
  rtcp: { encryption: 3, authentication: 4, salt: 5 },
} as const

const authenticationKeyOctets = 20

/** Session keys of a master key (RFC 3711 §4.3 with a key derivation rate of 0, RFC 6188 §3, RFC 7714 §11). */
export function deriveSessionKeys(
  profile: SrtpProfile,
  masterKey: Uint8Array,
  masterSalt: Uint8Array,
  stream: 'rtp' | 'rtcp',
): SessionKeys {
  const label = labels[stream]
  const derive = (what: number, octets: number): Uint8Array => deriveKey(masterKey, masterSalt, what, octets)
  return {
    key: derive(label.encryption, profile.keyOctets),
    salt: derive(label.salt, profile.saltOctets),
    authenticationKey:
      profile.transform === 'aes-gcm'
        ? new Uint8Array(0)
        : derive(label.authentication, authenticationKeyOctets),
  }
}

/** The first `octets` of the AES-CM pseudo-random function at `label`. A salt of 12 octets counts as one of 14 that ends in zeros. */
export function deriveKey(
  masterKey: Uint8Array,
  masterSalt: Uint8Array,
  label: number,
  octets: number,
): Uint8Array {
  const iv = new Uint8Array(16)
  iv.set(masterSalt)
  // The label stands above the 48 bits of the index, which is 0: octet 7 of the 14.
  iv[7]! ^= label
  const cipher = createCipheriv(`aes-${masterKey.length * 8}-ctr`, masterKey, iv)
  return new Uint8Array(cipher.update(new Uint8Array(octets)))
}
