import type { UdpSocket } from '../../src/runtime/runtime.ts'
import { createRequest, createResponse } from '../../src/sip/message/build.ts'
import type { SipRequest, SipResponse } from '../../src/sip/message/message.ts'
import { parseMessage } from '../../src/sip/message/parser.ts'
import { serialise } from '../../src/sip/message/serialiser.ts'
import type { Lab } from '../../src/testing/lab.ts'

type Headers = readonly (readonly [string, string])[]

/** A phone that answers calls and BYE by itself and leaves the rest to the test, message by message. */
export class RawPhone {
  readonly address: string
  readonly requests: SipRequest[] = []
  readonly responses: SipResponse[] = []
  /** Return true when the request was answered. */
  onRequest: ((request: SipRequest) => boolean) | undefined
  /** Added to the 200 to an INVITE. */
  answerHeaders: Headers = [['Supported', 'replaces']]
  #socket: UdpSocket | undefined
  #peer: { readonly address: string; readonly port: number } | undefined
  #invite: SipRequest | undefined
  #sequence = 100
  #branches = 0

  constructor(address: string) {
    this.address = address
  }

  static async in(lab: Lab, address = '10.9.0.1'): Promise<RawPhone> {
    const phone = new RawPhone(address)
    const socket = await lab.network.host(address).bindUdp({ host: address, port: 5060 })
    phone.#socket = socket
    socket.onMessage = (data, remote) => {
      phone.#peer = remote
      const message = parseMessage(data)
      if (message.kind === 'response') {
        phone.responses.push(message)
        return
      }
      phone.requests.push(message)
      phone.#take(message)
    }
    return phone
  }

  get uri(): string {
    return `sip:phone@${this.address}`
  }

  ofMethod(method: string): SipRequest[] {
    return this.requests.filter(request => request.method === method)
  }

  statuses(method: string): number[] {
    return this.responses.flatMap(({ cseq, statusCode }) => (cseq.method === method ? [statusCode] : []))
  }

  respond(request: SipRequest, statusCode: number, headers: Headers = [], body?: string): void {
    this.#send(
      createResponse(request, statusCode, {
        toTag: 'phone',
        headers: [['Contact', `<${this.uri}>`], ...headers],
        ...(body === undefined ? {} : { body: Buffer.from(body), contentType: 'application/sdp' }),
      }),
    )
  }

  /** A request in the call it answered. */
  request(method: string, headers: Headers = [], body = '', contentType = 'message/sipfrag'): void {
    const invite = this.#invite
    if (invite === undefined) throw new Error('nobody has called')
    this.#send(
      createRequest({
        method,
        uri: invite.contacts === '*' ? invite.from.uriText : (invite.contacts[0]?.uriText ?? ''),
        headers: [
          ['Via', `SIP/2.0/UDP ${this.address}:5060;branch=z9hG4bK-phone-${++this.#branches}`],
          ['Max-Forwards', '70'],
          ['From', invite.to.withParam('tag', 'phone').toString()],
          ['To', invite.from.toString()],
          ['Call-ID', invite.callId],
          ['CSeq', `${++this.#sequence} ${method}`],
          ['Contact', `<${this.uri}>`],
          ...headers,
        ],
        ...(body === '' ? {} : { body: Buffer.from(body), contentType }),
      }),
    )
  }

  /** A request outside of the call, or in one that does not exist. */
  outside(method: string, headers: Headers, toTag?: string): void {
    const to = this.#invite?.from.withoutParam('tag')
    if (to === undefined) throw new Error('nobody has called')
    this.#send(
      createRequest({
        method,
        uri: to.uriText,
        headers: [
          ['Via', `SIP/2.0/UDP ${this.address}:5060;branch=z9hG4bK-phone-${++this.#branches}`],
          ['Max-Forwards', '70'],
          ['From', `<${this.uri}>;tag=outside`],
          ['To', toTag === undefined ? to.toString() : to.withParam('tag', toTag).toString()],
          ['Call-ID', `outside-${this.#branches}`],
          ['CSeq', `1 ${method}`],
          ['Contact', `<${this.uri}>`],
          ...headers,
        ],
      }),
    )
  }

  /** A NOTIFY about a REFER. */
  notify(status: string, state = 'active;expires=60', id?: number): void {
    this.request(
      'NOTIFY',
      [
        ['Event', id === undefined ? 'refer' : `refer;id=${id}`],
        ['Subscription-State', state],
      ],
      status === '' ? '' : `SIP/2.0 ${status}\r\n`,
    )
  }

  #take(request: SipRequest): void {
    if (this.onRequest?.(request) === true) return
    if (request.method === 'INVITE') {
      this.#invite ??= request
      const { address } = this
      const sdp = `v=0\r\no=- 1 1 IN IP4 ${address}\r\ns=-\r\nc=IN IP4 ${address}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n`
      this.respond(request, 200, this.answerHeaders, sdp)
    } else if (request.method === 'BYE') this.respond(request, 200)
  }

  #send(message: SipRequest | SipResponse): void {
    const peer = this.#peer
    if (peer !== undefined) this.#socket?.send(serialise(message), peer.port, peer.address)
  }
}
