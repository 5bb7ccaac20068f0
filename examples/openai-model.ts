// A model of OpenAI answers the phone: it looks orders up, hangs up after its good-bye, and a recorded menu takes over when it is down.
//   OPENAI_API_KEY=… LISTEN=udp://0.0.0.0:5060 node dist/examples/openai-model.js
import { createEndpoint, runAgent } from 'offhook'
import { demoMenu, openAiAgent } from 'offhook/agent'
import { Trace, describeCall } from 'offhook/trace'

const { OPENAI_API_KEY = '', OPENAI_URL, MODEL = 'gpt-realtime', LISTEN = 'udp://0.0.0.0:5060' } = process.env
const orders: Readonly<Record<string, string>> = { 17: 'left our house this morning' }

const agent = openAiAgent({
  apiKey: OPENAI_API_KEY,
  dialect: 'realtime',
  model: MODEL,
  ...(OPENAI_URL !== undefined && { url: OPENAI_URL }),
  session: { instructions: 'You answer for a tea shop. Be brief. Ask for the number of the order.' },
  greeting: true,
  tools: [
    {
      name: 'order',
      description: 'Where an order is',
      parameters: { type: 'object', properties: { number: { type: 'string' } }, required: ['number'] },
      run: ({ number }) => orders[String(number)] ?? 'there is no such order',
    },
  ],
  endCall: true,
  connectTimeoutMs: 3000,
  fallback: await demoMenu(),
})

const endpoint = await createEndpoint({ listen: [LISTEN], codecs: ['PCMU'] })
// Each call as it went, with the model's failures.
const trace = new Trace({ endpoint, onRecord: record => console.log(describeCall(record)) })
endpoint.on('error', error => console.error(error.message))
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
console.log(`Listening on ${endpoint.listening.join(', ')}`)
await runAgent(endpoint, agent, { signal: stop.signal })
await endpoint.close({ graceMs: 1000 })
trace.close()
