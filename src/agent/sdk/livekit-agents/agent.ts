import type { EventEmitter } from 'node:events'
import { OptionError } from '../../../runtime/errors.ts'
import type { Clock } from '../../../runtime/runtime.ts'
import type { Agent, AgentSession } from '../../agent.ts'
import { defaultRuntime } from '../../engine/default-runtime.ts'
import { afterEngine } from '../../engine/engine-end.ts'
import type { AfterEngine, EngineEnd } from '../../engine/engine-end.ts'
import { EngineReport } from '../../engine/engine-report.ts'
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

export interface LivekitAgentOptions<Sdk extends LivekitSdk, Session extends LivekitAgentSession>
  extends AfterEngine, PhoneAudioOptions {
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

const ENGINE = 'livekit-agents'

/** A session that has nobody to talk to may take so long to close; then it is on its own. */
const MAX_CLOSE_MS = 5000

async function converse<Sdk extends LivekitSdk, Session extends LivekitAgentSession>(
  call: AgentSession,
  options: LivekitAgentOptions<Sdk, Session>,
): Promise<void> {
  await afterEngine(call, ENGINE, await talk(call, options), options)
}

async function talk<Sdk extends LivekitSdk, Session extends LivekitAgentSession>(
  call: AgentSession,
  options: LivekitAgentOptions<Sdk, Session>,
): Promise<EngineEnd> {
  const { clock } = options.runtime ?? defaultRuntime()
  const report = new EngineReport(call.id, ENGINE, clock)
  const audio = phoneAudio(call, options.sdk, options)
  ;(audio.output as EventEmitter).once('playbackStarted', () => report.speaks())
  let session: Session | undefined
  const end = await new Promise<EngineEnd>(resolve => {
    let over = false
    const finish = (why: EngineEnd): void => {
      if (over) return
      over = true
      report.ended(why)
      resolve(why)
    }
    const hungUp = (): void => finish({ kind: 'call', detail: 'the call ended' })
    call.signal.addEventListener('abort', hungUp, { once: true })
    if (call.signal.aborted) hungUp()
    const start = async (): Promise<void> => {
      const made = await options.session(call)
      // The caller did not wait for it: nobody else would close it.
      if (over) return closed(made)
      session = made
      Object.assign(session.input, { audio: audio.input })
      Object.assign(session.output, { audio: audio.output })
      const events = session as unknown as EventEmitter
      events.once('close', (closed: { reason?: string; error?: unknown }) => finish(endOf(closed)))
      const startOptions = await options.start(call)
      if (over) return
      await session.start(startOptions)
      if (over) return
      report.connected()
      options.onSession?.(session, call)
    }
    start().catch((cause: unknown) => {
      const said = cause instanceof Error ? cause.message : String(cause)
      const detail = `the session could not be started: ${said}`
      finish({ kind: 'failed', problem: 'unreachable', detail, cause })
    })
  })
  await Promise.race([closed(session), after(MAX_CLOSE_MS, clock)])
  await audio.input.close()
  return end
}

/** How it closes is its own affair. */
async function closed(session: LivekitAgentSession | undefined): Promise<void> {
  try {
    await session?.close()
  } catch {
    // It has nobody to talk to any more.
  }
}

function after(ms: number, clock: Clock): Promise<void> {
  return new Promise(resolve => {
    clock.setTimer(clock.now() + ms, resolve)
  })
}

function endOf({ reason = 'closed', error }: { reason?: string; error?: unknown }): EngineEnd {
  if (error === undefined || error === null)
    return { kind: 'engine', detail: `the session closed: ${reason}` }
  const { type = 'error', error: inner = error } = error as { type?: string; error?: unknown }
  const detail = `the session failed: ${type}`
  return { kind: 'failed', problem: 'broken', detail, cause: inner }
}
