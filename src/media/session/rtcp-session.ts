import { Buffer } from 'node:buffer'
import type { Clock, Random, UdpSocket } from '../../runtime/runtime.ts'
import { NtpClock, shortNtp } from '../rtp/ntp-clock.ts'
import type { MediaPort } from '../rtp/port-pool.ts'
import { RoundTrip } from '../rtp/round-trip.ts'
import type { RoundTripSnapshot } from '../rtp/round-trip.ts'
import { parseRtcp, writeRtcp } from '../rtp/rtcp.ts'
import type { RtcpPacket } from '../rtp/rtcp.ts'
import { RtcpSchedule, reducedMinimum } from '../rtp/rtcp-interval.ts'
import type { Membership } from '../rtp/rtcp-interval.ts'
import type { ExtendedBlock } from '../rtp/rtcp-xr.ts'
import type { NegotiatedAudio } from '../sdp/negotiated.ts'
import type { ControlChannel } from './flow-types.ts'
import type { MediaFlow } from './flow.ts'
import { receivedQuality, sentQuality } from './quality.ts'
import type { StreamQuality } from './quality.ts'
import { RtcpAddress } from './rtcp-address.ts'
import { compound, voipMetrics } from './rtcp-compound.ts'
import { RtcpPeer } from './rtcp-peer.ts'
import type { Unheard } from './unheard.ts'

/** How a call does RTCP. */
export interface RtcpOptions {
  /** Offer and accept RTCP on the port of RTP (RFC 5761); default true. Without it RTCP has the port above. */
  readonly mux?: boolean
  /** Send extended reports (RFC 3611) with the figures of our side; default true. */
  readonly extendedReports?: boolean
  /** Report more often than every 5 s, as RFC 3550 §6.2 lets small sessions: at 360 divided by the kbit/s of the call; default false. */
  readonly reducedMinimum?: boolean
}

export interface RtcpSessionOptions extends RtcpOptions {
  readonly clock: Clock
  readonly random: Random
  readonly flow: MediaFlow
  readonly port: MediaPort
  readonly symmetric: boolean
  /** The time for a report has come, whether or not there was somewhere to send it. */
  readonly onReport: () => void
  readonly unheard: Unheard
}

/** Plain counters of RTCP. */
export interface RtcpCounters {
  /** Compounds. */
  readonly sent: number
  readonly received: number
  /** Not RTCP as RFC 3550 A.2 checks it. */
  readonly malformed: number
  /** From elsewhere than the peer, and without proof of knowing the call. */
  readonly strangers: number
  /** Reports of ours the peer cannot have seen: their round trip does not count. */
  readonly doubtful: number
  /** Times the peer had our SSRC and we took another. */
  readonly collisions: number
  /** Our own packets came back. */
  readonly loops: number
  /** The peer said BYE, which ends its stream and not the call. */
  readonly bye: boolean
}

/** RTCP of one call (RFC 3550 §6). Has no timer: the flow asks it when `controlDueAt` has come. */
export class RtcpSession implements ControlChannel {
  readonly peer: RtcpPeer = new RtcpPeer()
  readonly #options: RtcpSessionOptions
  readonly #ntp: NtpClock
  readonly #roundTrip = new RoundTrip()
  readonly #address: RtcpAddress
  #audio: NegotiatedAudio | undefined
  #schedule: RtcpSchedule | undefined
  #opened: UdpSocket | undefined
  #cname: string | undefined
  /** Packets of ours as of the last two reports, and of the peer as of the last. */
  #sentBefore = [0, 0]
  #receivedBefore = 0
  #peerAt = -Infinity
  /** From where somebody once used our SSRC. */
  #conflict: string | undefined
  #sent = 0
  #received = 0
  #malformed = 0
  #strangers = 0
  #collisions = 0
  #loops = 0
  #closed = false

  constructor(options: RtcpSessionOptions) {
    this.#options = options
    this.#ntp = new NtpClock(options.clock)
    this.#address = new RtcpAddress(options.flow, options.symmetric)
    options.flow.control = this
  }

  get counters(): RtcpCounters {
    return {
      sent: this.#sent,
      received: this.#received,
      malformed: this.#malformed,
      strangers: this.#strangers,
      doubtful: this.#roundTrip.doubtful,
      collisions: this.#collisions,
      loops: this.#loops,
      bye: this.peer.bye,
    }
  }

  get roundTrip(): RoundTripSnapshot | undefined {
    return this.#roundTrip.snapshot
  }

  /** Of what we hear; undefined before enough came. */
  get receivedQuality(): StreamQuality | undefined {
    const { receiver } = this.#options.flow
    const bursts = receiver.bursts()
    const audio = this.#audio
    if (bursts === undefined || audio === undefined) return undefined
    return receivedQuality({
      codec: receiver.codec ?? audio.codec.name,
      bursts,
      roundTripMs: this.roundTrip?.meanMs,
      bufferMs: receiver.jitter()?.delayMs ?? 0,
      packetMs: audio.ptime,
    })
  }

  /** Of what the peer hears; undefined before its first report. */
  get sentQuality(): StreamQuality | undefined {
    const { reception, metrics } = this.peer
    const audio = this.#audio
    if (reception === undefined || audio === undefined) return undefined
    return sentQuality({
      codec: audio.codec.name,
      lossRatio: reception.lossRatio,
      metrics,
      roundTripMs: this.roundTrip?.meanMs,
      packetMs: audio.ptime,
    })
  }

  /** Takes up what was agreed; the schedule goes on. */
  apply(audio: NegotiatedAudio): void {
    const { clock, random, flow } = this.#options
    this.#audio = audio
    this.#address.configure(audio)
    if (!audio.rtcp.mux) this.#openPort()
    if (this.#schedule !== undefined) return
    const sessionBandwidth = bandwidthOf(audio)
    this.#schedule = new RtcpSchedule(clock.now(), {
      random,
      sessionBandwidth,
      ...(this.#options.reducedMinimum === true && { minimumMs: reducedMinimum(sessionBandwidth) }),
    })
    flow.controlDueAt = this.#schedule.dueAt
  }

  datagram(bytes: Uint8Array, address: string, port: number, now: number): void {
    if (this.#closed) return
    const packets = parseRtcp(bytes, { reducedSize: true })
    if (packets === undefined) {
      this.#malformed += 1
      return
    }
    const { flow } = this.#options
    const own = flow.sender.source.ssrc
    if (!this.#address.accept(packets, own, address, port)) {
      this.#strangers += 1
      return
    }
    this.#received += 1
    if (packets.some(packet => senderOf(packet) === own)) {
      this.#conflicts(`${address} ${port}`, now)
      return
    }
    this.#schedule?.received(bytes.length)
    this.peer.bye = false
    this.#peerAt = now
    const time = shortNtp(this.#ntp.at(now))
    for (const packet of packets) this.#take(packet, own, now, time)
  }

  /** A turn of the flow at or after its `controlDueAt`. */
  tick(now: number): void {
    const { flow } = this.#options
    const schedule = this.#schedule
    if (schedule === undefined || this.#closed || now < schedule.dueAt) return
    this.#lookForConflict(now)
    const membership = this.#membership(now)
    if (schedule.due(now, membership)) {
      const octets = this.#report([])
      schedule.sent(now, octets, membership)
      this.#options.onReport()
    }
    flow.controlDueAt = schedule.dueAt
  }

  /** Says BYE to a peer that heard of us (RFC 3550 §6.3.7). Idempotent. */
  close(): void {
    if (this.#closed) return
    const { flow } = this.#options
    const { source } = flow.sender
    if (this.#sent > 0 || flow.sender.packets > 0) this.#report([source.ssrc])
    this.#closed = true
    flow.controlDueAt = Infinity
    flow.control = undefined
  }

  #take(packet: RtcpPacket, own: number, now: number, time: number): void {
    switch (packet.type) {
      case 'sender-report':
        this.peer.senderReport = {
          ssrc: packet.ssrc,
          time: shortNtp({ seconds: packet.ntpSeconds, fraction: packet.ntpFraction }),
          at: now,
        }
        this.#takeReports(packet, own, now, time)
        return
      case 'receiver-report':
        this.#takeReports(packet, own, now, time)
        return
      case 'extended-report':
        for (const block of packet.blocks) this.#takeExtended(block, packet.ssrc, own, now, time)
        return
      case 'bye':
        this.peer.bye = true
        this.#peerAt = -Infinity
        this.#schedule?.left(now, this.#membership(now))
        this.#options.flow.controlDueAt = this.#schedule?.dueAt ?? Infinity
        return
      default:
    }
  }

  #takeReports(
    { reports }: Extract<RtcpPacket, { type: 'sender-report' | 'receiver-report' }>,
    own: number,
    now: number,
    time: number,
  ): void {
    const { sender } = this.#options.flow
    this.#options.unheard.reported(reports, sender.source, now)
    const audio = this.#audio
    for (const block of reports) {
      if (block.ssrc !== own || audio === undefined) continue
      this.peer.reported(block, sender.source, audio.codec.clockRate)
      this.#roundTrip.returned(block.lastSenderReport, block.delaySinceLastSenderReport, time)
      sender.expectLoss(Math.round((block.fractionLost * 100) / 256))
    }
  }

  #takeExtended(block: ExtendedBlock, ssrc: number, own: number, now: number, time: number): void {
    switch (block.type) {
      case 'voip-metrics':
        if (block.ssrc === own) this.peer.metrics = block
        return
      case 'receiver-reference-time':
        this.peer.referenceTime = {
          ssrc,
          time: shortNtp({ seconds: block.ntpSeconds, fraction: block.ntpFraction }),
          at: now,
        }
        return
      case 'delay-since-last-receiver-report':
        for (const reference of block.references) {
          if (reference.ssrc !== own) continue
          const { lastReceiverReport, delaySinceLastReceiverReport } = reference
          this.#roundTrip.returned(lastReceiverReport, delaySinceLastReceiverReport, time)
        }
        return
      default:
    }
  }

  /** Sends a compound, when there is somewhere to. Returns the octets it has, or would have had. */
  #report(bye: readonly number[]): number {
    const { clock, flow } = this.#options
    const now = clock.now()
    const { source, mediaTimestamp } = flow.sender
    const time = this.#ntp.at(now)
    const { packets } = flow.sender
    const sends = packets > (this.#sentBefore[1] ?? 0)
    this.#sentBefore = [packets, this.#sentBefore[0] ?? 0]
    const received = flow.receiver.reception()?.packets ?? 0
    const hears = received > this.#receivedBefore
    this.#receivedBefore = received
    const bytes = writeRtcp(
      compound({
        ssrc: source.ssrc,
        cname: this.#name(),
        time,
        sender: sends
          ? { rtpTimestamp: mediaTimestamp, packets: source.packets, octets: source.octets }
          : undefined,
        reception: hears ? flow.receiver.takeReport() : undefined,
        peer: this.peer,
        now,
        metrics: hears ? this.#metrics() : undefined,
        extended: this.#options.extendedReports !== false,
        bye,
      }),
    )
    const destination = this.#address.destination
    const socket = this.#socket
    if (destination === undefined || socket === undefined) return bytes.length
    flow.sendControl(socket, bytes, destination)
    this.#sent += 1
    this.#roundTrip.sent(shortNtp(time))
    return bytes.length
  }

  #metrics(): ReturnType<typeof voipMetrics> | undefined {
    const { receiver } = this.#options.flow
    const bursts = receiver.bursts()
    const jitter = receiver.jitter()
    const ssrc = receiver.reception()?.ssrc
    if (bursts === undefined || jitter === undefined || ssrc === undefined) return undefined
    return voipMetrics({
      ssrc,
      bursts,
      jitter,
      packetMs: this.#audio?.ptime ?? 20,
      roundTripMs: this.roundTrip?.lastMs,
      quality: this.receivedQuality,
    })
  }

  /** Of two parties: us, and the peer while it is heard (RFC 3550 §6.3.5). */
  #membership(now: number): Membership {
    const { flow } = this.#options
    const { packets } = flow.sender
    const received = flow.receiver.reception()?.packets ?? 0
    const peerSends = received > this.#receivedBefore
    if (peerSends) this.#peerAt = now
    const weSend = packets > (this.#sentBefore[1] ?? 0)
    const both = { members: 2, senders: Number(weSend) + Number(peerSends), weSend }
    const patience = this.#schedule?.timeout(both) ?? 0
    return now - this.#peerAt < patience ? both : { ...both, members: 1 }
  }

  /** Per call and random, of nobody's name or address (RFC 7022 §4.2). */
  #name(): string {
    this.#cname ??= Buffer.from(this.#options.random.bytes(12)).toString('base64')
    return this.#cname
  }

  get #socket(): UdpSocket | undefined {
    return this.#audio?.rtcp.mux === false ? this.#opened : this.#options.port.rtp
  }

  /** Most calls never need it; when somebody else has the port, the call goes on without RTCP of its own. */
  #openPort(): void {
    const { port, flow } = this.#options
    if (this.#opened !== undefined) return
    const take = (socket: UdpSocket): void => {
      this.#opened = socket
      socket.onError = () => undefined
      socket.onMessage = (data, remote) => flow.controlDatagram(data, remote.address, remote.port)
    }
    port.openRtcp().then(take, () => undefined)
  }

  #lookForConflict(now: number): void {
    const { receiver, sender, latch } = this.#options.flow
    if (latch === undefined || receiver.reception()?.ssrc !== sender.source.ssrc) return
    const { address, port } = latch.remote
    this.#conflicts(`${address} ${port}`, now)
  }

  /**
   * Somebody uses our SSRC (RFC 3550 §8.2). The first time we take another; when it follows us it is our own packets that come back,
   * from an echo: what the peer sends is the call's audio all the same.
   */
  #conflicts(from: string, now: number): void {
    if (this.#conflict === from) {
      this.#loops += 1
      return
    }
    this.#conflict = from
    this.#collisions += 1
    const { flow } = this.#options
    this.#report([flow.sender.source.ssrc])
    flow.sender.changeSource()
    flow.bridged?.update()
    this.#schedule?.left(now, this.#membership(now))
  }
}

/** The option of a session in full. Without RTCP there is nothing to share a port. */
export function rtcpOptions(rtcp: boolean | RtcpOptions = true): RtcpOptions {
  if (typeof rtcp === 'object') return rtcp
  return rtcp ? {} : { mux: false }
}

/** RTP both ways with its headers at 64 kbit/s, octets per second: codecs of today need no more. */
function bandwidthOf({ ptime }: NegotiatedAudio): number {
  return 2 * (8000 + (1000 / ptime) * 40)
}

function senderOf(packet: RtcpPacket): number | undefined {
  return 'ssrc' in packet ? packet.ssrc : undefined
}
