/** Requests other than INVITE, in a call and outside: what answers them, and what becomes of answers that do not come. */
import { OptionError } from '../runtime/errors.ts'
import { isToken } from '../sip/message/chars.ts'
import type { SipRequest } from '../sip/message/message.ts'
import { refusalOf } from '../sip/dialog/refusal.ts'
import type { HeaderList, IncomingRequest, SessionBody } from '../sip/dialog/session-types.ts'
import type { Call } from './call.ts'
import { checkHeaders } from './checks.ts'
import { reportListenerError } from './emitter.ts'

/** A request somebody sent us. */
export interface ReceivedRequest {
  readonly method: string
  readonly request: SipRequest
  /** The call it belongs to; undefined outside of calls. */
  readonly call: Call | undefined
}

/** A body and what it is; text goes out as UTF-8. */
export interface RequestBody {
  readonly contentType: string
  readonly body: string | Uint8Array
}

export interface RequestOptions {
  readonly headers?: HeaderList
  readonly body?: RequestBody
}

/** What goes back: any final status. */
export interface RequestAnswer extends RequestOptions {
  readonly statusCode: number
  readonly reasonPhrase?: string
}

/**
 * Answers a request; nothing means 200. An error refuses it: its `statusCode`, or 500. The peer waits 32 seconds at most (RFC 3261 §17.1.2.2).
 */
export type RequestHandler = (
  received: ReceivedRequest,
) => RequestAnswer | undefined | void | Promise<RequestAnswer | undefined | void>

export type RequestHandlers = Readonly<Record<string, RequestHandler>>

/** Methods that calls and registrations are made of: those are not to be taken, or sent, by hand. */
const ownMethods: ReadonlySet<string> = new Set(['INVITE', 'ACK', 'CANCEL', 'BYE', 'PRACK', 'UPDATE'])

/** Requests that wait for their handler at once, whole endpoint; one more is answered 503. */
const MAX_PENDING = 1_000

/** @throws OptionError naming the method */
export function checkRequestMethod(method: string, field: string): void {
  if (!isToken(method)) throw new OptionError(field, `${JSON.stringify(method)} is not a method`)
  if (ownMethods.has(method)) throw new OptionError(field, `${method} belongs to the call itself`)
}

/** @throws OptionError */
function checkRequestHandlers(handlers: RequestHandlers): void {
  for (const [method, handler] of Object.entries(handlers)) {
    checkRequestMethod(method, `requests.${method}`)
    if (typeof handler !== 'function') throw new OptionError(`requests.${method}`, 'give a function')
  }
}

/** A request of ours as sessions take it. @throws OptionError naming the field */
export function checkedRequest(
  method: string,
  { headers, body }: RequestOptions,
): { readonly headers?: HeaderList; readonly body?: SessionBody } {
  checkRequestMethod(method, 'method')
  checkHeaders(headers)
  return {
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined ? {} : { body: wireBody(body) }),
  }
}

function wireBody({ contentType, body }: RequestBody): SessionBody {
  return { contentType, body: typeof body === 'string' ? Buffer.from(body) : body }
}

/** Hands requests to their handlers and sends what those answer. One for an endpoint. */
export class RequestDesk {
  readonly #handlers: ReadonlyMap<string, RequestHandler>
  #pending = 0
  #refused = 0

  /** @throws OptionError */
  constructor(handlers: RequestHandlers = {}) {
    checkRequestHandlers(handlers)
    this.#handlers = new Map(Object.entries(handlers))
  }

  /** The methods taken, for Allow. */
  get methods(): readonly string[] {
    return [...this.#handlers.keys()]
  }

  /** Requests answered 503 because too many waited for their handler. */
  get refused(): number {
    return this.#refused
  }

  handlerOf(method: string): RequestHandler | undefined {
    return this.#handlers.get(method)
  }

  /** False: nobody takes it, and the rules of the method answer it. */
  receive(
    incoming: IncomingRequest,
    call?: Call,
    handler: RequestHandler | undefined = this.handlerOf(incoming.request.method),
  ): boolean {
    if (handler === undefined) return false
    if (this.#pending >= MAX_PENDING) {
      this.#refused++
      incoming.respond(503, { headers: [['Retry-After', '10']] })
      return true
    }
    void this.#answer(incoming, handler, call)
    return true
  }

  async #answer(incoming: IncomingRequest, handler: RequestHandler, call: Call | undefined): Promise<void> {
    const { request } = incoming
    this.#pending++
    try {
      const answer = (await handler({ method: request.method, request, call })) ?? { statusCode: 200 }
      const { statusCode, reasonPhrase, headers, body } = answer
      incoming.respond(statusCode, {
        ...(reasonPhrase === undefined ? {} : { reasonPhrase }),
        ...(headers === undefined ? {} : { headers }),
        ...(body === undefined ? {} : { body: wireBody(body) }),
      })
    } catch (error) {
      const refusal = refusalOf(error)
      if (refusal.statusCode === 500) reportListenerError(request.method, error)
      incoming.respond(refusal.statusCode, refusal)
    } finally {
      this.#pending--
    }
  }
}
