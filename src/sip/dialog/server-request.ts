import type { SipRequest } from '../message/message.ts'
import type { ServerTransaction } from '../transaction/server-transaction.ts'
import type { Flow } from '../transport/flow.ts'
import type { SessionHost } from './session-host.ts'
import type { IncomingRequest, RespondOptions } from './session-types.ts'

/** A request received that waits for its answer; a second final answer is ignored. */
export class ServerRequest implements IncomingRequest {
  readonly request: SipRequest
  readonly flow: Flow
  readonly #host: Pick<SessionHost, 'identity'>
  readonly #transaction: ServerTransaction

  constructor(host: Pick<SessionHost, 'identity'>, transaction: ServerTransaction) {
    this.request = transaction.request
    this.flow = transaction.flow
    this.#host = host
    this.#transaction = transaction
  }

  get responded(): boolean {
    return (this.#transaction.response?.statusCode ?? 0) >= 200
  }

  get localTag(): string {
    return this.#transaction.toTag
  }

  /** @throws OptionError, SipSerialiseError a status or header that cannot be sent */
  respond(statusCode: number, options: RespondOptions = {}): void {
    if (this.responded) return
    const { reasonPhrase, headers = [], body } = options
    this.#transaction.reply(statusCode, {
      headers: [...this.#host.identity('response'), ...headers],
      ...(reasonPhrase === undefined ? {} : { reasonPhrase }),
      ...(body === undefined ? {} : { body: body.body, contentType: body.contentType }),
    })
  }
}
