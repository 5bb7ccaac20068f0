import type { Clock, Timer } from '../../runtime/runtime.ts'
import type { Flow } from '../transport/flow.ts'

/** NATs forget a UDP binding after 30 s and up; well under that keeps it. Milliseconds. */
export const udpKeepAliveMs = 20_000

const doubleCrlf = new Uint8Array([13, 10, 13, 10])

/** Keeps the flow of a registration open and tells when it is gone (RFC 5626 §4.4). */
export class FlowKeeper {
  readonly #clock: Clock
  readonly #share: () => number
  readonly #onLost: () => void
  #flow: Flow | undefined
  #release: (() => void) | undefined
  #timer: Timer | undefined

  /** `share` gives numbers from 0 up to 1. */
  constructor(clock: Clock, share: () => number, onLost: () => void) {
    this.#clock = clock
    this.#share = share
    this.#onLost = onLost
  }

  /**
   * Holds that flow in place of the one before.
   * @param everyMs the interval asked for; 0 none; undefined the default of the transport
   * @param flowTimerSeconds what the registrar asks for
   */
  hold(flow: Flow, everyMs: number | undefined, flowTimerSeconds: number | undefined): void {
    this.release()
    if (flow.closed) {
      // A turn later: whoever holds a flow is not told within the call that it is gone.
      this.#timer = this.#clock.setTimer(this.#clock.now(), this.#onLost)
      return
    }
    const letGo = flow.hold()
    const forget = flow.onClose(this.#onLost)
    this.#flow = flow
    this.#release = () => {
      letGo()
      forget()
    }
    const own = everyMs ?? (flow.reliable ? Infinity : udpKeepAliveMs)
    // Zero means none: whoever says so knows that there is no NAT.
    const asked = flowTimerSeconds === undefined || everyMs === 0 ? Infinity : flowTimerSeconds * 1000
    const interval = Math.min(own === 0 ? Infinity : own, Math.max(asked, 1000))
    if (interval !== Infinity) this.#plan(interval)
  }

  release(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    this.#release?.()
    this.#release = undefined
    this.#flow = undefined
  }

  #plan(intervalMs: number): void {
    const delay = intervalMs * (0.8 + 0.2 * this.#share())
    this.#timer = this.#clock.setTimer(this.#clock.now() + delay, () => {
      this.#plan(intervalMs)
      try {
        this.#flow?.send(doubleCrlf)
      } catch {
        this.release()
        this.#onLost()
      }
    })
  }
}
