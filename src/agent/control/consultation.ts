import { bridge } from '../../call/bridge.ts'
import type { Bridge, BridgeOptions } from '../../call/bridge.ts'
import { bridgeCodecs } from '../../call/bridge-codecs.ts'
import type { Call } from '../../call/call.ts'
import type { Cancellable } from '../../call/call-types.ts'
import type { Endpoint } from '../../call/endpoint.ts'
import { HoldMusic } from '../../call/hold-music.ts'
import type { CallOptions } from '../../call/outgoing-call.ts'
import type { PlaySource } from '../../media/audio/audio-sink.ts'
import { SipError } from '../../runtime/errors.ts'
import { SipResponseError } from '../../sip/dialog/errors.ts'
import type { AgentSession } from '../agent.ts'
import { agentSession } from '../agent.ts'
import type { Seat } from './room.ts'
import { ConferenceRoom } from './room.ts'

export interface ConsultOptions extends Cancellable {
  /** Who calls the consulted party. */
  readonly endpoint: Pick<Endpoint, 'call' | 'clock'>
  /** What the caller hears meanwhile, made anew each time it is over; default silence. */
  readonly holdMusic?: () => PlaySource
  /** How long the other phone may ring, milliseconds. Default 30,000. */
  readonly ringTimeoutMs?: number
  /** For the call to the consulted party: `trunk`, `from`, `headers` … Codecs are by default those that pass a bridge untouched. */
  readonly call?: Omit<CallOptions, 'signal' | 'ringTimeoutMs'>
}

/** Why nobody could be consulted. */
export interface NotConsulted {
  /**
   * - `busy`: 486 or 600
   * - `unanswered`: it rang for `ringTimeoutMs`, or 408, 480, 487
   * - `refused`: any other refusal (`statusCode`)
   * - `failed`: the call did not come about (`error`)
   * - `caller-gone`: the caller hung up meanwhile
   * - `aborted`: by `signal`
   */
  readonly outcome: 'busy' | 'unanswered' | 'refused' | 'failed' | 'caller-gone' | 'aborted'
  readonly statusCode?: number
  readonly error?: SipError
}

/**
 * Calls somebody on behalf of a caller, who is given hold music. When nobody is reached the music stops, and the caller is as before.
 * @throws OptionError
 */
export async function consult(
  caller: Call,
  target: string,
  options: ConsultOptions,
): Promise<Consultation | NotConsulted> {
  const { endpoint, holdMusic, ringTimeoutMs = 30_000, signal, call } = options
  const music = new CallerMusic(caller, holdMusic)
  const stop = signal === undefined ? caller.signal : AbortSignal.any([caller.signal, signal])
  try {
    const codecs = call?.codecs ?? bridgeCodecs(caller)
    music.start()
    const consulted = await endpoint.call(target, { ...call, codecs, ringTimeoutMs, signal: stop })
    if (caller.endedValue === undefined) return new Consultation(caller, consulted, music, endpoint)
    void consulted.hangup()
    return { outcome: 'caller-gone' }
  } catch (error) {
    music.stop()
    if (caller.endedValue !== undefined) return { outcome: 'caller-gone' }
    if (signal?.aborted === true) return { outcome: 'aborted' }
    if (!(error instanceof SipError) || error.code === 'SIP_OPTION') throw error
    return notConsulted(error)
  }
}

const outcomes: Readonly<Record<number, NotConsulted['outcome']>> = {
  408: 'unanswered',
  480: 'unanswered',
  486: 'busy',
  487: 'unanswered',
  600: 'busy',
}

function notConsulted(error: SipError): NotConsulted {
  if (error instanceof SipResponseError) {
    const { statusCode } = error
    return { outcome: outcomes[statusCode] ?? 'refused', statusCode, error }
  }
  return { outcome: error.code === 'SIP_TIMEOUT' ? 'unanswered' : 'failed', error }
}

/** Three who hear each other: the caller, the consulted party, and the agent in its seat. */
export interface ThreeWay {
  readonly room: ConferenceRoom
  /** Where the agent hears and speaks. */
  readonly seat: Seat
}

/** Somebody has answered, the caller waits. Each step can follow each other until the consultation is over. */
export class Consultation {
  readonly outcome = 'answered'
  readonly caller: Call
  /** The call to the consulted party. */
  readonly consulted: Call
  /** For the agent to speak with the consulted party, whom alone it hears. */
  readonly session: AgentSession
  readonly #music: CallerMusic
  readonly #endpoint: Pick<Endpoint, 'clock'>
  #room: ConferenceRoom | undefined

  /** @internal */
  constructor(caller: Call, consulted: Call, music: CallerMusic, endpoint: Pick<Endpoint, 'clock'>) {
    this.caller = caller
    this.consulted = consulted
    this.session = agentSession(consulted)
    this.#music = music
    this.#endpoint = endpoint
    void caller.ended.then(() => this.#music.stop())
  }

  /** Everybody hears everybody. @throws SipError SIP_STATE one of the calls is over, or somebody reads its `input` */
  threeWay(): ThreeWay {
    this.#leaveRoom()
    this.#music.stop()
    const room = new ConferenceRoom({ clock: this.#endpoint.clock, maxParties: 3 })
    this.#room = room
    try {
      room.add(this.caller)
      room.add(this.consulted)
      return { room, seat: room.seat() }
    } catch (error) {
      this.#leaveRoom()
      throw error
    }
  }

  /** Ends the three-way: the caller has music again, the agent is alone with the consulted party. */
  aside(): void {
    this.#leaveRoom()
    this.#music.start()
  }

  /**
   * The agent drops out: the two are bridged, and by default the one is hung up with the other.
   * @throws as `bridge`: SipError SIP_STATE one of the calls is over; SIP_MEDIA no codec goes together. The caller is then as before
   */
  async connect(options: BridgeOptions = {}): Promise<Bridge> {
    this.#leaveRoom()
    this.#music.stop()
    this.consulted.media.output.clear()
    return bridge(this.caller, this.consulted, { hangup: 'both', ...options })
  }

  /** Back to the caller: the consulted party is hung up, the music stops. */
  async back(): Promise<void> {
    this.#leaveRoom()
    this.#music.stop()
    await this.consulted.hangup()
  }

  #leaveRoom(): void {
    this.#room?.close()
    this.#room = undefined
  }
}

/** Hold music that can begin again. @internal */
export class CallerMusic {
  readonly #caller: Call
  readonly #make: (() => PlaySource) | undefined
  readonly #music: HoldMusic | undefined

  constructor(caller: Call, make: (() => PlaySource) | undefined) {
    this.#caller = caller
    this.#make = make
    this.#music = make === undefined ? undefined : new HoldMusic(caller.media.output, make)
  }

  start(): void {
    if (this.#make === undefined || this.#caller.endedValue !== undefined) return
    this.#caller.media.output.clear()
    this.#music?.play(true)
  }

  stop(): void {
    this.#music?.stop()
  }
}
