/** An endpoint that challenges with MD5 (SIPp knows no other) and refuses who is not alice; `known` and `unknown` decide by address alone. */

import { parseArgs } from 'node:util'
import { admitAddresses, admitDigest, createEndpoint } from '../src/index.ts'

const { values } = parseArgs({
  options: { listen: { type: 'string', multiple: true, default: [] }, lifetime: { type: 'string' } },
})
const digest = admitDigest({
  realm: 'offhook',
  algorithms: ['MD5'],
  secretOf: user => (user === 'alice' ? { password: 'wonderland' } : undefined),
  // SIPp leaves the user out of its digest uri.
  anyUri: true,
  nonceLifetimeMs: Number(values.lifetime ?? 300_000),
})
const nowhere = admitAddresses(['203.0.113.0/24'])
const endpoint = await createEndpoint({
  listen: values.listen,
  admission: (request, flow, host) =>
    request.requestUri.startsWith('sip:stranger@')
      ? nowhere(request, flow, host)
      : digest(request, flow, host),
})

let served = 0
process.on('SIGINT', () => {
  console.log(JSON.stringify({ event: 'stopped', served, admission: endpoint.stats().admission }))
  void endpoint.close()
})
console.log(JSON.stringify({ event: 'listening', listen: endpoint.listening }))
await endpoint.serve(async call => {
  served += 1
  await call.answer()
  await call.ended
})
