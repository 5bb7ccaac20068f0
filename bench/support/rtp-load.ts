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
  #sent = 0
  #received = 0
  #talking: Promise<void> | undefined
  #stopped = false

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
    for (const { socket } of this.#legs) socket.close()
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
