import { OptionError } from '../../runtime/errors.ts'
import { KeyInUse } from './master-key.ts'
import type { SrtpMasterKey } from './master-key.ts'
import { guessRollover, readUint32, rtpHeaderLength, writeUint32 } from './packets.ts'
import { srtpFailures } from './profiles.ts'
import type { SrtpProfile } from './profiles.ts'
import { RTCP_CLEAR_OCTETS } from './transform.ts'

export interface SrtpSenderOptions extends SrtpMasterKey {
  readonly profile: SrtpProfile
  /** SSRCs that may be sent with one key, RTP and RTCP each. Default 16. */
  readonly maxSources?: number
  /**
   * The context of before the keys were changed. Its streams go on with their rollover counters, as RFC 3711 §3.3.1 asks of a
   * new master key; without it they begin at 0.
   */
  readonly continues?: SrtpSender
}

/** What is kept of one SSRC. */
interface SentStream {
  readonly ssrc: number
  rollover: number
  /** Of the newest packet; -1 before the first. */
  sequence: number
  /** Indexes left out by packets of a relayed stream that came out of order, the newest last; absent for a stream without gaps. */
  skipped?: number[]
}

interface SentControl {
  readonly ssrc: number
  index: number
}

/** Numbers left out that may still be sent. */
const MAX_SKIPPED = 128
const MAX_RTCP_INDEX = 0x7fffffff
const ENCRYPTED = 0x80000000

/**
 * Protects what one direction sends with one master key (RFC 3711 §3.3). Never the same index of an SSRC twice: a sequence number that
 * does not go forward is refused, since key stream used twice gives both packets away (§9.1). One that was left out is taken once, as a
 * stream that is passed on arrives out of order.
 */
export class SrtpSender {
  readonly profile: SrtpProfile
  /** How much packets grow by, the master key identifier included. */
  readonly rtpOverhead: number
  readonly rtcpOverhead: number
  readonly #key: KeyInUse
  readonly #mkiBeforeTag: boolean
  readonly #maxSources: number
  readonly #streams: SentStream[] = []
  readonly #controls: SentControl[] = []
  #current: SentStream = { ssrc: -1, rollover: 0, sequence: -1 }
  #closed = false

  /** @throws OptionError when a key, salt, identifier or limit does not fit the profile */
  constructor(options: SrtpSenderOptions) {
    const { profile, maxSources = 16, continues } = options
    if (!(Number.isSafeInteger(maxSources) && maxSources >= 1)) {
      throw new OptionError('maxSources', `${maxSources} is no number of SSRCs; 1 is the least`)
    }
    this.profile = profile
    this.#key = new KeyInUse(profile, options)
    this.#mkiBeforeTag = profile.transform === 'aes-cm-hmac-sha1'
    this.#maxSources = maxSources
    this.rtpOverhead = profile.rtpOverhead + this.#key.mki.length
    this.rtcpOverhead = profile.rtcpOverhead + this.#key.mki.length
    if (continues !== undefined) {
      for (const stream of continues.#streams.slice(-maxSources)) this.#streams.push({ ...stream })
    }
  }

  /** Packets the key may still protect. */
  get rtpPacketsLeft(): number {
    return this.#key.rtpLeft
  }

  get rtcpPacketsLeft(): number {
    return this.#key.rtcpLeft
  }

  /** The rollover counter of an SSRC; undefined when nothing was sent with it. */
  rolloverOf(ssrc: number): number | undefined {
    return this.#streams.find(stream => stream.ssrc === ssrc)?.rollover
  }

  /**
   * Turns the RTP packet in the first `length` octets of `buffer` into an SRTP packet, in place; `buffer` has room for
   * `rtpOverhead` octets more. Returns its length, or a negative code of `srtpFailures` with the packet as it was.
   */
  protectRtp(buffer: Uint8Array, length: number): number {
    if (this.#closed) return srtpFailures.closed
    const headerLength = rtpHeaderLength(buffer, length)
    if (headerLength < 0) return length < 12 ? srtpFailures['too-short'] : srtpFailures.malformed
    if (length + this.rtpOverhead > buffer.length) return srtpFailures['no-room']
    if (this.#key.rtpLeft <= 0) return srtpFailures['key-expired']
    const ssrc = readUint32(buffer, 8)
    let stream: SentStream | undefined = this.#current
    if (stream.ssrc !== ssrc) {
      stream = this.#streamOf(ssrc)
      if (stream === undefined) return srtpFailures['too-many-sources']
    }
    const sequence = (buffer[2]! << 8) | buffer[3]!
    let { rollover } = stream
    if (stream.sequence >= 0 && sequence !== stream.sequence + 1) {
      rollover = guessRollover(sequence, stream.sequence, stream.rollover)
      if (rollover > 0xffffffff) return srtpFailures['key-expired']
    }
    if (rollover < stream.rollover || (rollover === stream.rollover && sequence <= stream.sequence)) {
      if (!takeSkipped(stream, rollover, sequence)) return srtpFailures['index-reuse']
    } else {
      if (sequence !== stream.sequence + 1) noteSkipped(stream, rollover, sequence)
      stream.rollover = rollover
      stream.sequence = sequence
    }
    this.#key.rtpLeft -= 1

    const { mki, rtp } = this.#key
    const tagAt = this.#mkiBeforeTag ? length + mki.length : length
    rtp.sealRtp(buffer, headerLength, length, tagAt, ssrc, rollover, sequence)
    if (mki.length > 0) {
      buffer.set(mki, this.#mkiBeforeTag ? length : length + this.profile.rtpTagOctets)
    }
    return length + this.rtpOverhead
  }

  /** The same for a compound RTCP packet (RFC 3711 §3.4), with room for `rtcpOverhead` octets more. */
  protectRtcp(buffer: Uint8Array, length: number): number {
    if (this.#closed) return srtpFailures.closed
    if (length < RTCP_CLEAR_OCTETS) return srtpFailures['too-short']
    if (buffer[0]! >> 6 !== 2) return srtpFailures.malformed
    if (length + this.rtcpOverhead > buffer.length) return srtpFailures['no-room']
    if (this.#key.rtcpLeft <= 0) return srtpFailures['key-expired']
    const ssrc = readUint32(buffer, 4)
    const control = this.#controlOf(ssrc)
    if (control === undefined) return srtpFailures['too-many-sources']
    if (control.index > MAX_RTCP_INDEX) return srtpFailures['key-expired']
    const { index } = control
    control.index += 1
    this.#key.rtcpLeft -= 1

    const { mki, rtcp } = this.#key
    const { rtcpTagOctets } = this.profile
    // AES-CM: packet, index, MKI, tag (RFC 3711 §3.4). AES-GCM: packet, tag, index, MKI (RFC 7714 §9.2).
    const wordAt = this.#mkiBeforeTag ? length : length + rtcpTagOctets
    const mkiAt = wordAt + 4
    writeUint32(buffer, wordAt, ENCRYPTED | index)
    rtcp.sealRtcp(buffer, length, wordAt, this.#mkiBeforeTag ? mkiAt + mki.length : length, ssrc, index)
    buffer.set(mki, mkiAt)
    return length + this.rtcpOverhead
  }

  /** Forgets the keys; nothing can be protected any more. */
  close(): void {
    this.#closed = true
    this.#key.close()
  }

  #streamOf(ssrc: number): SentStream | undefined {
    let stream = this.#streams.find(known => known.ssrc === ssrc)
    if (stream === undefined) {
      if (this.#streams.length >= this.#maxSources) return undefined
      stream = { ssrc, rollover: 0, sequence: -1 }
      this.#streams.push(stream)
    }
    this.#current = stream
    return stream
  }

  #controlOf(ssrc: number): SentControl | undefined {
    let control = this.#controls.find(known => known.ssrc === ssrc)
    if (control === undefined) {
      if (this.#controls.length >= this.#maxSources) return undefined
      control = { ssrc, index: 0 }
      this.#controls.push(control)
    }
    return control
  }
}

function noteSkipped(stream: SentStream, rollover: number, sequence: number): void {
  if (stream.sequence < 0) return
  const last = stream.rollover * 0x10000 + stream.sequence
  const index = rollover * 0x10000 + sequence
  for (let left = Math.max(last + 1, index - MAX_SKIPPED); left < index; left += 1) {
    stream.skipped ??= []
    stream.skipped.push(left)
    if (stream.skipped.length > MAX_SKIPPED) stream.skipped.shift()
  }
}

function takeSkipped(stream: SentStream, rollover: number, sequence: number): boolean {
  const at = stream.skipped?.indexOf(rollover * 0x10000 + sequence) ?? -1
  if (at < 0) return false
  stream.skipped?.splice(at, 1)
  return true
}
