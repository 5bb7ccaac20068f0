// Gives every call to a voice bot behind a WebSocket, in the protocol of the platform that it was written for.
//   BOT=ws://127.0.0.1:8765/ DIALECT=twilio LISTEN=udp://0.0.0.0:5060 node dist/examples/stream-bot.js
import { createEndpoint, runAgent } from 'offhook'
import { demoMenu, dialectNamed, streamAgent } from 'offhook/agent'
import { Trace, describeCall } from 'offhook/trace'

const {
  LISTEN = 'udp://0.0.0.0:5060',
  BOT = 'ws://127.0.0.1:8765/',
  DIALECT = 'twilio',
  TWILIO_AUTH_TOKEN,
} = process.env

const { name: dialect } = dialectNamed(DIALECT)
const agent = streamAgent({
  url: BOT,
  dialect,
  ...(dialect === 'twilio' && TWILIO_AUTH_TOKEN !== undefined && { authToken: TWILIO_AUTH_TOKEN }),
  parameters: ({ remote, local }) => ({ from_number: remote.uriText, to_number: local.uriText }),
  connectTimeoutMs: 3_000,
  firstAudioTimeoutMs: 10_000,
  fallback: await demoMenu(), // the caller is never left with a dead line
})

const endpoint = await createEndpoint({ listen: [LISTEN], codecs: ['PCMU', 'PCMA'] })
const trace = new Trace({ endpoint, onRecord: record => console.log(describeCall(record)) })
endpoint.on('error', error => console.error(error.message))
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
console.log(`${endpoint.listening.join(', ')} gives its calls to the bot, which speaks ${dialect}`)
await runAgent(endpoint, agent, { signal: stop.signal })
await endpoint.close()
trace.close()
