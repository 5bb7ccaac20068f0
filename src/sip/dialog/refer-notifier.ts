import type { Clock } from '../../runtime/runtime.ts'
import { referNotify } from './refer-notify.ts'
import type { InviteSession } from './session-types.ts'

interface Status {
  readonly statusCode: number
  readonly reasonPhrase: string | undefined
}

/**
 * Tells who sent a REFER how the call goes (RFC 3515 §2.4.4): one NOTIFY after the other, in order. A status that comes while one is under way takes
 * the place of one that waits, so that nothing queues. Ends with the final status, with the call, and with a 481.
 */
export class ReferNotifier {
  readonly #session: Pick<InviteSession, 'request' | 'state'>
  readonly #clock: Clock
  readonly #id: number
  readonly #expiresAt: number
  #next: Status | undefined
  #last: number | undefined
  #busy = false
  #over: boolean

  constructor(init: {
    readonly session: Pick<InviteSession, 'request' | 'state'>
    readonly clock: Clock
    /** CSeq of the REFER. */
    readonly id: number
    readonly expiresMs: number
    /** No NOTIFY is wanted (RFC 4488). */
    readonly silent?: boolean
  }) {
    this.#session = init.session
    this.#clock = init.clock
    this.#id = init.id
    this.#expiresAt = init.clock.now() + init.expiresMs
    this.#over = init.silent === true
  }

  tell(statusCode: number, reasonPhrase?: string): void {
    if (this.#over || statusCode === this.#last) return
    this.#last = statusCode
    this.#next = { statusCode, reasonPhrase }
    if (!this.#busy) void this.#send()
  }

  async #send(): Promise<void> {
    this.#busy = true
    try {
      for (let status = this.#take(); status !== undefined; status = this.#take()) {
        const seconds = (this.#expiresAt - this.#clock.now()) / 1000
        const response = await this.#session.request(
          'NOTIFY',
          referNotify(this.#id, status.statusCode, status.reasonPhrase, seconds),
        )
        // RFC 6665 §4.2.2: who does not know the subscription wants no more of it.
        if (response.statusCode === 481) this.#over = true
      }
    } catch {
      // Nobody answers any more, or the call is over: the session has said so to its owner.
      this.#over = true
    } finally {
      this.#busy = false
    }
  }

  #take(): Status | undefined {
    const status = this.#next
    this.#next = undefined
    if (this.#over || status === undefined || this.#session.state === 'terminated') return undefined
    if (status.statusCode >= 200) this.#over = true
    return status
  }
}
