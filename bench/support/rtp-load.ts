/** The far end of many G.711 calls at once: 50 packets a second for each, by the wall clock, and counts what returns. */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

const packetMs = 20
const samplesPerPacket = 160
const headerBytes = 12

interface Leg {
  readonly socket: Socket
  readonly packet: Buffer
  target: number
}

export class RtpLoad {
  readonly #legs: readonly Leg[]
  #received = 0

  private constructor(legs: readonly Leg[]) {
    this.#legs = legs
    for (const { socket } of legs) socket.on('message', () => (this.#received += 1))
  }

  static async open(calls: number): Promise<RtpLoad> {
    const legs: Leg[] = []
    for (let index = 0; index < calls; index += 1) {
      const socket = createSocket('udp4')
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
      legs.push({ socket, packet: firstPacket(index), target: 0 })
    }
    return new RtpLoad(legs)
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

  /** Sends for that long; resolves with what was sent and what came back, stragglers of 200 ms included. */
  async run(durationMs: number): Promise<{ readonly sent: number; readonly received: number }> {
    const total = Math.round(durationMs / packetMs) * this.#legs.length
    const before = this.#received
    const start = performance.now()
    // One packet of some leg is due every `step`: the legs are spread over the 20 ms like unrelated callers.
    const step = packetMs / this.#legs.length
    for (let sent = 0; sent < total;) {
      const due = Math.min(total, Math.floor((performance.now() - start) / step) + 1)
      for (; sent < due; sent += 1) this.#sendNext(sent % this.#legs.length)
      await delay(1)
    }
    await delay(200)
    return { sent: total, received: this.#received - before }
  }

  close(): void {
    for (const { socket } of this.#legs) socket.close()
  }

  #sendNext(index: number): void {
    const leg = this.#legs[index]
    if (leg === undefined) return
    const { packet } = leg
    packet.writeUInt16BE((packet.readUInt16BE(2) + 1) & 0xffff, 2)
    packet.writeUInt32BE((packet.readUInt32BE(4) + samplesPerPacket) >>> 0, 4)
    // The system has copied the packet when `send` returns, so that the next one may be written over it.
    leg.socket.send(packet, leg.target, '127.0.0.1')
  }
}

/** PCMU with a payload that is not silence; each call with an SSRC of its own. */
function firstPacket(index: number): Buffer {
  const packet = Buffer.alloc(headerBytes + samplesPerPacket)
  packet[0] = 0x80
  packet.writeUInt32BE(0x0ff00000 + index, 8)
  for (let sample = 0; sample < samplesPerPacket; sample += 1)
    packet[headerBytes + sample] = (sample * 7 + index) & 0xff
  return packet
}

function delay(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
