import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { PCMU } from '../../src/media/codec/g711.ts'
import { parseRtp } from '../../src/media/rtp/packet.ts'
import type { Heard } from '../who-hears-whom.ts'

/** The sound of a SIPp call, whose session description names this socket: says a tone in PCMU to whoever sends, and keeps what comes. */
export class RtpPhone {
  readonly #socket: Socket
  readonly #heard: Int16Array[] = []
  readonly #decoder = PCMU.decoder()
  readonly #tone: Uint8Array
  #lastAtMs = 0
  #timer: NodeJS.Timeout | undefined
  #sent = 0

  private constructor(socket: Socket, toneHz: number) {
    this.#socket = socket
    // A second: a whole number of periods.
    this.#tone = new Uint8Array(8000)
    PCMU.encoder().encode(
      Int16Array.from(this.#tone, (_, at) => Math.round(8192 * Math.sin((2 * Math.PI * toneHz * at) / 8000))),
      this.#tone,
    )
    socket.on('message', (data, { port, address }) => {
      const rtp = parseRtp(data)
      if (rtp === undefined || rtp.payloadType !== 0) return
      const samples = new Int16Array(rtp.payload.length)
      this.#decoder.decode(rtp.payload, samples)
      this.#heard.push(samples)
      this.#lastAtMs = Date.now()
      if (this.#timer !== undefined) return
      const startedAt = performance.now()
      this.#timer = setInterval(() => {
        while (this.#sent * 20 <= performance.now() - startedAt) socket.send(this.#packet(), port, address)
      }, 10)
    })
  }

  static async open(toneHz: number): Promise<RtpPhone> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new RtpPhone(socket, toneHz)
  }

  get port(): number {
    return this.#socket.address().port
  }

  heard(): Heard {
    const samples = new Float64Array(this.#heard.reduce((sum, piece) => sum + piece.length, 0))
    let at = 0
    for (const piece of this.#heard) for (const sample of piece) samples[at++] = sample / 32_768
    return { samples, sampleRate: 8000, endedAtMs: this.#lastAtMs }
  }

  close(): void {
    clearInterval(this.#timer)
    this.#socket.close()
  }

  #packet(): Buffer {
    const number = this.#sent++
    const packet = Buffer.alloc(172)
    packet[0] = 0x80
    packet[1] = number === 0 ? 0x80 : 0
    packet.writeUInt16BE(number & 0xffff, 2)
    packet.writeUInt32BE(number * 160, 4)
    packet.writeUInt32BE(0x5e5e5e5e, 8)
    const at = (number * 160) % 8000
    packet.set(this.#tone.subarray(at, at + 160), 12)
    return packet
  }
}
