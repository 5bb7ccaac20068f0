/** RTCP against a real softphone, and our packets read by a dissector that is not ours. */

import { execFile } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { createEndpoint, type MediaStats } from '../src/index.ts'
import { seededRandom } from '../src/testing/seeded-random.ts'
import { SimulatedNetwork } from '../src/testing/simulated-network.ts'
import { VirtualClock } from '../src/testing/virtual-clock.ts'
import { MediaSession } from '../src/media/session/media-session.ts'
import { Pacer } from '../src/media/rtp/pacer.ts'
import { PortPool } from '../src/media/rtp/port-pool.ts'
import type { Check } from './check.ts'
import { type Datagram, writePcap } from './pcap.ts'
import { Baresip } from './peers/baresip.ts'
import { isInstalled } from './peers/process.ts'

const run = promisify(execFile)

export function rtcpChecks(logs: string): readonly Check[] {
  return [
    ...[true, false].map((mux): Check => ({
      name: `baresip-rtcp-${mux ? 'mux' : 'port-above'}`,
      rfc: mux ? 'RFC 5761 5.1' : 'RFC 3550 6.4',
      what: `reports both ways and a round trip, ${mux ? 'on the port of RTP' : 'on the port above'}`,
      how: 'baresip is called, UDP',
      run: () => reports(join(logs, `baresip-rtcp-${mux ? 'mux' : 'port-above'}`), mux),
    })),
    {
      name: 'tshark-rtcp',
      rfc: 'RFC 3550 6.4',
      what: 'SR, RR, SDES, XR, BYE and RFC 4733 events are read without a fault',
      how: 'tshark reads a capture',
      run: () => dissected(join(logs, 'tshark-rtcp')),
    },
  ]
}

async function reports(folder: string, rtcpMux: boolean): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const baresip = await Baresip.start({ folder, toneHz: 1000, codec: 'PCMU', rtcpMux, timeoutMs: 25_000 })
  const endpoint = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  let stats: MediaStats | undefined
  try {
    const call = await endpoint.call(baresip.uri)
    // Its reports come every 5 s.
    for (let waited = 0; waited < 14_000; waited += 250) {
      await call.sleep(250)
      stats = call.media.stats()
      if (stats.roundTrip !== undefined && stats.remote !== undefined) break
    }
    const mux = (call.media as MediaSession).negotiated?.rtcp.mux
    if (mux !== rtcpMux) throw new Error(`RTCP on the port of RTP: ${mux}, expected ${rtcpMux}`)
    await call.hangup()
  } finally {
    await endpoint.close()
    await baresip.stop()
  }
  const { remote, roundTrip, rtcp, lost, quality } = stats ?? {}
  const problems = [
    ...(roundTrip === undefined || roundTrip.lastMs > 100 ? ['no round trip that can be'] : []),
    ...(remote === undefined || Math.abs(remote.lost) > 3 ? ['its report of our stream'] : []),
    ...(lost === undefined || lost > 3 ? ['packets were lost'] : []),
    ...(rtcp === undefined || rtcp.malformed + rtcp.strangers > 0 ? ['its RTCP was not taken'] : []),
    ...((quality?.received?.mos ?? 0) < 4 || (quality?.sent?.mos ?? 0) < 4 ? ['the MOS'] : []),
  ]
  if (problems.length > 0)
    throw new Error(`${problems.join(', ')}: ${JSON.stringify({ remote, roundTrip, rtcp, lost, quality })}`)
}

async function dissected(folder: string): Promise<void> {
  if (!isInstalled('tshark', '-v')) throw new Error('tshark is not installed: apt-get install tshark')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'call.pcap')
  const { datagrams, rtpPorts } = await callOnTheBench()
  writePcap(file, datagrams)
  const decode = rtpPorts.flatMap(port => ['-d', `udp.port==${port},rtp`, '-d', `udp.port==${port + 1},rtcp`])
  const fields = ['rtcp.pt', 'rtpevent.event_id', '_ws.malformed', '_ws.expert.message']
  const { stdout } = await run(
    'tshark',
    [
      '-r',
      file,
      '-o',
      'rtpevent.event_payload_type_value:101',
      ...decode,
      '-T',
      'fields',
      '-E',
      'separator=|',
      ...fields.flatMap(field => ['-e', field]),
    ],
    { timeout: 20_000, maxBuffer: 1 << 26 },
  )
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map(line => line.split('|'))
  const faults = rows.filter(
    ([, , malformed, message]) => malformed || /malformed|invalid|bogus/i.test(message ?? ''),
  )
  const types = new Set(rows.flatMap(([types]) => types?.split(',') ?? []))
  const events = rows.filter(([, event]) => event).length
  const missing = ['200', '201', '202', '203', '207'].filter(type => !types.has(type))
  if (faults.length > 0 || missing.length > 0 || events < 6 || rows.length !== datagrams.length) {
    throw new Error(
      `${faults.length} faults (${faults[0]?.join(' ')}), no RTCP of type ${missing.join(', ') || '-'}, ${events} event packets`,
    )
  }
}

/** A minute with hold, digits and loss, without mux so that every port carries one kind. */
async function callOnTheBench(): Promise<{ datagrams: Datagram[]; rtpPorts: number[] }> {
  const clock = new VirtualClock()
  const random = seededRandom(4)
  const network = new SimulatedNetwork({
    clock,
    random,
    conditions: { delayMs: 40, jitterMs: 10, loss: 0.02 },
  })
  const datagrams: Datagram[] = []
  network.onDatagram(({ sentAtMs, from, to, data }) =>
    datagrams.push({ atMs: sentAtMs, from, to, data: data.slice() }),
  )
  const open = (address: string): Promise<MediaSession> => {
    const host = network.host(address)
    const ports = new PortPool({ network: host, clock, random, host: address })
    const runtime = { clock, network: host, random }
    return MediaSession.open({ runtime, ports, pacer: new Pacer({ clock }), rtcp: { mux: false } })
  }
  const [a, b] = [await open('10.0.0.1'), await open('10.0.0.2')]
  const agree = (hold: boolean): unknown => a.acceptAnswer(b.answerOffer(a.createOffer({ hold })))
  agree(false)
  const digits = a.sendDtmf('12#')
  await clock.advance(30_000)
  await digits
  agree(true)
  await clock.advance(30_000)
  await Promise.all([a.close(), b.close()])
  await clock.advance(1000)
  datagrams.sort((x, y) => x.atMs - y.atMs)
  return { datagrams, rtpPorts: [a.local.port, b.local.port] }
}
