/**
 * A caller written down in text: enough INVITE, ACK and BYE to set many calls up at once for a media bench, and
 * nothing of the stack that is being measured.
 */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'

interface PlacedCall {
  readonly toTag: string
  readonly contact: string
  readonly mediaPort: number
}

/** What the calls offer beside their address. */
export interface OfferedMedia {
  readonly profile: 'RTP/AVP' | 'RTP/SAVP'
  readonly payloadType: number
  /** The attribute lines, without line ends. */
  readonly attributes: readonly string[]
}

const g711: OfferedMedia = {
  profile: 'RTP/AVP',
  payloadType: 0,
  attributes: ['a=rtpmap:0 PCMU/8000', 'a=ptime:20'],
}

/** As every phone offers them; without, the audio of a call is searched for the tones of keys. */
const telephoneEvents = { payloadType: 101, rtpmap: 'a=rtpmap:101 telephone-event/8000' }

const answerTimeoutMs = 10_000
/** Calls that wait for their answer at one time, so that no receive buffer overflows. */
const batch = 50

export class BenchCaller {
  readonly #socket: Socket
  readonly #target: number
  readonly #waiting = new Map<string, (response: string) => void>()
  readonly #calls = new Map<string, PlacedCall>()
  #placed = 0

  private constructor(socket: Socket, target: number) {
    this.#socket = socket
    this.#target = target
    socket.on('message', data => this.#onMessage(data.toString('latin1')))
  }

  static async open(target: number): Promise<BenchCaller> {
    const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 })
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new BenchCaller(socket, target)
  }

  /** Calls once for each local RTP port; resolves with the answerer's RTP port for each. */
  async place(ports: readonly number[], media: OfferedMedia = g711): Promise<readonly number[]> {
    const targets: number[] = []
    for (let index = 0; index < ports.length; index += batch) {
      targets.push(
        ...(await Promise.all(ports.slice(index, index + batch).map(port => this.#placeOne(port, media)))),
      )
    }
    return targets
  }

  async hangUpAll(): Promise<void> {
    for (let left = [...this.#calls]; left.length > 0; left = left.slice(batch)) {
      await Promise.all(left.slice(0, batch).map(([callId, call]) => this.#hangUp(callId, call)))
    }
  }

  close(): void {
    this.#socket.close()
  }

  async #placeOne(port: number, media: OfferedMedia): Promise<number> {
    this.#placed += 1
    const callId = `bench-${this.#socket.address().port}-${this.#placed}`
    const sdp = [
      'v=0',
      'o=- 1 1 IN IP4 127.0.0.1',
      's=-',
      'c=IN IP4 127.0.0.1',
      't=0 0',
      `m=audio ${port} ${media.profile} ${media.payloadType} ${telephoneEvents.payloadType}`,
      ...media.attributes,
      telephoneEvents.rtpmap,
      '',
    ].join('\r\n')
    const response = await this.#ask('INVITE', callId, `sip:bench@127.0.0.1:${this.#target}`, '', sdp)
    const call = {
      toTag: /^To:.*;tag=([^;\s]+)/im.exec(response)?.[1] ?? '',
      contact: /^(?:Contact|m):.*<([^>]+)>/im.exec(response)?.[1] ?? '',
      mediaPort: Number(/^m=audio (\d+) /m.exec(response)?.[1]),
    }
    this.#send('ACK', 1, callId, call.contact, call.toTag)
    this.#calls.set(callId, call)
    return call.mediaPort
  }

  async #hangUp(callId: string, call: PlacedCall): Promise<void> {
    this.#calls.delete(callId)
    await this.#ask('BYE', callId, call.contact, call.toTag)
  }

  #ask(method: 'INVITE' | 'BYE', callId: string, uri: string, toTag: string, sdp = ''): Promise<string> {
    return new Promise((resolve, reject) => {
      const key = `${callId} ${method}`
      const sequence = method === 'INVITE' ? 1 : 2
      const send = (): void => this.#send(method, sequence, callId, uri, toTag, sdp)
      const repeat = setInterval(send, 500)
      const giveUp = setTimeout(() => {
        clearInterval(repeat)
        reject(new Error(`No final answer to ${method} in ${answerTimeoutMs} ms`))
      }, answerTimeoutMs)
      this.#waiting.set(key, response => {
        clearInterval(repeat)
        if (response.startsWith('SIP/2.0 1')) return
        clearTimeout(giveUp)
        this.#waiting.delete(key)
        if (response.startsWith('SIP/2.0 200')) resolve(response)
        else reject(new Error(`${method} was answered with ${response.split('\r\n', 1)[0]}`))
      })
      send()
    })
  }

  #send(method: string, sequence: number, callId: string, uri: string, toTag: string, sdp = ''): void {
    const { port } = this.#socket.address()
    const branch = `z9hG4bK-${callId}-${method}`
    const lines = [
      `${method} ${uri} SIP/2.0`,
      `Via: SIP/2.0/UDP 127.0.0.1:${port};branch=${branch}`,
      'Max-Forwards: 70',
      `From: <sip:caller@127.0.0.1:${port}>;tag=${callId}`,
      `To: <sip:bench@127.0.0.1:${this.#target}>${toTag === '' ? '' : `;tag=${toTag}`}`,
      `Call-ID: ${callId}`,
      `CSeq: ${sequence} ${method}`,
      `Contact: <sip:caller@127.0.0.1:${port}>`,
      ...(sdp === '' ? [] : ['Content-Type: application/sdp']),
      `Content-Length: ${sdp.length}`,
      '',
      sdp,
    ]
    this.#socket.send(lines.join('\r\n'), this.#target, '127.0.0.1')
  }

  #onMessage(message: string): void {
    const callId = /^(?:Call-ID|i):\s*(\S+)/im.exec(message)?.[1] ?? ''
    const method = /^CSeq:\s*\d+\s+(\S+)/im.exec(message)?.[1] ?? ''
    if (message.startsWith('SIP/2.0')) this.#waiting.get(`${callId} ${method}`)?.(message)
  }
}
