import type { RtcpPacket } from '../rtp/rtcp.ts'
import type { MediaAddress } from '../rtp/latch.ts'
import type { NegotiatedAudio } from '../sdp/negotiated.ts'
import type { MediaFlow } from './flow.ts'

/** Where a peer's RTCP comes from and ours goes to. */
export class RtcpAddress {
  readonly #flow: Pick<MediaFlow, 'latch' | 'receiver'>
  readonly #symmetric: boolean
  #audio: NegotiatedAudio | undefined
  #latched: MediaAddress | undefined

  constructor(flow: Pick<MediaFlow, 'latch' | 'receiver'>, symmetric: boolean) {
    this.#flow = flow
    this.#symmetric = symmetric
  }

  /** Undefined while nothing is known: no address agreed on, or a peer behind a NAT that has not sent RTCP yet. */
  get destination(): MediaAddress | undefined {
    if (this.#audio?.rtcp.remote === undefined) return undefined
    return this.#latched ?? this.#signalled()
  }

  configure(audio: NegotiatedAudio): void {
    const before = this.#audio?.rtcp.remote
    const { remote } = audio.rtcp
    this.#audio = audio
    if (before?.address !== remote?.address || before?.port !== remote?.port) this.#latched = undefined
  }

  /**
   * Whether a compound is the peer's: it comes from where RTCP is expected, or proves that it knows the call, and then ours goes there.
   */
  accept(packets: readonly RtcpPacket[], own: number, address: string, port: number): boolean {
    const signalled = this.#signalled()
    if (isAt(this.#latched, address, port) || isAt(signalled, address, port)) return true
    if (!this.#symmetric || !this.#proves(packets, own, address)) return false
    this.#latched = { address, port }
    return true
  }

  #signalled(): MediaAddress | undefined {
    const audio = this.#audio
    const { latch } = this.#flow
    const remote = audio?.rtcp.remote
    if (audio === undefined || latch === undefined || remote === undefined) return undefined
    if (audio.rtcp.mux) return latch.remote
    const numeric = isNumeric(remote.address)
    const sameHost = remote.address === audio.remote?.address
    // RTP that comes from elsewhere went through a NAT, and nobody knows where it puts RTCP.
    if (numeric && sameHost && latch.remote.address !== remote.address) return undefined
    if (numeric) return remote
    return sameHost ? { address: latch.remote.address, port: remote.port } : undefined
  }

  /** It reports on our SSRC, which nobody off the path knows, or comes from the peer's address with the SSRC of its RTP. */
  #proves(packets: readonly RtcpPacket[], own: number, address: string): boolean {
    const theirs = this.#flow.receiver.reception()?.ssrc
    const sameAddress = this.#flow.latch?.latched === true && this.#flow.latch.remote.address === address
    return packets.some(packet => {
      if (packet.type !== 'sender-report' && packet.type !== 'receiver-report') return false
      return packet.reports.some(({ ssrc }) => ssrc === own) || (sameAddress && packet.ssrc === theirs)
    })
  }
}

function isAt(expected: MediaAddress | undefined, address: string, port: number): boolean {
  return expected?.port === port && expected.address === address
}

function isNumeric(address: string): boolean {
  return address.includes(':') || /^[\d.]+$/.test(address)
}
