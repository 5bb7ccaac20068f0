// A RealtimeAgent of the OpenAI Agents SDK answers the phone: greets, is interrupted, hears keys, hangs up and transfers.
//   npm install @openai/agents-realtime
//   OPENAI_API_KEY=sk-... DESK=sip:desk@pbx.example LISTEN=udp://0.0.0.0:5060 node dist/examples/openai-agents.js
import { RealtimeAgent } from '@openai/agents-realtime'
import { createEndpoint, runAgent } from 'offhook'
import { demoMenu } from 'offhook/agent'
import { openAiAgentsAgent, phoneTools } from 'offhook/openai-agents'
import { Trace, describeCall } from 'offhook/trace'

const {
  LISTEN = 'udp://0.0.0.0:5060',
  OPENAI_API_KEY = '',
  OPENAI_URL,
  DESK = 'sip:desk@pbx.example',
} = process.env

const agent = openAiAgentsAgent({
  apiKey: OPENAI_API_KEY,
  ...(OPENAI_URL !== undefined && { url: OPENAI_URL }),
  greeting: 'Greet the caller and ask how you can help.',
  agent: phone =>
    new RealtimeAgent({
      name: 'Desk',
      instructions: 'You answer the phone of a bicycle shop. Be brief. Say goodbye before you hang up.',
      tools: phoneTools(phone, { transfer: { workshop: DESK } }),
    }),
  onSession: (session, phone) =>
    phone.on('dtmf', ({ digit }) => session.sendMessage(`The caller pressed ${digit}.`)),
  onError: error => console.error(error),
  firstAudioTimeoutMs: 10_000,
  fallback: await demoMenu(), // the caller is never left with a dead line
})

const endpoint = await createEndpoint({ listen: [LISTEN], codecs: ['PCMU', 'PCMA'] })
const trace = new Trace({ endpoint, onRecord: record => console.log(describeCall(record)) })
endpoint.on('error', error => console.error(error.message))
const stop = new AbortController()
process.on('SIGINT', () => stop.abort()) // not once: the SDK ends the process when nobody else listens
console.log(`${endpoint.listening.join(', ')} gives its calls to the model`)
await runAgent(endpoint, agent, { signal: stop.signal })
await endpoint.close()
trace.close()
