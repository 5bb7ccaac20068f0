import type { Call } from '../call/call.ts'
import type { CallEnded } from '../call/call-ended.ts'
import type { Endpoint } from '../call/endpoint.ts'
import type { CallOptions } from '../call/outgoing-call.ts'
import type { SendDtmfOptions } from '../media/session/types.ts'
import { SipError } from '../runtime/errors.ts'
import { Ear } from './ear.ts'
import type { Sound } from './ear.ts'
import type { VirtualClock } from './virtual-clock.ts'

/** 16-bit mono PCM and its rate, or anything that can read itself whole (`WavReader`). */
export type Speech =
  | { readonly samples: Int16Array; readonly sampleRate: number }
  | { readonly sampleRate: number; readAll(): Promise<Int16Array> }

/**
 * Somebody with a phone. Each line waits for the one before, so a script needs no `await`: `lab.run()` plays it and
 * reports the first line that failed. Awaited within the script given to `lab.run()`, a line gives its result.
 */
export class ScriptedCaller {
  readonly #clock: VirtualClock
  readonly #open: () => Promise<Endpoint>
  readonly #ear = new Ear()
  #endpoint: Promise<Endpoint> | undefined
  #call: Call | undefined
  #last: Promise<unknown> = Promise.resolve()
  #failure: { readonly error: unknown } | undefined

  constructor(clock: VirtualClock, open: () => Promise<Endpoint>) {
    this.#clock = clock
    this.#open = open
  }

  /** The caller's own endpoint, to look at or to be called at. */
  endpoint(): Promise<Endpoint> {
    this.#endpoint ??= this.#open()
    return this.#endpoint
  }

  /** Calls and waits for the answer. */
  call(target: string, options: CallOptions = {}): Promise<Call> {
    return this.#line(async () => {
      const endpoint = await this.endpoint()
      this.#call = await endpoint.call(target, options)
      this.#ear.listen(this.#call.media.input)
      return this.#call
    })
  }

  /** Speaks, and waits until it has been said. */
  say(speech: Speech): Promise<void> {
    return this.#line(async () => {
      const samples = 'samples' in speech ? speech.samples : await this.#clock.hold(speech.readAll())
      const output = this.#up.media.output.at(speech.sampleRate)
      await output.write(samples)
      await output.flush()
    })
  }

  /** Presses keys: `0-9 * # A-D`, `w` to wait half a second. */
  press(digits: string, options: SendDtmfOptions = {}): Promise<void> {
    return this.#line(() => this.#up.sendDtmf(digits, options))
  }

  /**
   * Waits until that is heard, from now on. Fails when it is not within `withinMs` (default 10,000), saying what was heard
   * instead.
   */
  hears(sound: Sound, options: { readonly withinMs?: number } = {}): Promise<void> {
    return this.#line(async () => {
      const call = this.#up
      const withinMs = options.withinMs ?? 10_000
      const heard = this.#ear.waitFor(sound)
      const result = await Promise.race([heard, call.sleep(withinMs).then(() => 'timeout' as const)])
      if (result !== 'timeout') return
      this.#ear.giveUp()
      const when = call.endedValue === undefined ? `within ${withinMs} ms` : 'before the call ended'
      throw new SipError(
        'SIP_TIMEOUT',
        `${JSON.stringify(sound)} was not heard ${when}; ${this.#ear.describe()}`,
      )
    })
  }

  /** Does nothing for a while. */
  waits(ms: number): Promise<void> {
    return this.#line(() => this.#clock.sleep(ms))
  }

  /** Hangs up; gives how the call ended. */
  hangup(): Promise<CallEnded> {
    return this.#line(() => this.#up.hangup())
  }

  /** Waits for the other side to hang up; gives how the call ended. Fails after `withinMs` (default 60,000). */
  isHungUp(options: { readonly withinMs?: number } = {}): Promise<CallEnded> {
    return this.#line(async () => {
      const call = this.#up
      const withinMs = options.withinMs ?? 60_000
      const ended = await Promise.race([call.ended, call.sleep(withinMs).then(() => undefined)])
      const value = ended ?? call.endedValue
      if (value !== undefined) return value
      throw new SipError('SIP_TIMEOUT', `the other side did not hang up within ${withinMs} ms`)
    })
  }

  /** Resolves when all lines so far are done. @throws what the first failed line threw */
  async done(): Promise<void> {
    let last: unknown
    while (last !== this.#last) {
      last = this.#last
      await this.#last
    }
    if (this.#failure !== undefined) throw this.#failure.error
  }

  get #up(): Call {
    if (this.#call === undefined)
      throw new SipError('SIP_STATE', 'the caller has not called yet; start with call()')
    return this.#call
  }

  #line<T>(run: () => Promise<T>): Promise<T> {
    const result = this.#last.then(() => {
      if (this.#failure !== undefined) throw this.#failure.error
      return run()
    })
    this.#last = result.catch((error: unknown) => {
      this.#failure ??= { error }
    })
    return result
  }
}
