import { engineChannel } from '../../call/engine-events.ts'
import type { Agent, AgentSession } from '../agent.ts'
import { defaultRuntime } from '../sdk/default-runtime.ts'
import type { SessionEndReason } from '../streams/bot-session.ts'
import { EngineError } from '../streams/engine-error.ts'
import { Conversation } from './conversation.ts'
import { checkedSettings } from './options.ts'
import type { OpenAiAgentOptions, OpenAiSettings } from './options.ts'

/** A model of OpenAI as an agent, over the WebSocket of its Realtime or its Live API. @throws OptionError */
export function openAiAgent(options: OpenAiAgentOptions): Agent {
  const settings = checkedSettings(options)
  return { run: session => converse(session, settings) }
}

async function converse(session: AgentSession, settings: OpenAiSettings): Promise<void> {
  const { fallback, onEngineEnd = 'hangup' } = settings
  const reason = await talk(session, settings)
  if (reason.kind === 'call') return
  if (reason.kind === 'failed') {
    if (fallback === undefined)
      throw new EngineError(engineOf(settings), reason.problem, reason.detail, reason)
    session.output.clear()
    return fallback.run(session)
  }
  if (reason.kind === 'engine' && typeof onEngineEnd === 'object') {
    // What it has not said will not be heard in the middle of what the other one says.
    session.output.clear()
    return onEngineEnd.run(session)
  }
  if (reason.kind === 'engine' && onEngineEnd === 'finish') await session.output.flush()
  await session.hangup()
}

function talk(session: AgentSession, settings: OpenAiSettings): Promise<SessionEndReason> {
  const { clock, network } = settings.runtime ?? defaultRuntime()
  const startedAt = clock.now()
  const event = { call: session.id, engine: engineOf(settings) }
  const tell = (kind: 'connected' | 'speaks') => (): void => {
    if (engineChannel.hasSubscribers)
      engineChannel.publish({ ...event, kind, afterMs: clock.now() - startedAt })
  }
  if (engineChannel.hasSubscribers) engineChannel.publish({ ...event, kind: 'connecting' })
  return new Conversation(session, settings, {
    clock,
    network,
    onConnected: tell('connected'),
    onFirstAudio: tell('speaks'),
    onEnd: ({ kind, detail }, counters) => {
      if (!engineChannel.hasSubscribers) return
      if (kind === 'failed') engineChannel.publish({ ...event, kind, detail, counters })
      else
        engineChannel.publish({
          ...event,
          kind: 'ended',
          by: kind === 'call' ? 'call' : 'engine',
          detail,
          counters,
        })
    },
  }).run()
}

function engineOf({ dialect }: OpenAiSettings): string {
  return `openai-${dialect}`
}
