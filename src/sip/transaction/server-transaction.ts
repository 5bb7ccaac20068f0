import { SipError } from '../../runtime/errors.ts'
import { createResponse } from '../message/build.ts'
import type { ResponseInit } from '../message/build.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import type { SipTransportError } from '../transport/errors.ts'
import type { Flow } from '../transport/flow.ts'
import type { SipTimeoutError } from './errors.ts'
import type { ServerEntry, ServerState } from './server-entry.ts'

export type { ServerState } from './server-entry.ts'

/** One request received and our responses (RFC 3261 §17.2). */
export class ServerTransaction {
  readonly request: SipRequest
  /**
   * The same request is being worked on in another transaction: it came by two ways (RFC 3261 §8.2.2.2), and a user
   * agent answers 482.
   */
  readonly merged: boolean
  /** The INVITE was cancelled; the 200 to the CANCEL is out. Called while there is no final response: answer 487. */
  onCancel: ((cancel: SipRequest) => void) | undefined
  /** Timer H: a final response of 300 or above was never acknowledged; or `expire`: the request was never answered. */
  onTimeout: ((error: SipTimeoutError) => void) | undefined
  /** A response could not be sent. */
  onTransportError: ((error: SipTransportError) => void) | undefined
  /** The last callback, exactly once. */
  onTerminated: (() => void) | undefined
  /** The last response sent. */
  response: SipResponse | undefined
  readonly #entry: ServerEntry
  readonly #newTag: () => string
  #toTag: string | undefined

  /** Made by the layer. */
  constructor(request: SipRequest, merged: boolean, entry: ServerEntry, newTag: () => string) {
    this.request = request
    this.merged = merged
    this.#entry = entry
    this.#newTag = newTag
    this.#toTag = undefined
  }

  /** What the request came in by. */
  get flow(): Flow {
    return this.#entry.flow
  }

  get state(): ServerState {
    return this.#entry.state
  }

  /**
   * A To tag of its own for this transaction, made on first use: `reply` puts it into responses, the 200 to a CANCEL
   * carries it as well (RFC 3261 §9.2), and a dialog can take it for its local tag.
   */
  get toTag(): string {
    this.#toTag ??= this.request.to.tag ?? this.#newTag()
    return this.#toTag
  }

  /** Whether the layer keeps this object for the sake of a callback. */
  get isAttached(): boolean {
    return (
      this.onTerminated !== undefined || this.onTransportError !== undefined || this.onTimeout !== undefined
    )
  }

  /**
   * Wants no callback any more. An answered transaction lives on for 32 seconds on UDP to repeat its answer; without
   * callbacks, the layer can forget this object and the request by then. A 2xx to an INVITE may still be sent again.
   */
  detach(): void {
    this.onCancel = undefined
    this.onTimeout = undefined
    this.onTransportError = undefined
    this.onTerminated = undefined
    this.#entry.letGo()
  }

  /** Ends without an answer and without a callback, as if the request had never come: the same request is a new one. */
  discard(): void {
    this.detach()
    this.#entry.discard()
  }

  /** `respond` with a response made from the request, `toTag` included. */
  reply(statusCode: number, init: ResponseInit = {}): void {
    this.respond(createResponse(this.request, statusCode, { toTag: this.toTag, ...init }))
  }

  /**
   * Sends a response. The same 2xx object to an INVITE may be given again: it is resent octet for octet
   * (RFC 3261 §13.3.1.4). After the transaction has ended without an answer nothing is sent.
   *
   * Throws `SipError` `SIP_STATE` for a second final response, and to a request other than INVITE for 408 (RFC 4320
   * §4.2) and for provisional responses above 100 (§4.1). A 100 to such a request is left to the transaction, which
   * sends it when it is due. Throws `SipSerialiseError` for a response that cannot be written.
   */
  respond(response: SipResponse): void {
    const entry = this.#entry
    const { statusCode } = response
    const { isInvite } = entry
    if (entry.statusCode >= 200) {
      const another2xx = isInvite && entry.statusCode < 300 && statusCode >= 200 && statusCode < 300
      if (!another2xx) {
        throw new SipError(
          'SIP_STATE',
          `${entry.method} was answered ${entry.statusCode} already: ${statusCode} cannot be sent any more`,
        )
      }
    }
    if (!isInvite && statusCode > 100 && statusCode < 200) {
      throw new SipError(
        'SIP_STATE',
        `only INVITE takes ${statusCode}: send the final response when it is known`,
      )
    }
    if (!isInvite && statusCode === 408) {
      throw new SipError('SIP_STATE', 'only INVITE takes 408: leave a request unanswered instead')
    }
    if (entry.state === 'terminated' || (!isInvite && statusCode < 200)) return
    entry.respond(response)
  }
}
