/**
 * OpenAI's SIP side as it is known to behave: TLS only, a 200 without Content-Type, a Contact without transport, the webhooks of both
 * interfaces for one call, and REST that accepts, rejects, refers and hangs up. The model says one tone and hears what it is told.
 */

import {
  createEndpoint,
  type Endpoint,
  type EndpointOptions,
  type IncomingCall,
  type Runtime,
} from '../../src/index.ts'
import { signStandardWebhook } from '../../src/agent/index.ts'
import type { HttpListener, HttpRequest, HttpResponse } from '../../src/runtime/web.ts'
import { quirkyNetwork } from '../../test/call/trunks/wire-quirks.ts'
import { sine } from '../audio.ts'

export const modelHz = 440
const firstSecret = `whsec_${Buffer.from('the key of the stand-in').toString('base64')}`

/** One call that waits for a decision, or has one. */
interface Pending {
  readonly call: IncomingCall
  readonly ids: readonly string[]
  decided: boolean
  readonly hears: number[]
}

export class OpenAiStandIn {
  readonly endpoint: Endpoint
  readonly secret: string = firstSecret
  /** Of REST. */
  readonly baseUrl: string
  /** `accept rtc_1`, in order. */
  readonly requests: string[] = []
  readonly calls: Pending[] = []
  readonly #listener: HttpListener
  readonly #webhook: string

  private constructor(endpoint: Endpoint, listener: HttpListener, webhook: string) {
    this.endpoint = endpoint
    this.#listener = listener
    this.#webhook = webhook
    this.baseUrl = `http://127.0.0.1:${listener.local.port}/v1`
  }

  /** @param webhook where calls are told of */
  static async open(options: EndpointOptions, runtime: Runtime, webhook: string): Promise<OpenAiStandIn> {
    const network = quirkyNetwork(runtime.network, ['no-content-type', 'contact-without-transport'])
    const endpoint = await createEndpoint({
      ...options,
      listen: ['tls://127.0.0.1:0'],
      codecs: ['PCMU'],
      runtime: { ...runtime, network },
    })
    let standIn: OpenAiStandIn | undefined
    const listener = await runtime.network.listenHttp({
      host: '127.0.0.1',
      port: 0,
      onRequest: async request => (await standIn?.serve(request)) ?? { status: 503 },
    })
    const made = new OpenAiStandIn(endpoint, listener, webhook)
    standIn = made
    void endpoint.serve(call => made.#take(call))
    return made
  }

  async close(): Promise<void> {
    await Promise.all([this.endpoint.close(), this.#listener.close()])
  }

  async serve({ method, url, headers, body }: HttpRequest): Promise<HttpResponse> {
    const path = /^\/v1\/(?:realtime\/calls|live\/sessions)\/([\w-]+)\/(accept|reject|refer|hangup)$/.exec(
      url,
    )
    if (headers.get('authorization') !== 'Bearer sk-test') return failure(401, 'invalid_api_key')
    const [, id = '', action = ''] = path ?? []
    const pending = this.calls.find(({ ids }) => ids.includes(id))
    if (method !== 'POST' || pending === undefined) return failure(404, 'not_found')
    this.requests.push(`${action} ${id}`)
    const { call } = pending
    const asked = JSON.parse(Buffer.from(body).toString() || '{}') as Record<string, unknown>
    if (action === 'accept' || action === 'reject') {
      if (pending.decided) return failure(409, 'decision_already_made')
      pending.decided = true
    }
    if (action === 'accept') {
      await call.answer({ srtp: 'required' })
      void listen(pending)
      void call.media.output.play(sine(modelHz, 20))
    } else if (action === 'reject') call.reject(Number(asked['status_code']))
    else if (action === 'refer') void call.transfer(String(asked['target_uri'])).catch(() => {})
    else await call.hangup()
    return { status: 200 }
  }

  async #take(call: IncomingCall): Promise<void> {
    const count = this.calls.length + 1
    const ids = [`rtc_${count}`, `live_${count}`]
    this.calls.push({ call, ids, decided: false, hears: [] })
    const sip_headers = [
      { name: 'From', value: `<${call.remote.uriText}>` },
      { name: 'Call-ID', value: call.callId },
      { name: 'X-Order', value: call.headers.get('X-Order') ?? '' },
    ]
    await this.#tell('realtime.call.incoming', { call_id: ids[0], sip_headers, sip_media_security: 'srtp' })
    await this.#tell('live.transport.incoming', { type: 'sip', session_id: ids[1], sip_headers })
    await call.ended
  }

  async #tell(type: string, data: object): Promise<void> {
    const now = Date.now()
    const body = JSON.stringify({
      object: 'event',
      id: `evt_${now}`,
      type,
      created_at: Math.floor(now / 1000),
      data,
    })
    const headers = signStandardWebhook({
      secret: this.secret,
      id: `msg_${type.split('.')[0]}_${now}`,
      body,
      now,
    })
    await fetch(this.#webhook, { method: 'POST', body, headers: { ...headers } })
  }
}

async function listen({ call, hears }: Pending): Promise<void> {
  for await (const { samples } of call.media.input.at(8000)) hears.push(...samples)
}

function failure(status: number, code: string): HttpResponse {
  return { status, body: JSON.stringify({ error: { code } }) }
}
