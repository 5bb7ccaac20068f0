import { OptionError } from '../../runtime/errors.ts'
import { AesCmTransform } from './aes-cm.ts'
import { AesGcmTransform } from './aes-gcm.ts'
import { deriveSessionKeys } from './key-derivation.ts'
import type { SrtpProfile } from './profiles.ts'
import type { Transform } from './transform.ts'

/** A master key as both sides agreed on it. */
export interface SrtpMasterKey {
  /** As long as the profile says. Copied. */
  readonly masterKey: Uint8Array
  readonly masterSalt: Uint8Array
  /** Master key identifier, 1 … 128 octets: in every packet, as it is here. */
  readonly mki?: Uint8Array
  /** Packets it may protect, RTP and RTCP each, when that is fewer than the profile's limits (RFC 4568 §6.1). */
  readonly lifetime?: number
}

const noMki = new Uint8Array(0)
const MAX_MKI = 128

/** A master key with the transforms it leads to, made when the first packet needs them, and how much it was used. */
export class KeyInUse {
  readonly mki: Uint8Array
  /** Packets it may still protect. */
  rtpLeft: number
  rtcpLeft: number
  readonly #profile: SrtpProfile
  readonly #key: Uint8Array
  readonly #salt: Uint8Array
  #rtp: Transform | undefined
  #rtcp: Transform | undefined

  constructor(profile: SrtpProfile, { masterKey, masterSalt, mki = noMki, lifetime }: SrtpMasterKey) {
    requireLength('masterKey', masterKey, profile.keyOctets, profile)
    requireLength('masterSalt', masterSalt, profile.saltOctets, profile)
    if (mki.length > MAX_MKI) {
      throw new OptionError('mki', `${mki.length} octets; RFC 4568 has room for ${MAX_MKI}`)
    }
    if (lifetime !== undefined && !(Number.isSafeInteger(lifetime) && lifetime >= 1)) {
      throw new OptionError('lifetime', `${lifetime} is no number of packets; leave it out for the profile's`)
    }
    this.#profile = profile
    this.#key = Uint8Array.from(masterKey)
    this.#salt = Uint8Array.from(masterSalt)
    this.mki = Uint8Array.from(mki)
    this.rtpLeft = Math.min(lifetime ?? profile.maxRtpPackets, profile.maxRtpPackets)
    this.rtcpLeft = Math.min(lifetime ?? profile.maxRtcpPackets, profile.maxRtcpPackets)
  }

  get rtp(): Transform {
    return (this.#rtp ??= this.#transform('rtp', this.#profile.rtpTagOctets))
  }

  get rtcp(): Transform {
    return (this.#rtcp ??= this.#transform('rtcp', this.#profile.rtcpTagOctets))
  }

  close(): void {
    this.#rtp?.close()
    this.#rtcp?.close()
    this.#key.fill(0)
    this.#salt.fill(0)
    this.rtpLeft = 0
    this.rtcpLeft = 0
  }

  #transform(stream: 'rtp' | 'rtcp', tagOctets: number): Transform {
    const keys = deriveSessionKeys(this.#profile, this.#key, this.#salt, stream)
    const ahead = stream === 'rtp'
    const made =
      this.#profile.transform === 'aes-gcm'
        ? new AesGcmTransform(keys, ahead)
        : new AesCmTransform(keys, tagOctets, ahead)
    keys.key.fill(0)
    keys.salt.fill(0)
    keys.authenticationKey.fill(0)
    return made
  }
}

function requireLength(field: string, bytes: Uint8Array, octets: number, { name }: SrtpProfile): void {
  if (bytes.length !== octets) {
    throw new OptionError(field, `${bytes.length} octets; ${name} takes ${octets}`)
  }
}
