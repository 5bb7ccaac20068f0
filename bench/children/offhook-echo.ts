/**
 * What is measured for media: an endpoint with the echo agent, through the public API. With `--pacing` it also notes when
 * each RTP packet is handed to its socket, against the 20 ms grid that begins with the call's first packet.
 */

import { echoAgent } from '../../src/agent/echo.ts'
import { runAgent } from '../../src/agent/agent.ts'
import { createEndpoint } from '../../src/call/endpoint.ts'
import { createNodeRuntime } from '../../src/runtime/node.ts'
import type { Network, UdpSocket } from '../../src/runtime/runtime.ts'
import { percentile } from '../harness.ts'
import { beMeasured } from '../support/measured-child.ts'

const samplesPerMs = 8
/** Packets of a call that do not count: its clock and the compiler settle. */
const settling = 25

const runtime = createNodeRuntime()
const observed = process.argv.includes('--pacing')
const errors: number[] = []

const endpoint = await createEndpoint({
  listen: ['udp://127.0.0.1:0'],
  runtime: observed ? { ...runtime, network: observing(runtime.network) } : runtime,
})
const served = runAgent(endpoint, echoAgent())
const port = Number(endpoint.listening[0]?.split(':').at(-1))
beMeasured([port], () => ({ p50: percentile(errors, 50), p99: percentile(errors, 99) }))
await served

function observing(network: Network): Network {
  return {
    bindUdp: async options => observe(await network.bindUdp(options)),
    listenTcp: options => network.listenTcp(options),
    connectTcp: options => network.connectTcp(options),
    listenTls: options => network.listenTls(options),
    connectTls: options => network.connectTls(options),
    listenWebSocket: options => network.listenWebSocket(options),
    connectWebSocket: options => network.connectWebSocket(options),
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
        errors.push(Math.abs(at - dueAt))
      }
    }
    send(data, toPort, address)
  }
  return socket
}
