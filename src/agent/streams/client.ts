import type { Runtime, Timer } from '../../runtime/runtime.ts'
import type { WebSocketConnection } from '../../runtime/web.ts'
import type { Agent, AgentSession } from '../agent.ts'
import { defaultRuntime } from '../engine/default-runtime.ts'
import { afterEngine } from '../engine/engine-end.ts'
import type { EngineEnd } from '../engine/engine-end.ts'
import { EngineReport } from '../engine/engine-report.ts'
import { twilioStreamSignature } from '../signatures/twilio.ts'
import { BotSession } from './bot-session.ts'
import { streamIds } from './ids.ts'
import type { StreamIds } from './ids.ts'
import { checkedSettings } from './options.ts'
import type { StreamAgentOptions, StreamSettings, StreamTarget } from './options.ts'

/**
 * A voice bot behind a WebSocket as an agent: dials it once the call is up and speaks its platform's protocol as that platform does, so that
 * the bot need not know where the call came from. @throws OptionError
 */
export function streamAgent(options: StreamAgentOptions): Agent {
  const settings = checkedSettings(options)
  return { run: session => converse(session, settings) }
}

async function converse(session: AgentSession, settings: StreamSettings): Promise<void> {
  const end = await dialAndTalk(session, settings)
  await afterEngine(session, settings.dialect.name, end, settings)
}

async function dialAndTalk(session: AgentSession, settings: StreamSettings): Promise<EngineEnd> {
  const { clock, network } = settings.runtime ?? defaultRuntime()
  // What the program makes of the call comes first: where it throws, nothing is dialled.
  const ids = idsOf(session, settings)
  const parameters = parametersOf(session, settings)
  const report = new EngineReport(session.id, settings.dialect.name, clock)
  const connected = await connect(session, settings, { clock, network })
  if ('kind' in connected) {
    report.ended(connected)
    return connected
  }
  report.connected()
  const { connection, target } = connected
  const parts = { clock, connection, ids, parameters: { ...parameters, ...target.parameters }, report }
  try {
    return await new BotSession(session, settings, parts).run()
  } catch (error) {
    // Somebody else reads what the caller says: a mistake of the program, and no reason to leave the bot on the line.
    connection.destroy()
    throw error
  }
}

interface Connected {
  readonly connection: WebSocketConnection
  readonly target: StreamTarget
}

async function connect(
  session: AgentSession,
  settings: StreamSettings,
  { clock, network }: Pick<Runtime, 'clock' | 'network'>,
): Promise<Connected | EngineEnd> {
  const { connectTimeoutMs, protocols, tls, dialect } = settings
  const controller = new AbortController()
  const giveUp = (): void => controller.abort(session.signal.reason)
  let timer: Timer | undefined
  try {
    if (session.signal.aborted) return { kind: 'call', detail: 'the call ended' }
    session.signal.addEventListener('abort', giveUp)
    timer = clock.setTimer(clock.now() + connectTimeoutMs, () =>
      controller.abort(new Error(`it did not answer within ${connectTimeoutMs} ms`)),
    )
    const { signal } = controller
    const target = await orAborted(Promise.resolve(targetOf(session, settings, signal)), signal)
    const connection = await network.openWebSocket({
      url: target.url,
      headers: { ...settings.headers, ...target.headers, ...credentials(settings, target.url) },
      signal,
      ...(protocols !== undefined && { protocols }),
      ...(tls !== undefined && { tls }),
    })
    return { connection, target }
  } catch (error) {
    if (session.signal.aborted) return { kind: 'call', detail: 'the call ended while it was dialled' }
    const said = error instanceof Error ? error.message : String(error)
    return {
      kind: 'failed',
      problem: 'unreachable',
      detail: `the engine (${dialect.name}) cannot be reached: ${said}`,
      cause: error,
    }
  } finally {
    timer?.cancel()
    session.signal.removeEventListener('abort', giveUp)
  }
}

function targetOf(
  session: AgentSession,
  { url }: StreamSettings,
  signal: AbortSignal,
): StreamTarget | Promise<StreamTarget> {
  return typeof url === 'string' ? { url } : url(session, signal)
}

function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort)
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

function credentials({ authToken, dialect }: StreamSettings, url: string): Record<string, string> {
  if (authToken === undefined) return {}
  return dialect.name === 'twilio'
    ? { 'X-Twilio-Signature': twilioStreamSignature(authToken, url) }
    : { 'x-telnyx-streaming-auth-token': authToken }
}

function parametersOf(
  session: AgentSession,
  { parameters }: StreamSettings,
): Readonly<Record<string, string>> {
  return typeof parameters === 'function' ? parameters(session) : (parameters ?? {})
}

function idsOf(session: AgentSession, { ids, dialect }: StreamSettings): StreamIds {
  return { ...streamIds(dialect.name, session.id), ...(typeof ids === 'function' ? ids(session) : ids) }
}
