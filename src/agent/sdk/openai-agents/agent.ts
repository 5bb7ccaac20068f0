import { RealtimeSession } from '@openai/agents-realtime'
import type { RealtimeAgent, RealtimeContextData, RealtimeSessionOptions } from '@openai/agents-realtime'
import { OptionError } from '../../../runtime/errors.ts'
import type { Agent, AgentSession } from '../../agent.ts'
import { defaultRuntime } from '../../engine/default-runtime.ts'
import { afterEngine } from '../../engine/engine-end.ts'
import type { AfterEngine, EngineEnd } from '../../engine/engine-end.ts'
import { EngineReport } from '../../engine/engine-report.ts'
import { PhoneTransport, checkPhoneOptions } from './phone-transport.ts'
import type { PhoneTransportClosed, PhoneTransportOptions } from './phone-transport.ts'

type AnyRealtimeAgent<Context> = RealtimeAgent<Context> | RealtimeAgent<RealtimeContextData<Context>>

export interface OpenAiAgentsOptions<Context = unknown>
  extends AfterEngine, Omit<PhoneTransportOptions, 'hangupOnClose'> {
  readonly apiKey: NonNullable<PhoneTransportOptions['apiKey']>
  /** Makes the agent of one call; `phone` for its tools. */
  readonly agent: (phone: PhoneTransport) => AnyRealtimeAgent<Context> | Promise<AnyRealtimeAgent<Context>>
  /** Options of the `RealtimeSession`: `config`, `context`, guardrails and so on. */
  readonly session?:
    | Partial<Omit<RealtimeSessionOptions<Context>, 'transport' | 'apiKey' | 'model'>>
    | ((
        phone: PhoneTransport,
      ) => Partial<Omit<RealtimeSessionOptions<Context>, 'transport' | 'apiKey' | 'model'>>)
  /** The model speaks first: what it is told to say, or `true` for what its instructions say. Default: it waits for the caller. */
  readonly greeting?: string | true
  /** Once connected: to listen to the session's events and to the transport's (`dtmf`). */
  readonly onSession?: (session: RealtimeSession<Context>, phone: PhoneTransport) => void
  /** Errors that the model or a tool has told of, and that did not end the call. Default: they are only counted. */
  readonly onError?: (error: unknown) => void
  /** How long the model may take to its first audio, in milliseconds from the connection. Default: for ever. */
  readonly firstAudioTimeoutMs?: number
}

/** A `RealtimeAgent` of the OpenAI Agents SDK that takes calls, each with a session of its own. @throws OptionError */
export function openAiAgentsAgent<Context = unknown>(options: OpenAiAgentsOptions<Context>): Agent {
  const { apiKey, agent, firstAudioTimeoutMs } = options
  if (typeof apiKey !== 'function' && (typeof apiKey !== 'string' || apiKey === ''))
    throw new OptionError('apiKey', 'it is missing; give the key of the API, or a function that gives it')
  if (typeof agent !== 'function')
    throw new OptionError(
      'agent',
      'it is no function; give one that makes the RealtimeAgent of a call: () => new RealtimeAgent(…)',
    )
  if (firstAudioTimeoutMs !== undefined && !(firstAudioTimeoutMs >= 1 && firstAudioTimeoutMs <= 3_600_000))
    throw new OptionError('firstAudioTimeoutMs', `${firstAudioTimeoutMs} is not usable; give 1 to 3600000`)
  checkPhoneOptions(options)
  return { run: session => converse(session, options) }
}

const ENGINE = 'openai-agents'

/** Close codes of an end in order; the API has codes of its own above 3000, which are errors (RFC 6455 §7.4.1). */
const ORDERLY: ReadonlySet<number | undefined> = new Set([undefined, 1000, 1001, 1005])

async function converse<Context>(call: AgentSession, options: OpenAiAgentsOptions<Context>): Promise<void> {
  await afterEngine(call, ENGINE, await talk(call, options), options)
}

async function talk<Context>(call: AgentSession, options: OpenAiAgentsOptions<Context>): Promise<EngineEnd> {
  const { runtime = defaultRuntime() } = options
  const report = new EngineReport(call.id, ENGINE, runtime.clock)
  const counts = { errors: 0 }
  const phone = new PhoneTransport(call, { ...options, runtime, hangupOnClose: false })
  let over = false
  let connected = false
  const end = await new Promise<EngineEnd>(resolve => {
    const finish = (why: EngineEnd): void => {
      if (over) return
      over = true
      report.ended(why, { ...phone.counters, ...counts })
      resolve(why)
    }
    const hungUp = (): void =>
      finish(
        connected
          ? endOf({ by: 'call' }, phone.hungUp)
          : { kind: 'call', detail: 'the call ended while the model was dialled' },
      )
    call.signal.addEventListener('abort', hungUp, { once: true })
    if (call.signal.aborted) hungUp()
    void phone.closed.then(closed => finish(endOf(closed, phone.hungUp)))
    phone.once('audio', () => report.speaks())
    start(call, options, phone, error => {
      counts.errors += 1
      options.onError?.(error)
    }).then(
      () => {
        connected = true
        if (over) return
        report.connected()
        awaitFirstAudio(options, phone, finish)
      },
      (cause: unknown) => {
        const said = cause instanceof Error ? cause.message : String(cause)
        const detail = `the model cannot be reached: ${said}`
        finish({ kind: 'failed', problem: 'unreachable', detail, cause })
      },
    )
  })
  phone.close()
  return end
}

/** The session, connected. */
async function start<Context>(
  call: AgentSession,
  options: OpenAiAgentsOptions<Context>,
  phone: PhoneTransport,
  onError: (error: unknown) => void,
): Promise<void> {
  const { agent, session: given = {}, model, url, apiKey, greeting, onSession } = options
  const session = new RealtimeSession<Context>(await agent(phone), {
    ...(typeof given === 'function' ? given(phone) : given),
    ...(model !== undefined && { model }),
    transport: phone,
  })
  session.on('error', ({ error }) => onError(error))
  // So that what tools still give is not told to a model that has gone.
  void phone.closed.then(() => session.close())
  await session.connect({ apiKey, ...(url !== undefined && { url }) })
  onSession?.(session, phone)
  if (call.signal.aborted) return
  if (greeting !== undefined)
    phone.requestResponse(greeting === true ? undefined : { instructions: greeting })
}

function awaitFirstAudio<Context>(
  { firstAudioTimeoutMs, runtime }: OpenAiAgentsOptions<Context>,
  phone: PhoneTransport,
  finish: (end: EngineEnd) => void,
): void {
  if (firstAudioTimeoutMs === undefined) return
  const { clock } = runtime ?? defaultRuntime()
  const timer = clock.setTimer(clock.now() + firstAudioTimeoutMs, () =>
    finish({
      kind: 'failed',
      problem: 'silent',
      detail: `the model said nothing within ${firstAudioTimeoutMs} ms`,
    }),
  )
  phone.once('audio', () => timer.cancel())
  void phone.closed.then(() => timer.cancel())
}

function endOf({ by, code, reason = '' }: PhoneTransportClosed, hungUp: boolean): EngineEnd {
  if (by === 'call' && hungUp) return { kind: 'asked', detail: 'the model hung up' }
  if (by === 'call') return { kind: 'call', detail: 'the call ended' }
  if (by === 'session') return { kind: 'engine', detail: 'the session was closed' }
  // Its words go into ladders and records: one line.
  const words = reason.replaceAll(/\p{Cc}+/gu, ' ').trim()
  const said = `it closed with ${code ?? 1005}${words === '' ? '' : ` ${words}`}`
  if (ORDERLY.has(code)) return { kind: 'engine', detail: said }
  const detail = code === 1006 ? 'the connection to the model broke' : `the model failed: ${said}`
  return { kind: 'failed', problem: 'broken', detail }
}
