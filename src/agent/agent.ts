import type { EventEmitter } from 'node:events'
import type { Call } from '../call/call.ts'
import type { CallEvents } from '../call/call-types.ts'
import type { Endpoint } from '../call/endpoint.ts'
import type { AnswerOptions, IncomingCall } from '../call/incoming-call.ts'
import type { AudioSink } from '../media/audio/audio-sink.ts'
import type { AudioSource } from '../media/audio/audio-source.ts'
import { OptionError } from '../runtime/errors.ts'

/**
 * All an engine sees of a call, and all a test of an engine must fake. The methods are bound, so they may be taken
 * apart: `async run({ input, output, hangup }) {}`.
 */
export interface AgentSession extends Pick<
  Call,
  | 'id'
  | 'callId'
  | 'direction'
  | 'local'
  | 'remote'
  | 'headers'
  | 'signal'
  | 'ended'
  | 'dtmf'
  | 'sendDtmf'
  | 'hangup'
  | 'sleep'
  | 'transfer'
> {
  /** What the caller says: 16-bit mono PCM, at the codec's rate until asked `at(rate)`. */
  readonly input: AudioSource
  /** What the caller hears, the same way round. */
  readonly output: AudioSink
  /** What the call is carried in, as RTP names it (`PCMU`, `opus` …), for engines that take it as it is. Absent where the engine is not on a SIP call. */
  readonly codec?: string
  /**
   * Listens to an event of the call until the function returned is called: `dtmfStart` a key went down, `expiring` so many milliseconds are left of
   * `maxDurationMs`, `hold`. Absent where the engine is not on a SIP call.
   */
  readonly on?: <Name extends AgentEvent>(
    event: Name,
    listener: (...args: CallEvents[Name]) => void,
  ) => () => void
}

/** What an engine can be told of while the call goes on. */
export type AgentEvent = 'dtmfStart' | 'expiring' | 'hold'

/** A conversation engine. Returning ends the call politely, throwing ends it with an error. */
export interface Agent {
  run(session: AgentSession): Promise<void>
}

export interface RunAgentOptions {
  /** Stops taking calls when it aborts; calls under way go on. */
  readonly signal?: AbortSignal
  /** How each call is answered. */
  readonly answer?: AnswerOptions
}

/**
 * Answers every call of the endpoint and gives it to an agent: the one given, or the one a function picks for the call
 * (a function that throws refuses it). Resolves when the endpoint is closed or `signal` aborts. Rejects with an `OptionError` where it is no agent.
 */
export async function runAgent(
  endpoint: Endpoint,
  agent: Agent | ((call: IncomingCall) => Agent | Promise<Agent>),
  options: RunAgentOptions = {},
): Promise<void> {
  if (typeof agent !== 'function') checkAgent(agent)
  await endpoint.serve(
    async call => {
      const engine = typeof agent === 'function' ? await agent(call) : agent
      checkAgent(engine)
      await call.answer(options.answer)
      await engine.run(agentSession(call))
    },
    options.signal === undefined ? {} : { signal: options.signal },
  )
}

/** @throws OptionError */
function checkAgent(agent: { readonly run?: unknown } | undefined): void {
  if (typeof agent?.run !== 'function')
    throw new OptionError(
      'agent',
      'give an object with run(session), or a function that picks one for each call',
    )
}

/** The engine's view of a call that is up: for outgoing calls, `await agent.run(agentSession(call))`. */
export function agentSession(call: Call): AgentSession {
  const { input, output } = call.media
  return {
    id: call.id,
    callId: call.callId,
    direction: call.direction,
    local: call.local,
    remote: call.remote,
    headers: call.headers,
    signal: call.signal,
    ended: call.ended,
    input,
    output,
    get codec() {
      return call.media.codec.name
    },
    dtmf: call.dtmf.bind(call),
    sendDtmf: call.sendDtmf.bind(call),
    hangup: call.hangup.bind(call),
    sleep: call.sleep.bind(call),
    transfer: call.transfer.bind(call),
    on: (event, listener) => listen(call, event, listener),
  }
}

function listen<Name extends AgentEvent>(
  call: Call,
  event: Name,
  listener: (...args: CallEvents[Name]) => void,
): () => void {
  const events: EventEmitter = call
  events.on(event, listener as (...args: unknown[]) => void)
  return () => events.off(event, listener as (...args: unknown[]) => void)
}
