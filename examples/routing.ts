// Gives each call to an agent by the number that was dialled; a bot that is down is replaced, the third caller at the desk waits.
//   LISTEN=udp://0.0.0.0:5060 BOT=wss://bot.example/media node dist/examples/routing.js
import { createEndpoint } from 'offhook'
import { demoMenu, echoAgent, routeCalls, streamAgent } from 'offhook/agent'
import { Trace, describeCall } from 'offhook/trace'

const {
  LISTEN = 'udp://0.0.0.0:5060',
  BOT = 'ws://127.0.0.1:8080/',
  ENVIRONMENT = 'production',
} = process.env
const endpoint = await createEndpoint({ listen: [LISTEN] })
const trace = new Trace({ endpoint, onRecord: record => console.log(describeCall(record)) })
const stop = new AbortController()
process.once('SIGINT', () => stop.abort())

const routing = routeCalls(endpoint, {
  signal: stop.signal,
  defaultCountry: 'GB',
  environment: ENVIRONMENT,
  agents: {
    bot: streamAgent({ url: BOT, dialect: 'twilio', connectTimeoutMs: 3000 }),
    desk: await demoMenu(),
    'desk@staging': echoAgent(),
  },
  routes: [
    {
      name: 'the bot',
      match: { dialled: '+442079460018' },
      to: { agent: 'bot', fallback: { agent: 'desk' } },
    },
    {
      name: 'the desk',
      match: { dialled: '+442079460*' },
      to: { queue: { to: { agent: 'desk' }, maxActive: 2 } },
    },
  ],
  onError: error => console.log(`fell back: ${error.message}`),
})
console.log(`Listening on ${endpoint.listening.join(', ')}`)
await routing.done
console.log('calls by route:', routing.stats.calls)
await endpoint.close({ graceMs: 1000 })
trace.close()
