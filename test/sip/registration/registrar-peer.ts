import { createResponse } from '../../../src/sip/message/build.ts'
import type { SipRequest } from '../../../src/sip/message/message.ts'
import { parseMessage } from '../../../src/sip/message/parser.ts'
import { serialise } from '../../../src/sip/message/serialiser.ts'
import type { Lab } from '../../../src/testing/lab.ts'

export interface Reply {
  readonly statusCode: number
  readonly headers?: readonly (readonly [string, string])[]
}

export interface Heard {
  readonly at: number
  readonly request: SipRequest
}

/** A registrar on UDP that says what the test tells it to. */
export class RegistrarPeer {
  readonly heard: Heard[] = []
  /** Times of keep-alives. */
  readonly pings: number[] = []
  /** Undefined: no answer. Default: what was asked for is granted. */
  answer: (request: SipRequest, count: number) => Reply | undefined = request => granted(request)

  static async open(lab: Lab, address: string, name = 'pbx.lab'): Promise<RegistrarPeer> {
    const peer = new RegistrarPeer()
    lab.resolver.setAddresses(name, [address])
    const socket = await lab.network.host(address).bindUdp({ host: address, port: 5060 })
    socket.onMessage = (data, remote) => {
      if (data.length <= 4) {
        peer.pings.push(lab.clock.now())
        return
      }
      const request = parseMessage(data)
      if (request.kind !== 'request') return
      peer.heard.push({ at: lab.clock.now(), request })
      const reply = peer.answer(request, peer.heard.length)
      if (reply === undefined) return
      const response = createResponse(request, reply.statusCode, { toTag: 'r', headers: reply.headers })
      socket.send(serialise(response), remote.port, remote.address)
    }
    return peer
  }

  get requests(): readonly SipRequest[] {
    return this.heard.map(({ request }) => request)
  }

  /** `Expires` of each REGISTER, in order. */
  get expiries(): readonly (string | undefined)[] {
    return this.requests.map(({ headers }) => headers.get('Expires'))
  }
}

/** 200 with every contact and the expiry asked for, or that one. */
export function granted(request: SipRequest, seconds?: string): Reply {
  const expires = seconds ?? request.headers.get('Expires') ?? '600'
  const contacts = request.contacts === '*' ? [] : request.contacts
  return {
    statusCode: 200,
    headers: contacts.map(contact => ['Contact', contact.withParam('expires', expires).toString()] as const),
  }
}
