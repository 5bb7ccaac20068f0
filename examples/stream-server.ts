// One agent for SIP calls and for the calls that carriers bring over WebSockets (Twilio Media Streams, Telnyx, Plivo, Vonage).
//   TWILIO_AUTH_TOKEN=… PUBLIC_URL=wss://voice.example.com HTTP=8080 LISTEN=udp://0.0.0.0:5060 node dist/examples/stream-server.js
import { createEndpoint, runAgent } from 'offhook'
import { demoMenu, streamServer } from 'offhook/agent'
import type { StreamPath } from 'offhook/agent'
import { Trace, describeCall } from 'offhook/trace'

const { LISTEN = 'udp://0.0.0.0:5060', HOST = '0.0.0.0', HTTP = '8080', PUBLIC_URL } = process.env
const { TWILIO_AUTH_TOKEN, TELNYX_STREAM_TOKEN, PLIVO_AUTH_TOKEN, VONAGE_SIGNATURE_SECRET } = process.env

// Only the carriers whose secret is there: nobody else gets in.
const streams: StreamPath[] = []
if (TWILIO_AUTH_TOKEN !== undefined) {
  const auth = { kind: 'twilio', authToken: TWILIO_AUTH_TOKEN } as const
  streams.push({ path: '/twilio', webhook: '/twilio/answer', dialect: 'twilio', auth })
}
if (TELNYX_STREAM_TOKEN !== undefined) {
  const auth = { kind: 'telnyx', streamToken: TELNYX_STREAM_TOKEN } as const
  streams.push({ path: '/telnyx', dialect: 'telnyx', auth })
}
if (PLIVO_AUTH_TOKEN !== undefined) {
  const auth = { kind: 'plivo', authToken: PLIVO_AUTH_TOKEN } as const
  streams.push({ path: '/plivo', webhook: '/plivo/answer', dialect: 'plivo', auth })
}
if (VONAGE_SIGNATURE_SECRET !== undefined) {
  const auth = { kind: 'vonage', secret: VONAGE_SIGNATURE_SECRET } as const
  streams.push({ path: '/vonage', webhook: '/vonage/answer', dialect: 'vonage', auth })
}

const agent = await demoMenu()
const endpoint = await createEndpoint({ listen: [LISTEN] })
endpoint.on('error', error => console.error(error.message))
const server = await streamServer({
  listen: { host: HOST, port: Number(HTTP) },
  ...(PUBLIC_URL !== undefined && { publicUrl: PUBLIC_URL }),
  streams,
  agent,
  endpoint, // records of both kinds of calls in one trace
  onError: error => console.error(error.message),
  onRefused: ({ path, why, detail }) => console.error(`refused at ${path} (${why}): ${detail}`),
})
const trace = new Trace({ endpoint, onRecord: record => console.log(describeCall(record)) })

const stop = new AbortController()
process.once('SIGINT', () => stop.abort())
const paths = streams.map(({ path }) => path).join(', ')
console.log(`SIP at ${endpoint.listening.join(', ')}; streams on port ${server.local.port} at ${paths}`)
await runAgent(endpoint, agent, { signal: stop.signal })
await server.close()
await endpoint.close()
trace.close()
