/**
 * What is measured for media: an endpoint with the echo agent, through the public API. With `--pacing` it also notes when
 * each RTP packet is handed to its socket, against the 20 ms grid that begins with the call's first packet. `--codec NAME` is
 * the codec of the calls instead of G.711; SRTP is taken where it is offered.
 */

import { parseArgs } from 'node:util'
import { echoAgent } from '../../src/agent/echo.ts'
import { runAgent } from '../../src/agent/agent.ts'
import { createEndpoint } from '../../src/call/endpoint.ts'
import { createNodeRuntime } from '../../src/runtime/node.ts'
import type { Network, UdpSocket } from '../../src/runtime/runtime.ts'
import { beMeasured } from '../support/measured-child.ts'

const samplesPerMs = 8
/** Packets of a call that do not count: its clock and the compiler settle. */
const settling = 25

const runtime = createNodeRuntime()
const { values } = parseArgs({ options: { pacing: { type: 'boolean' }, codec: { type: 'string' } } })
/** How many packets were off by so many steps; of this round. */
const errors = new Uint32Array(4000)
const stepsPerMs = 20

const endpoint = await createEndpoint({
  listen: ['udp://127.0.0.1:0'],
  srtp: 'optional',
  ...(values.codec !== undefined && { codecs: [values.codec] }),
  runtime: values.pacing === true ? { ...runtime, network: observing(runtime.network) } : runtime,
})
const served = runAgent(endpoint, echoAgent())
const port = Number(endpoint.listening[0]?.split(':').at(-1))
beMeasured(
  [port],
  () => ({ p50: errorAt(0.5), p99: errorAt(0.99) }),
  () => errors.fill(0),
)
await served

/** The pacing error that so much of all packets is below, ms. */
function errorAt(share: number): number {
  let left = share * errors.reduce((sum, count) => sum + count, 0)
  const step = errors.findIndex(count => (left -= count) <= 0)
  return (step + 0.5) / stepsPerMs
}

function observing(network: Network): Network {
  return {
    bindUdp: async options => observe(await network.bindUdp(options)),
    listenTcp: options => network.listenTcp(options),
    connectTcp: options => network.connectTcp(options),
    listenTls: options => network.listenTls(options),
    connectTls: options => network.connectTls(options),
    listenWebSocket: options => network.listenWebSocket(options),
    connectWebSocket: options => network.connectWebSocket(options),
    openWebSocket: options => network.openWebSocket(options),
    listenHttp: options => network.listenHttp(options),
    interfaces: () => network.interfaces(),
  }
}

function observe(socket: UdpSocket): UdpSocket {
  const send = socket.send.bind(socket)
  let first: { at: number; timestamp: number } | undefined
  let packets = 0
  socket.send = (data, toPort, address) => {
    // RTP version 2 with a payload type that is audio: not SIP, not RTCP.
    if (data.length > 12 && (data[0] ?? 0) >> 6 === 2 && ((data[1] ?? 0) & 0x7f) < 64) {
      const at = runtime.clock.now()
      const timestamp = new DataView(data.buffer, data.byteOffset, data.byteLength).getUint32(4)
      packets += 1
      if (packets === settling) first = { at, timestamp }
      if (first !== undefined) {
        const dueAt = first.at + ((timestamp - first.timestamp) >>> 0) / samplesPerMs
        const step = Math.min(Math.floor(Math.abs(at - dueAt) * stepsPerMs), errors.length - 1)
        errors[step] = (errors[step] ?? 0) + 1
      }
    }
    send(data, toPort, address)
  }
  return socket
}
