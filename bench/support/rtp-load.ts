/** The far end of many calls at once: 50 packets a second for each, by the wall clock, and counts what returns. */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { SrtpSender } from '../../src/media/srtp/sender.ts'

const packetMs = 20
const headerBytes = 12

/** What the calls say. */
export interface Voice {
  readonly payloadType: number
  /** RTP timestamp units of 20 ms. */
  readonly unitsPerPacket: number
  /** Said one after another, again and again; each call begins elsewhere. */
  readonly payloads: readonly Uint8Array[]
  /** A context of its own for each call that is to be protected. */
  readonly srtp?: (call: number) => SrtpSender
}

interface Leg {
  readonly socket: Socket
  readonly packet: Buffer
  readonly srtp: SrtpSender | undefined
  /** Of the payload to say next. */
  next: number
  target: number
}

export class RtpLoad {
  readonly #legs: readonly Leg[]
  readonly #voice: Voice
  #sent = 0
  #received = 0
  #talking: Promise<void> | undefined
  #stopped = false

  private constructor(legs: readonly Leg[], voice: Voice) {
    this.#legs = legs
    this.#voice = voice
    for (const { socket } of legs) socket.on('message', () => (this.#received += 1))
  }

  /** Without a voice they say G.711. */
  static async open(calls: number, voice: Voice = g711): Promise<RtpLoad> {
    const legs: Leg[] = []
    for (let index = 0; index < calls; index += 1) {
      const socket = createSocket('udp4')
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
      const srtp = voice.srtp?.(index)
      const packet = firstPacket(index, voice, srtp?.rtpOverhead ?? 0)
      legs.push({ socket, packet, srtp, next: index, target: 0 })
    }
    return new RtpLoad(legs, voice)
  }

  /** Where each leg receives, for the SDP. */
  get ports(): readonly number[] {
    return this.#legs.map(({ socket }) => socket.address().port)
  }

  /** Where each leg sends, in the order of `ports`. */
  aimAt(targets: readonly number[]): void {
    for (const [index, leg] of this.#legs.entries()) {
      const target = targets[index]
      if (target === undefined) throw new Error(`No target for call ${index + 1} of ${this.#legs.length}`)
      leg.target = target
    }
  }

  /** The calls talk from now on, without a break until `stop`: pauses would be heard as such by the other side. */
  start(): void {
    this.#talking ??= this.#talk()
  }

  /** Lets the calls talk for that long; resolves with what was sent and what came back meanwhile. */
  async count(durationMs: number): Promise<{ readonly sent: number; readonly received: number }> {
    const [sent, received] = [this.#sent, this.#received]
    await delay(durationMs)
    return { sent: this.#sent - sent, received: this.#received - received }
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#talking
  }

  close(): void {
    for (const { socket, srtp } of this.#legs) {
      socket.close()
      srtp?.close()
    }
  }

  async #talk(): Promise<void> {
    const start = performance.now()
    // One packet of some leg is due every `step`: the legs are spread over the 20 ms like unrelated callers.
    const step = packetMs / this.#legs.length
    while (!this.#stopped) {
      const due = Math.floor((performance.now() - start) / step) + 1
      for (; this.#sent < due; this.#sent += 1) this.#sendNext(this.#sent % this.#legs.length)
      await delay(1)
    }
  }

  #sendNext(index: number): void {
    const leg = this.#legs[index]
    if (leg === undefined) return
    const { packet, srtp } = leg
    const { payloads, unitsPerPacket } = this.#voice
    packet.writeUInt16BE((packet.readUInt16BE(2) + 1) & 0xffff, 2)
    packet.writeUInt32BE((packet.readUInt32BE(4) + unitsPerPacket) >>> 0, 4)
    const payload = payloads[leg.next % payloads.length] as Uint8Array
    leg.next += 1
    packet.set(payload, headerBytes)
    const plain = headerBytes + payload.length
    const length = srtp === undefined ? plain : srtp.protectRtp(packet, plain)
    if (length < 0) throw new Error(`Packet of call ${index + 1} could not be protected: ${length}`)
    // The system has copied the packet when `send` returns, so that the next one may be written over it.
    leg.socket.send(packet, 0, length, leg.target, '127.0.0.1')
  }
}

/** PCMU with a payload that is not silence. */
const g711: Voice = {
  payloadType: 0,
  unitsPerPacket: 160,
  payloads: Array.from({ length: 8 }, (_, start) =>
    Uint8Array.from({ length: 160 }, (_sample, sample) => (sample * 7 + start) & 0xff),
  ),
}

/** Each call with an SSRC of its own; room for the longest payload and what SRTP adds. */
function firstPacket(index: number, { payloadType, payloads }: Voice, overhead: number): Buffer {
  const longest = Math.max(...payloads.map(payload => payload.length))
  const packet = Buffer.alloc(headerBytes + longest + overhead)
  packet[0] = 0x80
  packet[1] = payloadType
  packet.writeUInt32BE(0x0ff00000 + index, 8)
  return packet
}

function delay(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
