// Follows calls through the diagnostics channels: what a metrics exporter or a log shipper would do.
//   node dist/examples/follow-a-call.js   then call sip:echo@127.0.0.1:5060
import { callChannel, createEndpoint, runAgent } from 'offhook'
import { echoAgent } from 'offhook/agent'
import { describeCall, Trace } from 'offhook/trace'

const endpoint = await createEndpoint({ listen: [process.env['LISTEN'] ?? 'udp://127.0.0.1:5060'] })
const trace = new Trace({
  endpoint,
  journal: 'calls.jsonl',
  maskDigits: true,
  onRecord: record => {
    console.log(trace.ladder(record.id))
    console.log(describeCall(record))
  },
})
callChannel.subscribe(event => {
  if (event.kind === 'state') console.log(`${event.call.id} is ${event.state}`)
})

process.once('SIGINT', () => void endpoint.close())
console.log(`listening on ${endpoint.listening.join(', ')}`)
await runAgent(endpoint, echoAgent())
trace.close()
