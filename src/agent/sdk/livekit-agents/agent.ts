import type { EventEmitter } from 'node:events'
import { engineChannel } from '../../../call/engine-events.ts'
import { OptionError } from '../../../runtime/errors.ts'
import type { Agent, AgentSession } from '../../agent.ts'
import { EngineError } from '../../streams/engine-error.ts'
import type { EngineProblem } from '../../streams/engine-error.ts'
import { defaultRuntime } from '../default-runtime.ts'
import { phoneAudio } from './phone-audio.ts'
import type { PhoneAudioOptions } from './phone-audio.ts'
import type { LivekitSdk } from './sdk.ts'

/** What is used of `voice.AgentSession`. */
export interface LivekitAgentSession {
  readonly input: object
  readonly output: object
  start(options: never): Promise<void>
  close(): Promise<void>
}

export interface LivekitAgentOptions<
  Sdk extends LivekitSdk,
  Session extends LivekitAgentSession,
> extends PhoneAudioOptions {
  /** `{ voice, AudioFrame }`, as imported from `@livekit/agents` and `@livekit/rtc-node`. */
  readonly sdk: Sdk
  /** Makes the session of one call: `new voice.AgentSession({ stt, llm, tts, vad })`. */
  readonly session: (call: AgentSession) => Session | Promise<Session>
  /** What the session is started with: `{ agent: new voice.Agent({ instructions }) }`. */
  readonly start: (
    call: AgentSession,
  ) => Parameters<Session['start']>[0] | Promise<Parameters<Session['start']>[0]>
  /** Once it is started: to greet the caller (`session.say`), to listen to events. */
  readonly onSession?: (session: Session, call: AgentSession) => void
  /** When the session closes: hang up at once (default), or another agent takes over, which ends the call when it returns. */
  readonly onEngineEnd?: 'hangup' | Agent
  /** Takes over when the session cannot be started, or closes with an error. Without it the call ends with an `EngineError`. */
  readonly fallback?: Agent
}

/** An agent of `@livekit/agents` that takes calls, each with a session of its own and no room. @throws OptionError */
export function livekitAgent<Sdk extends LivekitSdk, Session extends LivekitAgentSession>(
  options: LivekitAgentOptions<Sdk, Session>,
): Agent {
  for (const field of ['session', 'start'] as const) {
    if (typeof options[field] !== 'function')
      throw new OptionError(field, 'it is missing; give a function that makes it for each call')
  }
  return { run: call => converse(call, options) }
}

type End =
  | { readonly kind: 'call' | 'engine'; readonly detail: string }
  | {
      readonly kind: 'failed'
      readonly problem: EngineProblem
      readonly detail: string
      readonly cause: unknown
    }

const ENGINE = 'livekit-agents'

async function converse<Sdk extends LivekitSdk, Session extends LivekitAgentSession>(
  call: AgentSession,
  options: LivekitAgentOptions<Sdk, Session>,
): Promise<void> {
  const { fallback, onEngineEnd = 'hangup' } = options
  const end = await talk(call, options)
  if (end.kind === 'call') return
  if (end.kind === 'failed') {
    if (fallback === undefined) throw new EngineError(ENGINE, end.problem, end.detail, { cause: end.cause })
    call.output.clear()
    return fallback.run(call)
  }
  if (onEngineEnd === 'hangup') await call.hangup()
  else {
    call.output.clear()
    await onEngineEnd.run(call)
  }
}

async function talk<Sdk extends LivekitSdk, Session extends LivekitAgentSession>(
  call: AgentSession,
  options: LivekitAgentOptions<Sdk, Session>,
): Promise<End> {
  const { clock } = options.runtime ?? defaultRuntime()
  const startedAt = clock.now()
  const event = { call: call.id, engine: ENGINE }
  const tell = (kind: 'connected' | 'speaks'): void => {
    if (engineChannel.hasSubscribers)
      engineChannel.publish({ ...event, kind, afterMs: clock.now() - startedAt })
  }
  if (engineChannel.hasSubscribers) engineChannel.publish({ ...event, kind: 'connecting' })
  const audio = phoneAudio(call, options.sdk, options)
  ;(audio.output as EventEmitter).once('playbackStarted', () => tell('speaks'))
  let session: Session | undefined
  const end = await new Promise<End>(resolve => {
    let over = false
    const finish = (why: End): void => {
      if (over) return
      over = true
      tellEnd(event, why)
      resolve(why)
    }
    const hungUp = (): void => finish({ kind: 'call', detail: 'the call ended' })
    call.signal.addEventListener('abort', hungUp, { once: true })
    if (call.signal.aborted) hungUp()
    const start = async (): Promise<void> => {
      session = await options.session(call)
      Object.assign(session.input, { audio: audio.input })
      Object.assign(session.output, { audio: audio.output })
      const events = session as unknown as EventEmitter
      events.once('close', (closed: { reason?: string; error?: unknown }) => finish(endOf(closed)))
      await session.start(await options.start(call))
      if (over) return
      tell('connected')
      options.onSession?.(session, call)
    }
    start().catch((cause: unknown) => {
      const said = cause instanceof Error ? cause.message : String(cause)
      const detail = `the session could not be started: ${said}`
      finish({ kind: 'failed', problem: 'unreachable', detail, cause })
    })
  })
  // It has nobody to talk to any more: how it closes is its own affair.
  await Promise.resolve(session?.close()).catch(() => {})
  await audio.input.close()
  return end
}

function endOf({ reason = 'closed', error }: { reason?: string; error?: unknown }): End {
  if (error === undefined || error === null)
    return { kind: 'engine', detail: `the session closed: ${reason}` }
  const { type = 'error', error: inner = error } = error as { type?: string; error?: unknown }
  const detail = `the session failed: ${type}`
  return { kind: 'failed', problem: 'broken', detail, cause: inner }
}

function tellEnd(event: { readonly call: string; readonly engine: string }, end: End): void {
  if (!engineChannel.hasSubscribers) return
  const { kind, detail } = end
  if (kind === 'failed') engineChannel.publish({ ...event, kind, detail, counters: {} })
  else engineChannel.publish({ ...event, kind: 'ended', by: kind, detail, counters: {} })
}
