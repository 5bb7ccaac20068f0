/** As many endpoints as asked for in one process, each on a port of its own by UDP and TCP; they know nobody: 404. */

import { createEndpoint } from '../src/index.ts'

const ports = process.argv.slice(2)
const endpoints = await Promise.all(
  ports.map(port => createEndpoint({ listen: [`udp://127.0.0.1:${port}`, `tcp://127.0.0.1:${port}`] })),
)
process.on('SIGINT', () => {
  for (const endpoint of endpoints) void endpoint.close()
})
console.log(JSON.stringify({ event: 'listening' }))
await Promise.all(endpoints.map(endpoint => endpoint.serve(call => call.reject(404))))
