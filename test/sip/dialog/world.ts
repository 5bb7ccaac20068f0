import { createRequest, createResponse } from '../../../src/sip/message/build.ts'
import type { SipMessage, SipRequest, SipResponse } from '../../../src/sip/message/message.ts'
import { parseMessage } from '../../../src/sip/message/parser.ts'
import { serialise } from '../../../src/sip/message/serialiser.ts'
import type { UdpSocket } from '../../../src/runtime/runtime.ts'
import { UserAgentCore } from '../../../src/sip/dialog/core.ts'
import type { UserAgentCoreOptions } from '../../../src/sip/dialog/core-types.ts'
import type {
  InviteServerSession,
  SessionBody,
  SessionEnd,
  SessionHandlers,
} from '../../../src/sip/dialog/session-types.ts'
import { TransactionLayer } from '../../../src/sip/transaction/transaction-layer.ts'
import type { ListenAddress } from '../../../src/sip/transport/options.ts'
import { TransportLayer } from '../../../src/sip/transport/transport-layer.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { createSimulatedRuntime, SimulatedNetwork } from '../../../src/testing/simulated-network.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

export const OURS = '192.0.2.1'
export const PEER = '192.0.2.2'

export function sdp(text: string): SessionBody {
  return { contentType: 'application/sdp', body: Buffer.from(`v=0\r\ns=${text}\r\n`) }
}

export function textOf(body: SessionBody | { body: Uint8Array } | undefined): string | undefined {
  if (body === undefined || body.body.length === 0) return undefined
  return /s=(.*)\r\n/.exec(Buffer.from(body.body).toString())?.[1]
}

export interface Seen<T extends SipMessage = SipMessage> {
  readonly at: number
  readonly message: T
  readonly port: number
}

/** A peer that says what the test tells it to, octet by octet, and keeps what it hears. */
export class ScriptedPeer {
  readonly seen: Seen[] = []
  readonly address: string
  /** Answers at once, before the test looks. */
  onMessage: ((message: SipMessage) => void) | undefined
  #socket: UdpSocket | undefined
  readonly #clock: VirtualClock
  #branches = 0

  constructor(clock: VirtualClock, address: string) {
    this.#clock = clock
    this.address = address
  }

  attach(socket: UdpSocket): void {
    this.#socket = socket
    socket.onMessage = (data, remote) => {
      const message = parseMessage(data)
      this.seen.push({ at: this.#clock.now(), message, port: remote.port })
      this.onMessage?.(message)
    }
  }

  send(message: SipMessage): void {
    this.#socket?.send(serialise(message), 5060, OURS)
  }

  sendText(text: string): void {
    this.#socket?.send(Buffer.from(text), 5060, OURS)
  }

  requests(method?: string): SipRequest[] {
    return this.seen.flatMap(({ message }) =>
      message.kind === 'request' && (method === undefined || message.method === method) ? [message] : [],
    )
  }

  responses(method: string, statusCode?: number): SipResponse[] {
    return this.seen.flatMap(({ message }) =>
      message.kind === 'response' &&
      message.cseq.method === method &&
      (statusCode === undefined || message.statusCode === statusCode)
        ? [message]
        : [],
    )
  }

  statuses(method: string): number[] {
    return this.responses(method).map(({ statusCode }) => statusCode)
  }

  /** Methods and statuses in the order they arrived, as a ladder shows them. */
  ladder(): string[] {
    return this.seen.map(({ message }) =>
      message.kind === 'request' ? message.method : `${message.statusCode} ${message.cseq.method}`,
    )
  }

  lastRequest(method: string): SipRequest {
    const found = this.requests(method).at(-1)
    if (found === undefined) throw new Error(`no ${method} came; seen: ${this.ladder().join(', ')}`)
    return found
  }

  lastResponse(method: string, statusCode?: number): SipResponse {
    const found = this.responses(method, statusCode).at(-1)
    if (found === undefined) {
      throw new Error(`no ${statusCode ?? ''} for ${method} came; seen: ${this.ladder().join(', ')}`)
    }
    return found
  }

  branch(): string {
    return `z9hG4bK-peer-${++this.#branches}`
  }

  /** A request with everything a request needs. */
  request(
    method: string,
    options: {
      callId?: string
      fromTag?: string
      toTag?: string | undefined
      cseq?: number
      uri?: string
      branch?: string
      headers?: readonly (readonly [string, string])[]
      body?: SessionBody | undefined
      contact?: string | undefined
    } = {},
  ): SipRequest {
    const { callId = 'call-1', fromTag = 'peer', toTag, cseq = 1, uri = `sip:agent@${OURS}`, body } = options
    const contact = 'contact' in options ? options.contact : `<sip:peer@${this.address}>`
    return createRequest({
      method,
      uri,
      headers: [
        ['Via', `SIP/2.0/UDP ${this.address}:5060;branch=${options.branch ?? this.branch()};rport`],
        ['Max-Forwards', '70'],
        ['From', `<sip:peer@${this.address}>;tag=${fromTag}`],
        ['To', `<sip:agent@${OURS}>${toTag === undefined ? '' : `;tag=${toTag}`}`],
        ['Call-ID', callId],
        ['CSeq', `${cseq} ${method}`],
        ...(contact === undefined ? [] : [['Contact', contact] as const]),
        ...(options.headers ?? []),
      ],
      ...(body === undefined ? {} : { body: body.body, contentType: body.contentType }),
    })
  }

  /** A request in the dialog that our 2xx or 18x made. */
  inDialog(
    method: string,
    response: SipResponse,
    options: Parameters<ScriptedPeer['request']>[1] = {},
  ): SipRequest {
    return this.request(method, {
      callId: response.callId,
      ...(response.from.tag === undefined ? {} : { fromTag: response.from.tag }),
      toTag: response.to.tag,
      cseq: method === 'ACK' ? response.cseq.sequence : response.cseq.sequence + 1,
      contact: method === 'INVITE' || method === 'UPDATE' ? `<sip:peer@${this.address}>` : undefined,
      ...options,
    })
  }

  /** A request in the dialog that our INVITE and a 2xx of the peer made. */
  inOurDialog(
    method: string,
    invite: SipRequest,
    options: Parameters<ScriptedPeer['request']>[1] & { tag?: string } = {},
  ): SipRequest {
    const request = this.request(method, { callId: invite.callId, ...options })
    request.headers.set('From', invite.to.withParam('tag', options.tag ?? 'peer').toString())
    request.headers.set('To', invite.from.toString())
    return request
  }

  /** An answer to a request we sent. */
  respond(
    request: SipRequest,
    statusCode: number,
    options: {
      toTag?: string | undefined
      body?: SessionBody
      headers?: readonly (readonly [string, string])[]
      contact?: string | undefined
    } = {},
  ): SipResponse {
    const toTag = 'toTag' in options ? options.toTag : 'peer'
    const contact = 'contact' in options ? options.contact : `<sip:peer@${this.address}>`
    const response = createResponse(request, statusCode, {
      ...(toTag === undefined ? {} : { toTag }),
      headers: [
        ...(contact === undefined || statusCode === 100 ? [] : [['Contact', contact] as const]),
        ...(options.headers ?? []),
      ],
      ...(options.body === undefined
        ? {}
        : { body: options.body.body, contentType: options.body.contentType }),
    })
    this.send(response)
    return response
  }
}

export class World {
  readonly clock: VirtualClock = new VirtualClock()
  readonly network: SimulatedNetwork
  readonly transport: TransportLayer
  readonly transactions: TransactionLayer
  readonly core: UserAgentCore
  readonly peer: ScriptedPeer
  /** Sessions as they came in. */
  readonly incoming: InviteServerSession[] = []

  private constructor(options: Partial<UserAgentCoreOptions>, listen: readonly ListenAddress[]) {
    const random = seededRandom(1)
    this.network = new SimulatedNetwork({ clock: this.clock, random: seededRandom(2) })
    const runtime = createSimulatedRuntime({ clock: this.clock, network: this.network.host(OURS), random })
    this.transport = new TransportLayer({ runtime, listen })
    this.transactions = new TransactionLayer({ transport: this.transport, clock: this.clock, random })
    this.core = new UserAgentCore({
      transactions: this.transactions,
      transport: this.transport,
      runtime,
      userAgent: 'Offhook test',
      ...options,
    })
    this.core.onInvite = session => {
      this.incoming.push(session)
    }
    this.peer = new ScriptedPeer(this.clock, PEER)
  }

  static async create(
    options: Partial<UserAgentCoreOptions> = {},
    listen: readonly ListenAddress[] = [{ transport: 'udp', host: OURS, port: 5060 }],
  ): Promise<World> {
    const world = new World(options, listen)
    const opened = world.transport.open()
    await world.clock.settle()
    await opened
    world.peer.attach(await world.network.host(PEER).bindUdp({ host: PEER, port: 5060 }))
    return world
  }

  /** Another peer, at an address of its own. */
  async peerAt(address: string): Promise<ScriptedPeer> {
    const peer = new ScriptedPeer(this.clock, address)
    peer.attach(await this.network.host(address).bindUdp({ host: address, port: 5060 }))
    return peer
  }

  /** Lets `ms` of virtual time pass; 10 ms are enough for messages to arrive and be answered. */
  run(ms = 10): Promise<void> {
    return this.clock.advance(ms)
  }

  get session(): InviteServerSession {
    const session = this.incoming.at(-1)
    if (session === undefined) throw new Error('no INVITE came in')
    return session
  }

  /** The peer calls and is answered; the ACK is sent unless told otherwise. */
  async answered(
    options: {
      offer?: SessionBody | undefined
      answer?: SessionBody
      ack?: boolean
      ackBody?: SessionBody
      handlers?: SessionHandlers
      headers?: readonly (readonly [string, string])[]
    } = {},
  ): Promise<{ session: InviteServerSession; ok: SipResponse; invite: SipRequest }> {
    const invite = this.peer.request('INVITE', {
      body: 'offer' in options ? options.offer : sdp('offer'),
      ...(options.headers === undefined ? {} : { headers: options.headers }),
    })
    this.peer.send(invite)
    await this.run()
    const { session } = this
    session.handlers = options.handlers ?? {}
    session.answer({ body: options.answer ?? sdp('answer') })
    await this.run()
    const ok = this.peer.lastResponse('INVITE', 200)
    if (options.ack !== false) {
      this.peer.send(
        this.peer.inDialog('ACK', ok, options.ackBody === undefined ? {} : { body: options.ackBody }),
      )
      await this.run()
    }
    return { session, ok, invite }
  }

  /** Runs until every timer has run out, and gives what is left: nothing, if all is well. */
  async leftovers(): Promise<{ core: number; transactions: number }> {
    await this.clock.advance(600_000)
    return { core: this.core.size, transactions: this.transactions.size }
  }
}

/** Handlers that write down what they are told. */
export function recorder(
  handlers: SessionHandlers = {},
): SessionHandlers & { readonly log: string[]; ended: SessionEnd[] } {
  const log: string[] = []
  const ended: SessionEnd[] = []
  return {
    log,
    ended,
    onOffer: (offer, { phase }) => {
      log.push(`offer ${textOf(offer)} ${phase}`)
      return sdp(`answer to ${textOf(offer)}`)
    },
    onOfferRequest: ({ phase }) => {
      log.push(`offer request ${phase}`)
      return sdp('our offer')
    },
    onAnswer: (answer, { phase }) => {
      log.push(`answer ${textOf(answer)} ${phase}`)
    },
    onProgress: ({ statusCode, dialogTag }) => {
      log.push(`progress ${statusCode} ${dialogTag ?? '-'}`)
    },
    onAccepted: message => {
      log.push(`accepted ${message.statusCode}`)
    },
    onConfirmed: () => {
      log.push('confirmed')
    },
    onEnd: end => {
      ended.push(end)
      log.push(`end ${end.by} ${end.cause}`)
    },
    ...handlers,
  }
}
