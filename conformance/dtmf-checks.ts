/** Digits on every road with programs that share no code with us: SIPp, baresip, GStreamer, ffmpeg and tshark. */

import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Call, type DtmfDigit, createEndpoint } from '../src/index.ts'
import { DTMF_HZ } from '../src/media/audio/tones.ts'
import { loadCodecs } from '../src/media/codec/catalogue.ts'
import { Pacer } from '../src/media/rtp/pacer.ts'
import { PortPool } from '../src/media/rtp/port-pool.ts'
import { MediaSession } from '../src/media/session/media-session.ts'
import { createNodeRuntime } from '../src/runtime/node.ts'
import { seededRandom } from '../src/testing/seeded-random.ts'
import { SimulatedNetwork } from '../src/testing/simulated-network.ts'
import { VirtualClock } from '../src/testing/virtual-clock.ts'
import type { Check } from './check.ts'
import { type Datagram, writePcap } from './pcap.ts'
import { Baresip } from './peers/baresip.ts'
import { freePort } from './peers/ports.ts'
import { isInstalled } from './peers/process.ts'
import { startSipp } from './peers/sipp.ts'
import { within } from './within.ts'

const run = promisify(execFile)
const keys = '1590*#ABCD'
const host = '127.0.0.1'

export function sippDtmfChecks({
  scenarios,
  logs,
}: {
  readonly scenarios: string
  readonly logs: string
}): readonly Check[] {
  return (['udp', 'tcp'] as const).map(transport => ({
    name: `caller-dtmf-info-${transport}`,
    rfc: 'RFC 6086 4.2.2',
    what: 'digits by INFO, in the forms there are; bad ones are refused',
    how: `SIPp calls, ${transport.toUpperCase()}`,
    run: () => infoFromSipp(scenarios, join(logs, `caller-dtmf-info-${transport}`), transport),
  }))
}

export function baresipDtmfChecks(logs: string): readonly Check[] {
  return (['rtp', 'info'] as const).map(road => ({
    name: `baresip-dtmf-${road}`,
    rfc: road === 'rtp' ? 'RFC 4733 2.5' : 'RFC 6086 4.2.2',
    what: road === 'rtp' ? 'telephone events both ways' : 'our digits by INFO, its own as events',
    how: 'baresip is called, UDP',
    run: () => withBaresip(join(logs, `baresip-dtmf-${road}`), road),
  }))
}

export function dtmfProgramChecks(logs: string): readonly Check[] {
  return [
    {
      name: 'gstreamer-dtmf-tones',
      rfc: 'ITU-T Q.23',
      what: 'our tones are recognised, 100 ms and 50 ms',
      how: 'GStreamer dtmfdetect',
      run: () => tonesToGStreamer(join(logs, 'gstreamer-dtmf-tones')),
    },
    {
      name: 'ffmpeg-dtmf-tones',
      rfc: 'ITU-T Q.24',
      what: 'tones of 70 ms and pauses of 50 ms are recognised by us',
      how: 'ffmpeg sends them',
      run: () => tonesFromFfmpeg(join(logs, 'ffmpeg-dtmf-tones')),
    },
    ...(['PCMU', 'opus'] as const).map(codec => ({
      name: `tshark-dtmf-${codec}`,
      rfc: 'RFC 4733 2.5.1',
      what: `events beside ${codec}, long ones in segments, read without a fault`,
      how: 'tshark reads a capture',
      run: () => eventsToTshark(join(logs, `tshark-dtmf-${codec}`), codec),
    })),
  ]
}

function expectDigits(what: string, found: string, sent: string): void {
  if (found !== sent) throw new Error(`${what}: ${sent} was sent, ${found || 'nothing'} came`)
}

// ---- SIPp ---------------------------------------------------------------------------------------------------------

async function infoFromSipp(scenarios: string, folder: string, transport: 'udp' | 'tcp'): Promise<void> {
  const port = await freePort()
  const endpoint = await createEndpoint({ listen: [`${transport}://${host}:${port}`] })
  const digits: DtmfDigit[] = []
  try {
    void endpoint.serve(async call => {
      await call.answer()
      for await (const digit of call.dtmf()) digits.push(digit)
    })
    const scenario = { file: join(scenarios, 'caller-dtmf-info.xml') }
    await (
      await startSipp({ scenario, transport, target: { port, user: 'dtmf' }, folder })
    ).passed
  } finally {
    await endpoint.close()
  }
  expectDigits(
    'by INFO',
    digits.map(({ digit, via }) => (via === 'info' ? digit : `${via}?`)).join(''),
    '57#!',
  )
  if (digits[0]?.durationMs !== 160) throw new Error(`Duration=160 was read as ${digits[0]?.durationMs} ms`)
}

// ---- baresip ------------------------------------------------------------------------------------------------------

async function withBaresip(folder: string, road: 'rtp' | 'info'): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const controlPort = await freePort()
  const baresip = await Baresip.start({ folder, toneHz: 1000, codec: 'PCMU', controlPort, timeoutMs: 20_000 })
  const endpoint = await createEndpoint({ listen: [`udp://${host}:0`] })
  const socket = connect(controlPort, host)
  let told = ''
  socket.setEncoding('utf8').on('data', (text: string) => (told += text))
  const digits: DtmfDigit[] = []
  try {
    const call = await endpoint.call(baresip.uri, { dtmf: { send: road } })
    void collect(call, digits)
    await call.sleep(300)
    await call.sendDtmf(keys, { durationMs: 80, gapMs: 60 })
    await call.sleep(200)
    for (const key of '147#') {
      await baresip.command('sndcode', key)
      await call.sleep(400)
    }
    await call.sleep(300)
    await call.hangup()
  } finally {
    socket.destroy()
    await endpoint.close()
    await baresip.stop()
  }
  const heard = [...told.matchAll(/"CALL_DTMF_START"[^{}]*"param"\s*:\s*"(.)"/g)]
    .map(([, key]) => key)
    .join('')
  expectDigits(`to baresip by ${road}`, heard, keys)
  expectDigits('from baresip', digits.map(({ digit }) => digit).join(''), '147#')
}

async function collect(call: Call, digits: DtmfDigit[]): Promise<void> {
  for await (const digit of call.dtmf()) digits.push(digit)
}

// ---- tones --------------------------------------------------------------------------------------------------------

async function openSession(symmetric: boolean): Promise<MediaSession> {
  const runtime = createNodeRuntime()
  const { clock, network, random } = runtime
  const ports = new PortPool({ network, clock, random, host, range: { min: 21_000, max: 29_000 } })
  const dtmf = { send: 'inband', receive: ['inband'] } as const
  return MediaSession.open({ runtime, ports, pacer: new Pacer({ clock }), rtcp: false, symmetric, dtmf })
}

function sdp(port: number): string {
  const lines = [
    'v=0',
    `o=- 1 1 IN IP4 ${host}`,
    's=-',
    `c=IN IP4 ${host}`,
    't=0 0',
    `m=audio ${port} RTP/AVP 0`,
  ]
  return `${lines.join('\r\n')}\r\n`
}

async function tonesToGStreamer(folder: string): Promise<void> {
  if (spawnSync('gst-inspect-1.0', ['dtmfdetect'], { stdio: 'ignore' }).status !== 0)
    throw new Error(
      'GStreamer has no dtmfdetect: apt-get install gstreamer1.0-tools gstreamer1.0-plugins-bad',
    )
  mkdirSync(folder, { recursive: true })
  const port = await freePort()
  const session = await openSession(false)
  const caps = 'application/x-rtp,media=audio,clock-rate=8000,encoding-name=PCMU,payload=0'
  const source = `udpsrc address=${host} port=${port} num-buffers=250 caps=${caps}`
  const child = program(
    'gst-launch-1.0',
    `-m ${source} ! rtppcmudepay ! mulawdec ! audio/x-raw,rate=8000 ! dtmfdetect ! fakesink`,
  )
  try {
    await new Promise(resolve => setTimeout(resolve, 700))
    session.answerOffer(sdp(port))
    await session.sendDtmf(`${keys},`, { durationMs: 100, gapMs: 80 })
    await session.sendDtmf(keys, { durationMs: 50, gapMs: 50 })
    await within(9000, child.ended, 'told of the tones')
  } finally {
    child.process.kill('SIGKILL')
    await session.close()
  }
  const events = '0123456789*#ABCD'
  const heard = [...child.output().matchAll(/dtmf-event.*number=\(int\)(\d+)/g)].map(
    ([, number]) => events[Number(number)],
  )
  expectDigits('to GStreamer as tones', heard.join(''), keys + keys)
}

async function tonesFromFfmpeg(folder: string): Promise<void> {
  if (!isInstalled('ffmpeg', '-version')) throw new Error('ffmpeg is not installed: apt-get install ffmpeg')
  mkdirSync(folder, { recursive: true })
  const sent = `${keys}${keys}`
  const tones = [...sent.matchAll(/./g)].map(({ 0: key, index }) => {
    const [low, high] = DTMF_HZ[key] ?? [0, 0]
    const start = 3 + index * 0.12
    return `between(t,${start},${start + 0.07})*0.15*(sin(2*PI*${low}*t)+sin(2*PI*${high}*t))`
  })
  const session = await openSession(true)
  const digits: DtmfDigit[] = []
  session.onDtmf = digit => digits.push(digit)
  session.answerOffer(sdp(await freePort()))
  const child = program(
    'ffmpeg',
    '-loglevel error -re -f lavfi -i',
    `aevalsrc=${tones.join('+').replaceAll(',', String.raw`\,`)}:s=8000:d=5.8:n=160`,
    ...`-acodec pcm_mulaw -f rtp rtp://${host}:${session.local.port}?pkt_size=172`.split(' '),
  )
  try {
    await within(12_000, child.ended, 'sent')
    await new Promise(resolve => setTimeout(resolve, 300))
  } finally {
    child.process.kill('SIGKILL')
    await session.close()
  }
  expectDigits(`from ffmpeg as tones ${child.output()}`, digits.map(({ digit }) => digit).join(''), sent)
}

interface Program {
  readonly process: ChildProcess
  readonly ended: Promise<void>
  output(): string
}

/** `words` are split at spaces; `more` may have some. It is killed after 12 s. */
function program(command: string, words: string, ...more: readonly string[]): Program {
  const child = spawn(command, [...words.split(' '), ...more], { stdio: ['ignore', 'pipe', 'pipe'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), 12_000)
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => {
      clearTimeout(timer)
      resolve()
    })
  })
  return { process: child, ended, output: () => output }
}

// ---- tshark -------------------------------------------------------------------------------------------------------

async function eventsToTshark(folder: string, codec: string): Promise<void> {
  if (!isInstalled('tshark', '-v')) throw new Error('tshark is not installed: apt-get install tshark')
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'call.pcap')
  const { datagrams, port, payloadType, clockRate } = await digitsOnTheBench(codec)
  writePcap(file, datagrams)
  const fields = ['rtp.timestamp', 'rtpevent.event_id', 'rtpevent.end_of_event', 'rtpevent.duration']
  const { stdout } = await run(
    'tshark',
    [
      '-r',
      file,
      '-o',
      `rtpevent.event_payload_type_value:${payloadType}`,
      '-d',
      `udp.port==${port},rtp`,
      '-T',
      'fields',
      '-E',
      'separator=|',
      ...[...fields, '_ws.malformed', '_ws.expert.message'].flatMap(field => ['-e', field]),
    ],
    { timeout: 20_000, maxBuffer: 1 << 26 },
  )
  const rows = stdout
    .trimEnd()
    .split('\n')
    .map(line => line.split('|'))
  const faults = rows.filter(
    ([, , , , malformed, message]) => malformed || /malformed|invalid|bogus/i.test(message ?? ''),
  )
  if (faults.length > 0) throw new Error(`${faults.length} faults: ${faults[0]?.join(' ')}`)
  // Events by their timestamps; a segment begins where the one before ended.
  const events: { key: string; start: number; length: number; ends: number }[] = []
  for (const [timestamp, id, end, duration] of rows) {
    if (!id) continue
    const key = '0123456789*#ABCD!'[Number(id)] ?? '?'
    const last = events.at(-1)
    const into = (Number(timestamp) - (last?.start ?? 0)) >>> 0
    const event =
      last?.key === key && into <= last.length ? last : { key, start: Number(timestamp), length: 0, ends: 0 }
    if (event !== last) events.push(event)
    event.length = Math.max(event.length, ((Number(timestamp) - event.start) >>> 0) + Number(duration))
    if (end === 'True' || end === '1') event.ends += 1
  }
  expectDigits('as tshark reads it', events.map(({ key }) => key).join(''), `${keys}!7`)
  const longMs = ((events.at(-1)?.length ?? 0) * 1000) / clockRate
  if (longMs !== longToneMs) throw new Error(`The long tone is ${longMs} ms, not ${longToneMs}`)
  const ends = events.filter(event => event.ends !== 3).length
  if (ends > 0) throw new Error(`${ends} events do not end with three packets`)
}

/** Beyond what a duration of 16 bits can say, at 8 and at 48 kHz. */
const longToneMs = 20_000

async function digitsOnTheBench(
  name: string,
): Promise<{ datagrams: Datagram[]; port: number; payloadType: number; clockRate: number }> {
  const clock = new VirtualClock()
  const random = seededRandom(6)
  const network = new SimulatedNetwork({ clock, random })
  const codecs = await clock.hold(loadCodecs([name]))
  const datagrams: Datagram[] = []
  const open = (address: string): Promise<MediaSession> => {
    const peer = network.host(address)
    const ports = new PortPool({ network: peer, clock, random, host: address })
    const runtime = { clock, network: peer, random }
    return MediaSession.open({ runtime, ports, pacer: new Pacer({ clock }), codecs, rtcp: false })
  }
  const [a, b] = [await open('10.0.0.1'), await open('10.0.0.2')]
  network.onDatagram(({ sentAtMs, from, to, data }) => {
    if (from.address === '10.0.0.1') datagrams.push({ atMs: sentAtMs, from, to, data: data.slice() })
  })
  a.acceptAnswer(b.answerOffer(a.createOffer()))
  const agreed = a.negotiated?.telephoneEvent
  if (agreed === undefined) throw new Error('No telephone events were agreed on')
  const short = a.sendDtmf(`${keys}!`, { durationMs: 40, gapMs: 60 })
  const long = a.sendDtmf('7', { durationMs: longToneMs })
  await clock.advance(longToneMs + 4000)
  await Promise.all([short, long])
  await Promise.all([a.close(), b.close()])
  datagrams.sort((x, y) => x.atMs - y.atMs)
  return {
    datagrams,
    port: b.local.port,
    payloadType: agreed.sendPayloadType,
    clockRate: agreed.clockRate,
  }
}
