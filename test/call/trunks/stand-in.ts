import { Endpoint } from '../../../src/call/endpoint.ts'
import type { IncomingCall } from '../../../src/call/incoming-call.ts'
import type { EndpointOptions } from '../../../src/call/options.ts'
import type { AdmissionPolicy } from '../../../src/sip/auth/admission.ts'
import { admitAddresses, dropOthers } from '../../../src/sip/auth/policies.ts'
import { admitDigest } from '../../../src/sip/auth/server-digest.ts'
import { contactOf } from './contact.ts'
import { plainDigest } from './plain-digest.ts'
import type { StandIn, StandInFailure } from './stand-ins.ts'
import { quirkyNetwork } from './wire-quirks.ts'

export const username = 'acme'
export const password = 'secret'

export interface StandInOptions {
  readonly data: StandIn
  /** Its name in the request line. */
  readonly host: string
  /** Where we call from. */
  readonly ourAddress: string
  readonly endpoint: EndpointOptions
  /** In how long a time it counts calls, where it counts. Default: a second. */
  readonly cpsWindowMs?: number
}

/** Plays a carrier: takes our calls as it would, and calls us. */
export class CarrierStandIn {
  readonly endpoint: Endpoint
  readonly calls: IncomingCall[] = []
  /** Who called, as From says. */
  readonly callers: string[] = []
  readonly called: string[] = []
  readonly digits: string[] = []
  options = 0
  refused = 0
  /** Contact of our registration. */
  registered: string | undefined
  /** Where the numbers are that we transfer to; default where we say. */
  desk: string | undefined
  readonly #host: string
  readonly #data: StandIn
  readonly #begun: number[] = []
  readonly #windowMs: number

  private constructor(setting: StandInOptions) {
    const { data } = setting
    this.#data = data
    this.#host = setting.host
    this.#windowMs = setting.cpsWindowMs ?? 1_000
    this.endpoint = new Endpoint({
      ...quirky(setting.endpoint, data),
      codecs: data.codecs,
      dtmf: { receive: data.roads, send: data.dtmf },
      admission: this.#door(setting),
      requests: {
        OPTIONS: () => {
          this.options += 1
        },
        ...(data.registrar === true && {
          REGISTER: ({ request }) => {
            this.registered = contactOf(request)
            return { statusCode: 200, headers: [['Contact', `<${this.registered ?? ''}>;expires=600`]] }
          },
        }),
      },
    })
  }

  static async open(setting: StandInOptions): Promise<CarrierStandIn> {
    const standIn = new CarrierStandIn(setting)
    await standIn.endpoint.open()
    void standIn.endpoint.serve(call => standIn.#take(call))
    return standIn
  }

  #door({ data, host, ourAddress }: StandInOptions): readonly AdmissionPolicy[] {
    const { challenge, sources, onlyItsHost, firstInvite } = data
    return [
      request => (request.method === 'OPTIONS' ? { kind: 'admitted', by: 'options' } : undefined),
      request => {
        const { uri } = request
        return onlyItsHost === true && uri.kind === 'sip' && uri.host !== host
          ? { kind: 'dropped' }
          : undefined
      },
      request =>
        firstInvite !== undefined && request.method === 'INVITE' && !request.headers.has(firstInvite)
          ? { kind: 'refused', statusCode: 403, reasonPhrase: 'Not yours D51' }
          : undefined,
      ...(sources === undefined ? [] : [admitAddresses([ourAddress])]),
      ...(sources === 'silence' ? [dropOthers()] : []),
      ...(challenge === undefined
        ? []
        : data.plainDigest === true
          ? [plainDigest({ realm: data.carrier, username, password, statusCode: challenge })]
          : [
              admitDigest({
                realm: data.carrier,
                algorithms: ['MD5'],
                proxy: challenge === 407,
                secretOf: user => (user === username ? { password } : undefined),
              }),
            ]),
      () =>
        sources === undefined && challenge === undefined ? { kind: 'admitted', by: 'anybody' } : undefined,
    ]
  }

  async #take(call: IncomingCall): Promise<void> {
    const { number, failures, refer, cps, carrier, ringsEveryMs, refersToItself } = this.#data
    const { uri } = call.local
    const user = uri.kind === 'sip' ? (uri.user ?? '') : ''
    const caller = call.remote.uri
    if (cps !== undefined && this.#tooFast(cps.limit)) {
      this.refused += 1
      return refuse(call, cps.failure)
    }
    const failure = failures.find(({ statusCode }) => user.endsWith(`0${statusCode}`))
    if (failure !== undefined) return refuse(call, failure)
    if (!number.test(user))
      return refuse(call, { statusCode: 484, reasonPhrase: `Address Incomplete ${carrier}` })
    this.calls.push(call)
    this.called.push(user)
    this.callers.push(caller.kind === 'sip' ? (caller.user ?? '') : '')
    call.on('transfer', request => {
      const { uri: wanted } = request.target
      const isElsewhere = wanted.kind !== 'sip' || wanted.host !== this.#host
      if (refersToItself === true && isElsewhere) request.reject(403)
      else if (refer === 'takes')
        request
          .accept({ ringTimeoutMs: 5_000, ...(this.desk !== undefined && { target: this.desk }) })
          .catch(() => {})
      else request.reject(refer.statusCode, { reasonPhrase: refer.reasonPhrase })
    })
    call.ring()
    for (const ms of ringsEveryMs === undefined ? [] : [ringsEveryMs, ringsEveryMs]) {
      await call.sleep(ms)
      call.ring()
    }
    await call.answer({ srtp: 'optional' })
    void (async () => {
      for await (const { digit } of call.dtmf()) this.digits.push(digit)
    })()
    await call.ended
  }

  #tooFast(limit: number): boolean {
    const now = this.endpoint.clock.now()
    this.#begun.push(now)
    return this.#begun.filter(at => at > now - this.#windowMs).length > limit
  }
}

function quirky(options: EndpointOptions, { wire }: StandIn): EndpointOptions {
  const network = options.runtime?.network
  if (wire === undefined || network === undefined) return options
  return { ...options, runtime: { ...options.runtime, network: quirkyNetwork(network, wire) } }
}

function refuse(call: IncomingCall, { statusCode, reasonPhrase, headers = [] }: StandInFailure): void {
  call.reject(statusCode, { reasonPhrase, headers })
}
