import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { parseRtp } from '../../src/media/rtp/packet.ts'

/** 20 ms of PCMU: silence, and a square wave of 400 Hz that is half of what there is. */
const silence = Buffer.alloc(160, 0xff)
const loud = Buffer.from(Uint8Array.from({ length: 160 }, (_, at) => (at % 20 < 10 ? 0x90 : 0x10)))
const loudLeast = 8000

/** The same, as an engine says it. */
export function loudSamples(sampleRate: number, ms: number): Int16Array {
  const period = sampleRate / 400
  return Int16Array.from({ length: (sampleRate * ms) / 1000 }, (_, at) =>
    at % period < period / 2 ? 16_000 : -16_000,
  )
}

export function isLoud(samples: Int16Array): boolean {
  for (const sample of samples) if (sample > loudLeast || sample < -loudLeast) return true
  return false
}

/** Of PCMU, without a codec. */
function isLoudUlaw(payload: Uint8Array): boolean {
  for (const octet of payload) if ((octet & 0x7f) < 0x20) return true
  return false
}

/** A caller of bare sockets: no code of ours measures itself. */
export class EnginePhone {
  /** A packet of what the engine says has come. */
  onLoud: ((atMs: number) => void) | undefined
  readonly #sip: Socket
  readonly #rtp: Socket
  readonly #port: number
  readonly #user: string
  readonly #callId: string
  #to = ''
  #target = ''
  #timer: NodeJS.Timeout | undefined
  #sent = 0
  #pulse: ((atMs: number) => void) | undefined

  private constructor(sip: Socket, rtp: Socket, port: number, user: string) {
    this.#sip = sip
    this.#rtp = rtp
    this.#port = port
    this.#user = user
    this.#callId = `${user}-${sip.address().port}`
    rtp.on('message', data => {
      const now = performance.now()
      const packet = parseRtp(data)
      if (packet !== undefined && isLoudUlaw(packet.payload)) this.onLoud?.(now)
    })
  }

  static async open(port: number, user: string): Promise<EnginePhone> {
    const [sip, rtp] = [createSocket('udp4'), createSocket('udp4')]
    for (const socket of [sip, rtp]) {
      socket.bind(0, '127.0.0.1')
      await once(socket, 'listening')
    }
    return new EnginePhone(sip, rtp, port, user)
  }

  /** Resolves when it is answered and our packets flow; when the INVITE went out. */
  async call(): Promise<number> {
    const { port } = this.#rtp.address()
    const sdp = `v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio ${port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\na=ptime:20\r\n`
    const answered = new Promise<{ readonly text: string }>((resolve, reject) => {
      const late = setTimeout(() => reject(new Error('no answer within 5 s')), 5000)
      const listen = (data: Buffer): void => {
        const text = data.toString('latin1')
        if (text.startsWith('SIP/2.0 1')) return
        clearTimeout(late)
        this.#sip.off('message', listen)
        if (text.startsWith('SIP/2.0 200')) resolve({ text })
        else reject(new Error(text.split('\r\n', 1)[0]))
      }
      this.#sip.on('message', listen)
    })
    this.#to = `<sip:engine@127.0.0.1:${this.#port}>`
    this.#target = `sip:engine@127.0.0.1:${this.#port}`
    const invitedAt = performance.now()
    this.#send('INVITE', 1, sdp)
    const { text } = await answered
    this.#to = /^To: *(.*)$/im.exec(text)?.[1] ?? this.#to
    this.#target = /^Contact: *<([^>]*)>/im.exec(text)?.[1] ?? this.#target
    this.#send('ACK', 1)
    this.#talkTo(Number(/^m=audio (\d+)/m.exec(text)?.[1]))
    return invitedAt
  }

  /** The next packet is loud; when it was sent. */
  pulse(): Promise<number> {
    return new Promise(resolve => {
      this.#pulse = resolve
    })
  }

  async hangup(): Promise<void> {
    clearInterval(this.#timer)
    this.#timer = undefined
    const bye = Promise.race([once(this.#sip, 'message'), new Promise(resolve => setTimeout(resolve, 500))])
    this.#send('BYE', 2)
    await bye
    this.#sip.close()
    this.#rtp.close()
  }

  #talkTo(port: number): void {
    const startedAt = performance.now()
    this.#timer = setInterval(() => {
      while (this.#sent * 20 <= performance.now() - startedAt) this.#packet(port)
    }, 5)
  }

  #packet(port: number): void {
    const number = this.#sent++
    const packet = Buffer.alloc(172)
    packet[0] = 0x80
    packet[1] = number === 0 ? 0x80 : 0
    packet.writeUInt16BE(number & 0xffff, 2)
    packet.writeUInt32BE(number * 160, 4)
    packet.writeUInt32BE(this.#sip.address().port, 8)
    packet.set(this.#pulse === undefined ? silence : loud, 12)
    const tell = this.#pulse
    this.#pulse = undefined
    tell?.(performance.now())
    this.#rtp.send(packet, port, '127.0.0.1')
  }

  #send(method: string, cseq: number, body: string = ''): void {
    const { port } = this.#sip.address()
    const lines = [
      `${method} ${this.#target} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${port};rport;branch=z9hG4bK${this.#callId}${method}`,
      `From: <sip:${this.#user}@127.0.0.1:${port}>;tag=1`,
      `To: ${this.#to}`,
      `Call-ID: ${this.#callId}`,
      `CSeq: ${cseq} ${method}`,
      `Contact: <sip:${this.#user}@127.0.0.1:${port}>`,
      'Max-Forwards: 70',
      ...(body === '' ? [] : ['Content-Type: application/sdp']),
      `Content-Length: ${body.length}`,
    ]
    this.#sip.send(`${lines.join('\r\n')}\r\n\r\n${body}`, this.#port, '127.0.0.1')
  }
}
