import { classifyPacket } from '../../../src/media/rtp/demux.ts'
import type { RtpView } from '../../../src/media/rtp/packet.ts'
import { parseRtp } from '../../../src/media/rtp/packet.ts'
import type { SimulatedNetwork } from '../../../src/testing/simulated-network.ts'

export interface WirePacket {
  readonly atMs: number
  readonly rtp: RtpView
}

/** Every RTP packet `from` an address, in the order of sending, those that get lost included. */
export function listen(network: SimulatedNetwork, from: string): WirePacket[] {
  const packets: WirePacket[] = []
  network.onDatagram(event => {
    if (event.from.address !== from || event.copy || classifyPacket(event.data) !== 'rtp') return
    const rtp = parseRtp(event.data)
    if (rtp === undefined) return
    // The network tells when a packet's fate is known, which is not the order of sending.
    let at = packets.length
    while (at > 0 && (packets[at - 1]?.atMs ?? 0) > event.sentAtMs) at -= 1
    packets.splice(at, 0, { atMs: event.sentAtMs, rtp })
  })
  return packets
}

/** The packets whose sequence number is not one above that of the packet before. */
export function sequenceBreaks(packets: readonly WirePacket[]): number {
  return steps(packets, rtp => rtp.sequence, 0x1_0000).filter(step => step !== 1).length
}

/** Differences of the timestamps of neighbours, in units. */
export function timestampSteps(packets: readonly WirePacket[]): number[] {
  return steps(packets, rtp => rtp.timestamp, 0x1_0000_0000)
}

function steps(packets: readonly WirePacket[], of: (rtp: RtpView) => number, modulus: number): number[] {
  return packets.slice(1).map(({ rtp }, i) => {
    const before = packets[i]
    return before === undefined ? NaN : (of(rtp) - of(before.rtp) + modulus) % modulus
  })
}
