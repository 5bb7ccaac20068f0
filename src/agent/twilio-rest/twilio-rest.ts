import { OptionError } from '../../runtime/errors.ts'
import { createNodeRuntime } from '../../runtime/node.ts'
import type { Runtime, TlsOptions } from '../../runtime/runtime.ts'
import type { HttpListener, HttpRequest, HttpResponse } from '../../runtime/web.ts'
import type { Agent, AgentSession } from '../agent.ts'
import { sameSecret } from '../signatures/signed-request.ts'
import { twilioCallSid } from '../streams/ids.ts'
import { RestError, errorResponse, jsonResponse } from './rest-error.ts'
import { callResource } from './resource.ts'
import { TrackedCall } from './tracked-call.ts'
import type { VerbHooks } from './tracked-call.ts'
import { readTwiml } from './twiml.ts'

export interface TwilioRestOptions {
  /** `AC…`, as the bot has it. Default: that of `streamIds`, zeros. Give the same one to `streamAgent` as `ids.accountId`. */
  readonly accountSid?: string
  /** The password of HTTP Basic, the account sid being the user. */
  readonly authToken: string
  /**
   * `<Dial>`: passes the caller on to a SIP URI or a number as it stands in the TwiML; true when the other one has the call. Default: REFER to the
   * URI, or to `tel:` and the number.
   */
  readonly dial?: (session: AgentSession, target: string, signal: AbortSignal) => Promise<boolean>
  /** `<Say>`, by the speech of your choice. Without it `<Say>` is refused. */
  readonly say?: (session: AgentSession, text: string, signal: AbortSignal) => Promise<void>
  /** Calls that have ended and can still be asked for. Default 1,000. */
  readonly keepCalls?: number
  /** Default: this machine. */
  readonly runtime?: Pick<Runtime, 'clock' | 'network'>
}

/** The part of Twilio's HTTP interface that bots on its Media Streams use: to hang up, to transfer, to look. */
export interface TwilioRest {
  /** Wraps the agent that dials the bot, so that its calls are known by their CallSid while they last. */
  track(agent: Agent): Agent
  /** For an HTTP server of your own. Never rejects. */
  handle(request: HttpRequest): Promise<HttpResponse>
  listen(options: {
    readonly host: string
    readonly port: number
    readonly tls?: TlsOptions
  }): Promise<HttpListener>
}

const PATH = /^\/2010-04-01\/Accounts\/(?<account>[^/?]+)\/Calls\/(?<call>[^/?]+?)\.json(?:\?.*)?$/

/** @throws OptionError `authToken`, `accountSid` or `keepCalls` */
export function twilioRest(options: TwilioRestOptions): TwilioRest {
  const { accountSid = `AC${'0'.repeat(32)}`, authToken, keepCalls = 1000 } = options
  if (authToken === '') throw new OptionError('authToken', 'it is empty; give the token that the bot has')
  if (!/^[\w-]{2,64}$/.test(accountSid)) throw new OptionError('accountSid', 'give AC and 32 characters')
  if (!(keepCalls >= 1)) throw new OptionError('keepCalls', `${keepCalls} is not usable; give 1 or more`)
  return new Shim({ ...options, accountSid, keepCalls })
}

class Shim implements TwilioRest {
  readonly #options: TwilioRestOptions & { readonly accountSid: string; readonly keepCalls: number }
  readonly #runtime: Pick<Runtime, 'clock' | 'network'>
  readonly #hooks: VerbHooks
  /** Under way (bounded by the endpoint's limit on calls), and ended ones up to `keepCalls`, oldest first. */
  readonly #calls = new Map<string, TrackedCall>()
  #ended: string[] = []

  constructor(options: TwilioRestOptions & { readonly accountSid: string; readonly keepCalls: number }) {
    this.#options = options
    this.#runtime = options.runtime ?? createNodeRuntime()
    this.#hooks = { dial: options.dial ?? refer, say: options.say }
  }

  track(agent: Agent): Agent {
    return {
      run: async session => {
        const call = new TrackedCall(twilioCallSid(session.id), session, this.#runtime.clock.wallTime())
        this.#calls.set(call.sid, call)
        // The call may outlast what is run here, in another agent's hands.
        void session.ended.then(() => this.#over(call))
        await call.run(agent, this.#hooks)
      },
    }
  }

  handle(request: HttpRequest): Promise<HttpResponse> {
    return Promise.resolve(this.#answer(request))
  }

  listen(options: {
    readonly host: string
    readonly port: number
    readonly tls?: TlsOptions
  }): Promise<HttpListener> {
    return this.#runtime.network.listenHttp({
      ...options,
      maxBodyBytes: 65_536,
      onRequest: request => this.handle(request),
    })
  }

  #over(call: TrackedCall): void {
    call.endedAt = this.#runtime.clock.wallTime()
    this.#ended.push(call.sid)
    while (this.#ended.length > this.#options.keepCalls) this.#calls.delete(this.#ended.shift() ?? '')
  }

  #answer(request: HttpRequest): HttpResponse {
    try {
      this.#authorise(request)
      const call = this.#find(request)
      if (request.method === 'POST')
        this.#update(call, new URLSearchParams(Buffer.from(request.body).toString('utf8')))
      else if (request.method !== 'GET') throw new RestError(20004, 'Method not allowed', 405)
      return jsonResponse(200, callResource(call, this.#options.accountSid, this.#runtime.clock.wallTime()))
    } catch (error) {
      if (error instanceof RestError) return errorResponse(error)
      return errorResponse(new RestError(20500, 'Internal server error', 500))
    }
  }

  #authorise({ headers }: HttpRequest): void {
    const { accountSid, authToken } = this.#options
    const given = /^Basic +(\S+)$/i.exec(headers.get('authorization') ?? '')?.[1] ?? ''
    if (!sameSecret(given, Buffer.from(`${accountSid}:${authToken}`).toString('base64'))) {
      throw new RestError(20003, 'Authenticate', 401)
    }
  }

  #find({ url }: HttpRequest): TrackedCall {
    const { account, call = '' } = PATH.exec(url)?.groups ?? {}
    const found = account === this.#options.accountSid ? this.#calls.get(call) : undefined
    if (found !== undefined) return found
    const path = url.split('?')[0]?.slice(0, 256) ?? ''
    throw new RestError(20404, `The requested resource ${path} was not found`, 404)
  }

  #update(call: TrackedCall, form: URLSearchParams): void {
    const status = form.get('Status')
    const twiml = form.get('Twiml')
    if (form.has('Url'))
      throw new RestError(21205, 'Url is not fetched here: send the document itself as Twiml')
    if (status !== null && status !== 'completed' && status !== 'canceled') {
      throw new RestError(
        21218,
        `Status ${JSON.stringify(status.slice(0, 32))} is not understood; send completed`,
      )
    }
    // Before its state is looked at: a document in order now is one in order later.
    const verbs = twiml === null ? undefined : readTwiml(twiml)
    if (verbs?.some(({ verb }) => verb === 'say') === true && this.#hooks.say === undefined) {
      throw new RestError(12200, '<Say> is not understood here: no speech was given (option say)')
    }
    if (call.isOver) throw notInProgress()
    // How it ends is in the call's record, also where the far end could not be told.
    if (status === 'completed') call.session.hangup().catch(() => {})
    else if (status === 'canceled')
      throw new RestError(21220, 'Invalid call state. The call is up: send completed')
    else if (verbs !== undefined && !call.takeOver(verbs)) throw notInProgress()
  }
}

function notInProgress(): RestError {
  return new RestError(21220, 'Invalid call state. Call is not in-progress. Cannot redirect.')
}

async function refer(session: AgentSession, target: string, signal: AbortSignal): Promise<boolean> {
  const uri = /^sips?:/i.test(target) ? target : `tel:${target}`
  const { outcome } = await session.transfer(uri, { signal })
  return outcome === 'transferred' || outcome === 'unknown'
}
