import { bridge } from '../../call/bridge.ts'
import { bridgeCodecs } from '../../call/bridge-codecs.ts'
import type { Call } from '../../call/call.ts'
import { HoldMusic } from '../../call/hold-music.ts'
import type { IncomingCall } from '../../call/incoming-call.ts'
import { agentKey } from '../../call/routing/route-table.ts'
import { routeChannel } from '../../call/routing/route-events.ts'
import type { RouteEvent } from '../../call/routing/route-events.ts'
import type { QueueAction, RejectAction, RouteAction } from '../../call/routing/types.ts'
import type { CarrierTrunk } from '../../call/trunks/carrier-trunk.ts'
import { TrunkCallError } from '../../call/trunks/failures.ts'
import { createTrunkGroup } from '../../call/trunks/trunk-group.ts'
import type { PlaySource } from '../../media/audio/audio-sink.ts'
import { callProgress } from '../../media/audio/call-progress.ts'
import { COUNTRY_TONES } from '../../media/audio/country-tones.ts'
import { openSound } from '../../media/audio/sound-file.ts'
import { OptionError, SipError } from '../../runtime/errors.ts'
import { SipResponseError } from '../../sip/dialog/errors.ts'
import { agentSession } from '../agent.ts'
import { EngineError } from '../engine/engine-error.ts'
import type { RoutingEndpoint, RoutingOptions } from './options.ts'
import type { LineLimits, Waited, WaitLine } from './wait-line.ts'

export interface RoutedCallParts {
  readonly endpoint: RoutingEndpoint
  readonly options: RoutingOptions
  readonly route: string
  readonly environment: string
  /** The line of the queue at that place in the route. */
  readonly lineOf: (place: string) => WaitLine
  readonly onFallback: () => void
}

/** Where a call is in its route. */
interface Step {
  /** `fallback.queue.to`: a route may have several queues, and each has a line of its own. */
  readonly place: string
  /** Why the action before came to nothing. */
  readonly after: string | undefined
}

type Dialled = Extract<RouteAction, { readonly number: string }>
type Given = Extract<RouteAction, { readonly agent: string }>

/** One call on its way through the actions of its route. */
export class RoutedCall {
  readonly #call: IncomingCall
  readonly #parts: RoutedCallParts

  constructor(call: IncomingCall, parts: RoutedCallParts) {
    this.#call = call
    this.#parts = parts
  }

  /** Does what the action says. Rejects with what an agent throws that is no matter of its engine. */
  async act(action: RouteAction, step: Step = { place: '', after: undefined }): Promise<void> {
    const { after } = step
    if (this.#call.endedValue !== undefined) return
    if ('agent' in action) return this.#give(action, step)
    if ('number' in action) return this.#dial(action, step)
    if ('queue' in action) return this.#queue(action.queue, step)
    if ('redirect' in action) {
      const { redirect } = action
      this.#tell('redirect', this.#answered ? 'answered already: hung up' : '302', after)
      if (!this.#answered) this.#call.redirect(typeof redirect === 'string' ? [redirect] : redirect)
      return
    }
    this.#refuse(action.reject, after)
  }

  get #answered(): boolean {
    return this.#call.state === 'confirmed'
  }

  async #give({ agent: name, fallback }: Given, step: Step): Promise<void> {
    const call = this.#call
    const { agents = {}, answer } = this.#parts.options
    const key = agentKey(name, this.#parts.environment, Object.keys(agents))
    const made = key === undefined ? undefined : agents[key]
    try {
      this.#tell('agent', key ?? `${name}, which ${this.#parts.environment} has not`, step.after)
      if (made === undefined)
        throw new EngineError(
          name,
          'unreachable',
          `there is no agent ${name} in the environment ${this.#parts.environment}`,
        )
      const agent = typeof made === 'function' ? await made(call) : made
      if (!this.#answered) await call.answer(answer)
      await agent.run(agentSession(call))
    } catch (error) {
      if (!(error instanceof EngineError) || call.endedValue !== undefined) throw error
      if (fallback === undefined) {
        if (this.#answered) throw error
        this.#report(error)
        return this.#refuse({ statusCode: 503 }, error.message)
      }
      await this.#fallBack(fallback, error, step)
    }
  }

  async #dial(action: Dialled, step: Step): Promise<void> {
    const call = this.#call
    const { fallback } = action
    let other: Call | undefined
    try {
      this.#tell('number', trunkNames(action).join(', ') || 'by URI', step.after)
      const ringing = this.#ring()
      other = await this.#reach(action).finally(() => ringing?.stop())
      if (!this.#answered) await call.answer({ ...this.#parts.options.answer, codecs: bridgeCodecs(other) })
      const through = await bridge(call, other, { hangup: 'both' })
      await through.ended
      await Promise.all([call.hangup(), other.hangup()])
    } catch (error) {
      void other?.hangup()
      if (call.endedValue !== undefined) return
      if (!(error instanceof SipError)) throw error
      if (fallback !== undefined) return this.#fallBack(fallback, error, step)
      this.#report(error)
      this.#refuse({ statusCode: statusOf(error) }, error.message)
    }
  }

  /** Who waits for an answer hears what its own side makes of 180; who has been answered already hears it from us. */
  #ring(): HoldMusic | undefined {
    const call = this.#call
    if (!this.#answered) {
      call.ring()
      return undefined
    }
    const { defaultCountry = '' } = this.#parts.options
    const country = Object.hasOwn(COUNTRY_TONES, defaultCountry) ? defaultCountry : 'US'
    const ringing = new HoldMusic(call.media.output, () => callProgress(country, 'ringback'))
    ringing.play(true)
    return ringing
  }

  async #reach(action: Dialled): Promise<Call> {
    const call = this.#call
    const { endpoint, options } = this.#parts
    const { number, caller, ringTimeoutMs = 30_000 } = action
    const wishes = { codecs: bridgeCodecs(call), ringTimeoutMs, signal: call.signal }
    const trunks = trunkNames(action).map(name => trunkNamed(name, options.trunks))
    const isUri = /^sips?:/i.test(number)
    if (trunks.length === 0)
      return endpoint.call(number, { ...wishes, ...(caller !== undefined && { from: caller }) })
    const shown = { ...wishes, ...(caller !== undefined && { caller }) }
    return isUri && trunks[0] !== undefined
      ? trunks[0].call(number, shown)
      : createTrunkGroup(trunks).call(number, shown)
  }

  async #queue(queue: QueueAction, { place, after }: Step): Promise<void> {
    const { maxActive, maxWaiting = 100, maxWaitMs = 600_000, music, overflow } = queue
    const line = this.#parts.lineOf(place)
    const limits = { maxActive, maxWaiting, maxWaitMs }
    this.#tell('queue', line.isBusy(limits) ? `${line.waiting} before it` : 'nobody before it', after)
    // A place in the line first: who came later has not waited longer.
    const entered = line.enter(this.#call, limits)
    const how = typeof entered === 'string' ? entered : await this.#wait(entered, line, limits, music)
    if (how === 'turn') {
      try {
        return await this.act(queue.to, { place: `${place}.queue.to`, after: undefined })
      } finally {
        line.done(maxActive)
      }
    }
    if (how === 'gone') return
    const why = WHY[how]
    if (overflow !== undefined && how !== 'closed')
      return this.act(overflow, { place: `${place}.queue.overflow`, after: why })
    this.#refuse({ statusCode: how === 'closed' ? 503 : 486 }, why)
  }

  /** With music, so the call is answered. */
  async #wait(
    turn: Promise<Waited>,
    line: WaitLine,
    { maxActive }: LineLimits,
    music: string | undefined,
  ): Promise<Waited> {
    const call = this.#call
    try {
      const sound = music === undefined ? undefined : await this.#music(music)
      const { output } = this.#answered ? call.media : await call.answer(this.#parts.options.answer)
      const hold = sound === undefined ? undefined : new HoldMusic(output, () => sound)
      hold?.play(true)
      const how = await turn
      hold?.stop()
      if (call.endedValue === undefined) output.clear()
      return how
    } catch (error) {
      void turn.then(how => how === 'turn' && line.done(maxActive))
      throw error
    }
  }

  async #music(file: string): Promise<PlaySource | undefined> {
    try {
      return await openSound(file)
    } catch (error) {
      // Who waits without music still waits.
      this.#report(
        new SipError('SIP_MEDIA', `the music cannot be played: ${(error as Error).message}`, {
          cause: error,
        }),
      )
      return undefined
    }
  }

  #fallBack(fallback: RouteAction, error: SipError, { place }: Step): Promise<void> {
    this.#report(error)
    this.#parts.onFallback()
    // What an engine has not said is not heard in the middle of what comes now.
    if (this.#answered) this.#call.media.output.clear()
    return this.act(fallback, { place: `${place}.fallback`, after: error.message })
  }

  /** Who has been answered is hung up when the handler returns. */
  #refuse({ statusCode, reasonPhrase, retryAfterSeconds }: RejectAction, after: string | undefined): void {
    this.#tell('reject', this.#answered ? 'answered already: hung up' : String(statusCode), after)
    if (this.#answered) return
    this.#call.reject(statusCode, {
      ...(reasonPhrase !== undefined && { reasonPhrase }),
      ...(retryAfterSeconds !== undefined && { headers: [['Retry-After', String(retryAfterSeconds)]] }),
    })
  }

  #report(error: SipError): void {
    this.#parts.options.onError?.(error, this.#call)
  }

  #tell(action: RouteEvent['action'], detail: string, after: string | undefined): void {
    if (!routeChannel.hasSubscribers) return
    const event = { call: this.#call.id, route: this.#parts.route, action, detail }
    routeChannel.publish({ ...event, ...(after !== undefined && { after }) })
  }
}

const WHY = {
  full: 'the queue is full',
  'too-long': 'it waited as long as it may',
  closed: 'no more calls are taken',
} as const

function trunkNames({ trunk = [] }: Dialled): readonly string[] {
  return typeof trunk === 'string' ? [trunk] : trunk
}

function trunkNamed(name: string, trunks: ReadonlyMap<string, CarrierTrunk> | undefined): CarrierTrunk {
  const found = trunks?.get(name)
  if (found === undefined) throw new OptionError('trunk', `there is no trunk ${name}; give it in trunks`)
  return found
}

/** What the caller is told when the number it was to be given to did not answer. */
function statusOf(error: SipError): number {
  const statusCode =
    error instanceof SipResponseError || error instanceof TrunkCallError ? error.statusCode : undefined
  if (statusCode !== undefined && statusCode >= 400 && statusCode !== 401 && statusCode !== 407)
    return statusCode
  return error.code === 'SIP_TIMEOUT' ? 480 : 503
}
