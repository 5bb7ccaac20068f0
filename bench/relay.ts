/**
 * A bridge of two calls against two bare sockets that pass packets on: CPU time per packet relayed. The cost of sending and receiving at the far ends, measured
 * without anything between, is taken off both.
 */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { Pacer } from '../src/media/rtp/pacer.ts'
import { writeRtpHeader } from '../src/media/rtp/packet.ts'
import { PortPool } from '../src/media/rtp/port-pool.ts'
import { MediaBridge } from '../src/media/session/media-bridge.ts'
import { MediaSession } from '../src/media/session/media-session.ts'
import { createNodeRuntime } from '../src/runtime/node.ts'
import { type BenchLine, type BenchOptions, benchLine, measure } from './harness.ts'
import type { Measurement, Subject } from './harness.ts'

const packetOctets = 172
/** Packets on their way at once: less than any socket's buffer holds. */
const batch = 32

/** A way from one far end to the other, and how to take it down. */
interface Way {
  readonly towards: number
  readonly close: () => Promise<void>
}

export async function run({ short }: BenchOptions): Promise<readonly BenchLine[]> {
  const sink = await open()
  const source = await open()
  const sourcePort = source.address().port
  const sinkPort = sink.address().port
  const ways: readonly (readonly [string, Way])[] = [
    ['nothing between', { towards: sinkPort, close: () => Promise.resolve() }],
    ['bare node:dgram', await bareRelay(sinkPort)],
    ['bridge', await bridgedCalls(sourcePort, sinkPort)],
  ]
  let measured: readonly Measurement[]
  try {
    const subjects = ways.map(([name, { towards }]) => subject(name, source, sink, towards))
    measured = await measure(subjects, { operations: short ? 640 : 9600, rounds: short ? 3 : 9 })
  } finally {
    await Promise.all(ways.map(([, way]) => way.close()))
    source.close()
    sink.close()
  }
  const [direct = 0, bare = 0, bridged = 0] = measured.map(({ cpuMicros }) => cpuMicros)
  return [
    benchLine({
      name: 'relay, a packet from one call to another',
      figure: bridged - direct,
      unit: 'µs CPU/packet',
      reference: { name: 'bare node:dgram', figure: bare - direct },
      limit: { maxRatio: 1.5 },
      note: `PCMU, 20 ms, payload untouched; far ends (${direct.toFixed(1)} µs) taken off`,
    }),
  ]
}

async function open(): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return socket
}

async function bareRelay(sinkPort: number): Promise<Way> {
  const [near, far] = [await open(), await open()]
  near.on('message', packet => far.send(packet, sinkPort, '127.0.0.1'))
  return {
    towards: near.address().port,
    close: () => {
      near.close()
      far.close()
      return Promise.resolve()
    },
  }
}

async function bridgedCalls(sourcePort: number, sinkPort: number): Promise<Way> {
  const runtime = createNodeRuntime()
  const { clock, network, random } = runtime
  const ports = new PortPool({ network, clock, random, host: '127.0.0.1' })
  const pacer = new Pacer({ clock })
  const sessions = await Promise.all(
    [sourcePort, sinkPort].map(async port => {
      const session = await MediaSession.open({ runtime, ports, pacer, rtcp: false, timeoutMs: 0 })
      session.createOffer()
      session.acceptAnswer(answerOf(port))
      return session
    }),
  )
  const [a, b] = sessions as [MediaSession, MediaSession]
  const bridge = new MediaBridge(a, b, { onDigit: () => undefined })
  return {
    towards: a.local.port,
    close: async () => {
      bridge.close()
      await Promise.all([a.close(), b.close()])
    },
  }
}

function answerOf(port: number): string {
  const lines = ['v=0', 'o=- 1 1 IN IP4 127.0.0.1', 's=-', 'c=IN IP4 127.0.0.1', 't=0 0']
  return [
    ...lines,
    `m=audio ${port} RTP/AVP 0 101`,
    'a=rtpmap:0 PCMU/8000',
    'a=rtpmap:101 telephone-event/8000',
    '',
  ].join('\r\n')
}

function subject(name: string, source: Socket, sink: Socket, towards: number): Subject {
  let sequence = 0
  let timestamp = 0
  return {
    name,
    run: async count => {
      for (let sent = 0; sent < count; sent += batch) {
        const arrived = arrivals(sink, batch)
        for (let i = 0; i < batch; i += 1) {
          const packet = Buffer.alloc(packetOctets, i)
          writeRtpHeader(packet, 0, false, sequence, timestamp, 4711)
          sequence = (sequence + 1) & 0xffff
          timestamp = (timestamp + 160) >>> 0
          source.send(packet, towards, '127.0.0.1')
        }
        await arrived
      }
    },
  }
}

/** Resolves when so many packets have come. */
function arrivals(sink: Socket, wanted: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let missing = wanted
    const late = setTimeout(() => {
      sink.off('message', take)
      reject(new Error(`${missing} of ${wanted} packets did not arrive`))
    }, 5000)
    const take = (): void => {
      missing -= 1
      if (missing > 0) return
      clearTimeout(late)
      sink.off('message', take)
      resolve()
    }
    sink.on('message', take)
  })
}
