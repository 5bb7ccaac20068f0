/** SRTP crypto suites by the names SDES gives them (RFC 4568 §6.2, RFC 6188 §4, RFC 7714 §14.1), and what can go wrong. */

/** What a crypto suite fixes. All lengths are octets. */
export interface SrtpProfile {
  /** The crypto suite's name in SDES. */
  readonly name: string
  /** Other names that peers write for it. */
  readonly aliases: readonly string[]
  readonly transform: 'aes-cm-hmac-sha1' | 'aes-gcm'
  /** Of the master key and of the session keys. */
  readonly keyOctets: number
  /** Of the master salt. */
  readonly saltOctets: number
  readonly rtpTagOctets: number
  /** 80 bits for the `_32` suites too: RTCP stands on its authentication (RFC 4568 §6.2.2, RFC 3711 §5.2). */
  readonly rtcpTagOctets: number
  /** How much an RTP packet grows by, without a master key identifier. */
  readonly rtpOverhead: number
  /** How much a compound RTCP packet grows by, its index included, without a master key identifier. */
  readonly rtcpOverhead: number
  /** RTP packets that one master key may protect (RFC 3711 §9.2, RFC 7714 §14.2). */
  readonly maxRtpPackets: number
  readonly maxRtcpPackets: number
}

const rtcpIndexOctets = 4

/** One row per suite: RFC 4568 §6.2.1 and §6.2.2, RFC 6188 §4, RFC 7714 §12. */
const rows = [
  // name, aliases, transform, key, salt, tag of RTP, tag of RTCP
  ['AES_CM_128_HMAC_SHA1_80', [], 'aes-cm-hmac-sha1', 16, 14, 10, 10],
  ['AES_CM_128_HMAC_SHA1_32', [], 'aes-cm-hmac-sha1', 16, 14, 4, 10],
  ['AES_256_CM_HMAC_SHA1_80', ['AES_CM_256_HMAC_SHA1_80'], 'aes-cm-hmac-sha1', 32, 14, 10, 10],
  ['AES_256_CM_HMAC_SHA1_32', ['AES_CM_256_HMAC_SHA1_32'], 'aes-cm-hmac-sha1', 32, 14, 4, 10],
  ['AEAD_AES_128_GCM', [], 'aes-gcm', 16, 12, 16, 16],
  ['AEAD_AES_256_GCM', [], 'aes-gcm', 32, 12, 16, 16],
] as const

/** Every suite there is, by name. */
export const srtpProfiles: Readonly<Record<string, SrtpProfile>> = Object.fromEntries(
  rows.map(([name, aliases, transform, keyOctets, saltOctets, rtpTagOctets, rtcpTagOctets]) => [
    name,
    {
      name,
      aliases,
      transform,
      keyOctets,
      saltOctets,
      rtpTagOctets,
      rtcpTagOctets,
      rtpOverhead: rtpTagOctets,
      rtcpOverhead: rtcpTagOctets + rtcpIndexOctets,
      maxRtpPackets: 2 ** 48,
      maxRtcpPackets: 2 ** 31,
    },
  ]),
)

/** Why a packet was not unprotected, or not protected: a negative number where a length is expected. */
export const srtpFailures = {
  /** Shorter than header, tag, index and master key identifier together. */
  'too-short': -1,
  /** Not version 2, or a header that does not fit. */
  malformed: -2,
  /** The tag does not match: damaged, forged, or protected with another key. */
  authentication: -3,
  /** Seen before, or older than the replay window. */
  replay: -4,
  /** No key has this master key identifier. */
  'unknown-mki': -5,
  /** The key protected as many packets as it may; agree on a new one. */
  'key-expired': -6,
  /** As many SSRCs as the context keeps. */
  'too-many-sources': -7,
  /** Only when sending: this index, or a later one, was protected already (RFC 3711 §9.1). */
  'index-reuse': -8,
  /** Only when sending: the buffer has no room for the tag. */
  'no-room': -9,
  /** After `close()`. */
  closed: -10,
} as const

export type SrtpFailure = keyof typeof srtpFailures

/** The name of a negative code; undefined for a length. */
export function srtpFailureOf(code: number): SrtpFailure | undefined {
  return code < 0 ? failureNames[-code] : undefined
}

const failureNames: readonly (SrtpFailure | undefined)[] = Object.entries(srtpFailures).reduce<
  (SrtpFailure | undefined)[]
>((names, [name, code]) => {
  names[-code] = name as SrtpFailure
  return names
}, [])
