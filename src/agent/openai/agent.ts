import type { Agent, AgentSession } from '../agent.ts'
import { defaultRuntime } from '../engine/default-runtime.ts'
import { afterEngine } from '../engine/engine-end.ts'
import { EngineReport } from '../engine/engine-report.ts'
import { Conversation } from './conversation.ts'
import { checkedSettings } from './options.ts'
import type { OpenAiAgentOptions, OpenAiSettings } from './options.ts'

/** A model of OpenAI as an agent, over the WebSocket of its Realtime or its Live API. @throws OptionError */
export function openAiAgent(options: OpenAiAgentOptions): Agent {
  const settings = checkedSettings(options)
  return { run: session => converse(session, settings) }
}

async function converse(session: AgentSession, settings: OpenAiSettings): Promise<void> {
  const { clock, network } = settings.runtime ?? defaultRuntime()
  const engine = `openai-${settings.dialect}`
  const report = new EngineReport(session.id, engine, clock)
  const end = await new Conversation(session, settings, { clock, network, report }).run()
  await afterEngine(session, engine, end, settings)
}
