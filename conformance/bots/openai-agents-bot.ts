/**
 * An agent on `@openai/agents-realtime` as a module of `offhook serve`: greets, passes keys on to the model, and has the tools that the call has.
 * Of the environment: `MODEL_URL`, where the model is, and `DESK`, whom it may transfer to.
 */

import { RealtimeAgent } from '@openai/agents-realtime'
import type { Agent } from '../../src/agent/index.ts'
import { openAiAgentsAgent, phoneTools } from '../../src/agent/sdk/openai-agents/index.ts'

const { MODEL_URL: url = '', DESK: desk } = process.env

const agent: Agent = openAiAgentsAgent({
  url,
  apiKey: 'key',
  greeting: true,
  agent: phone =>
    new RealtimeAgent({
      name: 'Desk',
      instructions: 'Be brief.',
      tools: phoneTools(phone, desk === undefined ? {} : { transfer: { desk } }),
    }),
  onSession: (session, phone) =>
    phone.on('dtmf', key => session.sendMessage((key as { readonly digit: string }).digit)),
})

export default agent
