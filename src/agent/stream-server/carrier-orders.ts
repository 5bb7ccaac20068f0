import type { TransferResult } from '../../call/transfer-options.ts'
import type { Clock } from '../../runtime/runtime.ts'
import { within } from './control.ts'
import type { CarrierControl, ControlledCall } from './control.ts'
import { refusedBy, taken } from './transfer-result.ts'

/** For one order over the carrier's HTTP interface. */
const LIMIT_MS = 10_000

/** What is asked of a carrier over its HTTP interface for one call. */
export class CarrierOrders {
  readonly #clock: Clock
  readonly #control: CarrierControl
  readonly #call: ControlledCall
  /** Whether the carrier took an order to pass the call on. */
  #passedOn: Promise<boolean> = Promise.resolve(false)

  constructor(clock: Clock, control: CarrierControl, { callId, accountId, parameters }: ControlledCall) {
    this.#clock = clock
    this.#control = control
    this.#call = { callId, accountId, parameters }
  }

  get canHangup(): boolean {
    return this.#control.hangup !== undefined
  }

  get canTransfer(): boolean {
    return this.#control.transfer !== undefined
  }

  /** A call that is somebody else's by now is left, not ended: an agent returns right after its transfer. */
  async hangup(): Promise<void> {
    if (await this.#passedOn) return
    await within(this.#clock, LIMIT_MS, async signal => this.#control.hangup?.(this.#call, signal))
  }

  /** Resolves to `unknown` when the carrier took it, for it does not say how it went. */
  transfer(target: string): Promise<TransferResult> {
    const answer = within(this.#clock, LIMIT_MS, async signal =>
      this.#control.transfer?.(this.#call, target, signal),
    ).then(taken, refusedBy)
    const before = this.#passedOn
    this.#passedOn = answer.then(({ outcome }) => outcome !== 'refused' || before)
    return answer
  }
}
