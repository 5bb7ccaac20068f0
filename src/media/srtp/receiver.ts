import { OptionError } from '../../runtime/errors.ts'
import { KeyInUse } from './master-key.ts'
import type { SrtpMasterKey } from './master-key.ts'
import { guessRollover, readUint32, rtpHeaderLength } from './packets.ts'
import { srtpFailureOf, srtpFailures } from './profiles.ts'
import type { SrtpFailure, SrtpProfile } from './profiles.ts'
import { ReplayWindow } from './replay-window.ts'
import { RTCP_CLEAR_OCTETS } from './transform.ts'

export interface SrtpReceiverOptions extends SrtpMasterKey {
  readonly profile: SrtpProfile
  /** Keys beside the first, told apart by their identifiers, which are all of one length. 8 keys at most. */
  readonly otherKeys?: readonly SrtpMasterKey[]
  /** Packets before the newest of an SSRC that may still come: 64 … 32,768, a multiple of 32. Default 128. */
  readonly replayWindow?: number
  /** SSRCs that may be received, RTP and RTCP each. Default 32. */
  readonly maxSources?: number
  /** The context of before the keys were changed: its streams may go on with their rollover counters (RFC 3711 §3.3.1). */
  readonly continues?: SrtpReceiver
}

/** What is kept of one SSRC, from its first authentic packet on. */
interface ReceivedStream {
  readonly ssrc: number
  rollover: number
  /** The highest sequence number, in `rollover`. */
  highest: number
  readonly window: ReplayWindow
}

interface ReceivedControl {
  readonly ssrc: number
  readonly window: ReplayWindow
}

const MAX_KEYS = 8
const MAX_ROLLOVER = 0xffffffff

/**
 * Authenticates, then decrypts what one direction receives (RFC 3711 §3.3, §3.4). A packet that is refused is left as it is, counted, and
 * leaves no other trace.
 */
export class SrtpReceiver {
  readonly profile: SrtpProfile
  readonly #keys: KeyInUse[] = []
  /** The one that the newest packet was protected with. */
  #key: KeyInUse
  readonly #mkiOctets: number
  readonly #mkiBeforeTag: boolean
  readonly #windowSize: number
  readonly #maxSources: number
  readonly #streams: ReceivedStream[] = []
  readonly #controls: ReceivedControl[] = []
  readonly #former: readonly ReceivedStream[]
  #current: ReceivedStream | undefined
  readonly #failed: Float64Array = new Float64Array(Object.keys(srtpFailures).length + 1)
  #closed = false

  /** @throws OptionError when a key, salt, identifier or limit does not fit */
  constructor(options: SrtpReceiverOptions) {
    const { profile, otherKeys = [], replayWindow = 128, maxSources = 32, continues } = options
    if (!(Number.isSafeInteger(maxSources) && maxSources >= 1)) {
      throw new OptionError('maxSources', `${maxSources} is no number of SSRCs; 1 is the least`)
    }
    if (!(replayWindow >= 64 && replayWindow <= 0x8000 && replayWindow % 32 === 0)) {
      throw new OptionError('replayWindow', `${replayWindow} packets; a multiple of 32 from 64 to 32768`)
    }
    this.profile = profile
    this.#key = new KeyInUse(profile, options)
    this.#keys.push(this.#key)
    this.#mkiOctets = this.#key.mki.length
    this.#mkiBeforeTag = profile.transform === 'aes-cm-hmac-sha1'
    this.#windowSize = replayWindow
    this.#maxSources = maxSources
    this.#former = continues === undefined ? [] : continues.#known
    for (const key of otherKeys) this.addKey(key)
  }

  /** Packets refused, by what was wrong with them; only those that happened. */
  get failures(): Readonly<Partial<Record<SrtpFailure, number>>> {
    const failures: Partial<Record<SrtpFailure, number>> = {}
    for (let code = 1; code < this.#failed.length; code += 1) {
      const name = srtpFailureOf(-code)
      if (name !== undefined && this.#failed[code]! > 0) failures[name] = this.#failed[code]!
    }
    return failures
  }

  /** SSRCs that sent something authentic: RTP and RTCP counted apart. */
  get sources(): number {
    return this.#streams.length + this.#controls.length
  }

  /** The rollover counter of an SSRC; undefined when nothing authentic came from it. */
  rolloverOf(ssrc: number): number | undefined {
    return this.#streams.find(stream => stream.ssrc === ssrc)?.rollover
  }

  /**
   * Takes another key, which packets choose by its identifier; streams go on where they are (RFC 3711 §8.1).
   * @throws OptionError when identifiers are missing, of another length or taken already, or there are 8 keys
   */
  addKey(options: SrtpMasterKey): void {
    const mki = options.mki ?? new Uint8Array(0)
    if (this.#mkiOctets === 0 || mki.length !== this.#mkiOctets) {
      throw new OptionError('mki', 'keys beside one another need identifiers of one length')
    }
    if (this.#keys.some(key => Buffer.compare(key.mki, mki) === 0)) {
      throw new OptionError('mki', 'another key has this identifier')
    }
    if (this.#keys.length >= MAX_KEYS) {
      throw new OptionError('otherKeys', `${MAX_KEYS} keys are the most; remove one that is out of use`)
    }
    this.#keys.push(new KeyInUse(this.profile, options))
  }

  /** Forgets a key; false when there is none, or no other, with the identifier. */
  removeKey(mki: Uint8Array): boolean {
    const at = this.#keys.findIndex(key => Buffer.compare(key.mki, mki) === 0)
    if (at < 0 || this.#keys.length === 1) return false
    this.#keys[at]?.close()
    this.#keys.splice(at, 1)
    this.#key = this.#keys[0] as KeyInUse
    return true
  }

  /**
   * Turns an SRTP packet into the RTP packet it protects, in place. Returns the length of that, at the start of `datagram`; or a
   * negative code of `srtpFailures`, with `datagram` as it was.
   */
  unprotectRtp(datagram: Uint8Array): number {
    const result = this.#unprotectRtp(datagram)
    if (result < 0) this.#failed[-result]! += 1
    return result
  }

  /** The same for a compound SRTCP packet. One whose encryption flag is clear is authenticated and taken (RFC 3711 §3.4). */
  unprotectRtcp(datagram: Uint8Array): number {
    const result = this.#unprotectRtcp(datagram)
    if (result < 0) this.#failed[-result]! += 1
    return result
  }

  /** Forgets the keys; nothing can be unprotected any more. */
  close(): void {
    this.#closed = true
    for (const key of this.#keys) key.close()
  }

  #unprotectRtp(datagram: Uint8Array): number {
    if (this.#closed) return srtpFailures.closed
    const tagOctets = this.profile.rtpTagOctets
    const end = datagram.length - tagOctets - this.#mkiOctets
    if (end < 12) return srtpFailures['too-short']
    const headerLength = rtpHeaderLength(datagram, end)
    if (headerLength < 0) return srtpFailures.malformed
    const mkiAt = this.#mkiBeforeTag ? end : end + tagOctets
    const key = this.#mkiOctets === 0 ? this.#key : this.#keyAt(datagram, mkiAt)
    if (key === undefined) return srtpFailures['unknown-mki']
    if (key.rtpLeft <= 0) return srtpFailures['key-expired']
    const tagAt = this.#mkiBeforeTag ? end + this.#mkiOctets : end
    const ssrc = readUint32(datagram, 8)
    const sequence = (datagram[2]! << 8) | datagram[3]!

    let stream = this.#current
    if (stream === undefined || stream.ssrc !== ssrc) {
      stream = this.#streams.find(known => known.ssrc === ssrc)
      if (stream === undefined) {
        return this.#unprotectFirst(key, datagram, headerLength, end, tagAt, ssrc, sequence)
      }
    }
    const rollover = guessRollover(sequence, stream.highest, stream.rollover)
    if (rollover > MAX_ROLLOVER) return srtpFailures['key-expired']
    const index = rollover * 0x10000 + sequence
    if (rollover < 0 || !stream.window.isNew(index)) return srtpFailures.replay
    if (!key.rtp.openRtp(datagram, headerLength, end, tagAt, ssrc, rollover, sequence)) {
      return srtpFailures.authentication
    }
    if (index > stream.window.newest) {
      stream.rollover = rollover
      stream.highest = sequence
    }
    stream.window.add(index)
    this.#current = stream
    key.rtpLeft -= 1
    return end
  }

  /**
   * The first packet of an SSRC. Its rollover counter is 0, unless the stream is one that goes on under a new key, or began shortly
   * before its sequence numbers wrapped and nothing of before the wrap arrived.
   */
  #unprotectFirst(
    key: KeyInUse,
    datagram: Uint8Array,
    headerLength: number,
    end: number,
    tagAt: number,
    ssrc: number,
    sequence: number,
  ): number {
    if (this.#streams.length >= this.#maxSources) return srtpFailures['too-many-sources']
    const former = this.#former.find(known => known.ssrc === ssrc)
    const continued =
      former === undefined ? 0 : Math.max(0, guessRollover(sequence, former.highest, former.rollover))
    const wrapped = sequence < 0x8000 ? 1 : 0
    for (const rollover of new Set([continued, 0, wrapped])) {
      if (rollover > MAX_ROLLOVER) continue
      if (!key.rtp.openRtp(datagram, headerLength, end, tagAt, ssrc, rollover, sequence)) continue
      const window = new ReplayWindow(this.#windowSize)
      window.add(rollover * 0x10000 + sequence)
      this.#current = { ssrc, rollover, highest: sequence, window }
      this.#streams.push(this.#current)
      key.rtpLeft -= 1
      return end
    }
    return srtpFailures.authentication
  }

  #unprotectRtcp(datagram: Uint8Array): number {
    if (this.#closed) return srtpFailures.closed
    const { rtcpTagOctets, rtcpOverhead } = this.profile
    const end = datagram.length - rtcpOverhead - this.#mkiOctets
    if (end < RTCP_CLEAR_OCTETS) return srtpFailures['too-short']
    if (datagram[0]! >> 6 !== 2) return srtpFailures.malformed
    const wordAt = this.#mkiBeforeTag ? end : end + rtcpTagOctets
    const key = this.#mkiOctets === 0 ? this.#key : this.#keyAt(datagram, wordAt + 4)
    if (key === undefined) return srtpFailures['unknown-mki']
    if (key.rtcpLeft <= 0) return srtpFailures['key-expired']
    const tagAt = this.#mkiBeforeTag ? wordAt + 4 + this.#mkiOctets : end
    const ssrc = readUint32(datagram, 4)
    const index = readUint32(datagram, wordAt) & 0x7fffffff

    const known = this.#controls.find(control => control.ssrc === ssrc)
    if (known === undefined && this.#controls.length >= this.#maxSources) {
      return srtpFailures['too-many-sources']
    }
    if (known !== undefined && !known.window.isNew(index)) return srtpFailures.replay
    if (!key.rtcp.openRtcp(datagram, end, wordAt, tagAt, ssrc, index)) return srtpFailures.authentication
    const control = known ?? { ssrc, window: new ReplayWindow(this.#windowSize) }
    if (known === undefined) this.#controls.push(control)
    control.window.add(index)
    key.rtcpLeft -= 1
    return end
  }

  /** Its streams, and those of before it that nothing has come of since. */
  get #known(): readonly ReceivedStream[] {
    const silent = this.#former.filter(({ ssrc }) => !this.#streams.some(known => known.ssrc === ssrc))
    return [...this.#streams, ...silent].slice(0, this.#maxSources)
  }

  #keyAt(datagram: Uint8Array, at: number): KeyInUse | undefined {
    if (isAt(this.#key.mki, datagram, at)) return this.#key
    for (const key of this.#keys) {
      if (isAt(key.mki, datagram, at)) return key
    }
    return undefined
  }
}

function isAt(mki: Uint8Array, datagram: Uint8Array, at: number): boolean {
  for (let i = 0; i < mki.length; i += 1) {
    if (mki[i] !== datagram[at + i]) return false
  }
  return true
}
