/**
 * SRTP with peers that share no code with us: baresip by SIP in both roles, ffmpeg and GStreamer by a given key. Tones are followed from
 * end to end by frequency and level.
 */

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Pacer } from '../src/media/rtp/pacer.ts'
import { PortPool } from '../src/media/rtp/port-pool.ts'
import { MediaSession } from '../src/media/session/media-session.ts'
import type { CallRecord } from '../src/trace/call-record.ts'
import { createNodeRuntime } from '../src/runtime/node.ts'
import type { UdpSocket } from '../src/runtime/runtime.ts'
import { measureTone, readWav, sine, type Tone } from './audio.ts'
import type { Check } from './check.ts'
import { Baresip } from './peers/baresip.ts'
import { startAnswer, startCall } from './peers/offhook.ts'
import { freePort } from './peers/ports.ts'

const theirHz = 1000
const ourHz = 600
const leastPurity = 0.95
const levelToleranceDb = 1.5
const seconds = 4

export function baresipSrtpChecks(logs: string): readonly Check[] {
  const rows = [
    ['srtp-mand', 'required', 'baresip calls', true],
    ['srtp', 'optional', 'baresip calls, keys in RTP/AVP', true],
    ['srtp-mand', 'required', 'baresip is called', true],
    ['srtp', 'optional', 'baresip is called', true],
    [undefined, 'optional', 'baresip is called, without SRTP', false],
  ] as const
  return rows.map(([mediaEncryption, mode, how, secure]) => {
    const name = `srtp-baresip-${how.includes('is called') ? 'called' : 'calls'}-${mediaEncryption ?? 'plain'}`
    const run = how.includes('is called') ? isCalled : calls
    return {
      name,
      rfc: 'RFC 4568 5.1',
      what: `SRTP ${mode}: the tone is heard${secure ? ', and protected' : ' all the same'}`,
      how,
      run: () => run(join(logs, name), mediaEncryption, mode, secure),
    }
  })
}

type Encryption = 'srtp' | 'srtp-mand' | undefined

async function calls(folder: string, mediaEncryption: Encryption, mode: string): Promise<void> {
  const trace = join(folder, 'trace')
  const options = ['--agent', 'echo', '--srtp', mode, '--trace', trace]
  const echo = await startAnswer(await freePort(), options)
  try {
    const baresip = await Baresip.start({
      folder,
      toneHz: theirHz,
      codec: 'PCMU',
      dial: `sip:echo@127.0.0.1:${echo.port}`,
      timeoutMs: 20_000,
      ...(mediaEncryption !== undefined && { mediaEncryption }),
    })
    await baresip.says('Call established')
    await sleep(seconds * 1000)
    await baresip.stop()
    await echo.process.event(({ event }) => event === 'ended')
    const { sent, heard } = baresip.audio()
    expectSame(measureTone(readWav(heard), 0, theirHz), measureTone(readWav(sent), 0, theirHz))
  } finally {
    await echo.process.stop()
  }
  const line = readFileSync(join(trace, 'calls.jsonl'), 'utf8').trim().split('\n').at(-1) ?? ''
  const { media } = (JSON.parse(line) as { record: CallRecord }).record
  if (media?.encryption === undefined) throw new Error('The call was not protected')
  // What crosses the end of the call may find nobody.
  if (media.discarded > 2) throw new Error(`${media.discarded} packets were thrown away`)
}

async function isCalled(
  folder: string,
  mediaEncryption: Encryption,
  mode: string,
  secure: boolean,
): Promise<void> {
  const baresip = await Baresip.start({
    folder,
    toneHz: theirHz,
    codec: 'PCMU',
    timeoutMs: 20_000,
    ...(mediaEncryption !== undefined && { mediaEncryption }),
  })
  const file = join(folder, 'call.wav')
  const ladder = join(folder, 'ladder.txt')
  const options = `--listen udp://127.0.0.1:0 --duration ${seconds} --srtp ${mode}`.split(' ')
  const call = startCall(baresip.uri, [...options, '--record', file, '--ladder', ladder])
  try {
    const code = await call.exit
    if (code !== 0)
      throw new Error(`offhook call ended with ${code}: ${JSON.stringify(call.events.at(-1))}${call.errors}`)
  } finally {
    await call.stop()
    await baresip.stop()
  }
  expectSame(measureTone(readWav(file), 0, theirHz), measureTone(readWav(baresip.audio().sent), 0, theirHz))
  const told = readFileSync(ladder, 'utf8')
  if (told.includes('AES_CM_128_HMAC_SHA1_80') !== secure)
    throw new Error(`The call was ${secure ? 'not ' : ''}protected\n${told}`)
}

// ---- a given key --------------------------------------------------------------------------------------------------

interface Suite {
  readonly name: string
  readonly octets: number
  /** How GStreamer calls its parts. */
  readonly cipher: string
  readonly auth: string
}

const suites: readonly Suite[] = [
  { name: 'AES_CM_128_HMAC_SHA1_80', octets: 30, cipher: 'aes-128-icm', auth: 'hmac-sha1-80' },
  { name: 'AES_CM_128_HMAC_SHA1_32', octets: 30, cipher: 'aes-128-icm', auth: 'hmac-sha1-32' },
  { name: 'AES_256_CM_HMAC_SHA1_80', octets: 46, cipher: 'aes-256-icm', auth: 'hmac-sha1-80' },
  { name: 'AES_256_CM_HMAC_SHA1_32', octets: 46, cipher: 'aes-256-icm', auth: 'hmac-sha1-32' },
  { name: 'AEAD_AES_128_GCM', octets: 28, cipher: 'aes-128-gcm', auth: 'null' },
  { name: 'AEAD_AES_256_GCM', octets: 44, cipher: 'aes-256-gcm', auth: 'null' },
]

export function hasGStreamerSrtp(): boolean {
  return spawnSync('gst-inspect-1.0', ['srtpenc'], { stdio: 'ignore' }).status === 0
}

/** The suites ffmpeg has. */
export function ffmpegSrtpChecks(logs: string): readonly Check[] {
  return suites.slice(0, 2).map(suite => keyCheck(logs, 'ffmpeg', suite, ffmpegSends, ffmpegHears))
}

export function gstreamerSrtpChecks(logs: string): readonly Check[] {
  return suites.map(suite => keyCheck(logs, 'GStreamer', suite, gstreamerSends, gstreamerHears))
}

interface Wire {
  readonly suite: Suite
  readonly port: number
  readonly key: Buffer
  /** Of the stream, as a listener has to know it. */
  readonly ssrc: number
  readonly folder: string
}

type Peer = (wire: Wire) => ChildProcess

function keyCheck(logs: string, peer: string, suite: Suite, sends: Peer, hears: Peer): Check {
  const name = `srtp-${peer.toLowerCase()}-${suite.name}`
  return {
    name,
    rfc: suite.name.startsWith('AEAD') ? 'RFC 7714' : 'RFC 3711 3.3',
    what: `${suite.name}: a tone each way`,
    how: `${peer}, by a given key`,
    run: () => exchange(join(logs, name), suite, sends, hears),
  }
}

/** One session of ours between two programs: one sends it a tone, the other writes down what it says. */
async function exchange(folder: string, suite: Suite, sends: Peer, hears: Peer): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const runtime = createNodeRuntime()
  const { clock, network, random } = runtime
  const host = '127.0.0.1'
  const ports = new PortPool({ network, clock, random, host, range: { min: 21_000, max: 29_000 } })
  const session = await MediaSession.open({
    runtime,
    ports,
    pacer: new Pacer({ clock }),
    srtp: { mode: 'required', suites: [suite.name] },
    rtcp: false,
  })
  const programs: ChildProcess[] = []
  const relay = await network.bindUdp({ host, port: 0 })
  try {
    const theirKey = Buffer.from(random.bytes(suite.octets))
    const crypto = `a=crypto:1 ${suite.name} inline:${theirKey.toString('base64')}`
    const answer = session.answerOffer(sdp(relay.local.port, crypto))
    const ourKey = Buffer.from(/inline:(\S+)/.exec(answer)?.[1] ?? '', 'base64')
    const ssrc = await firstSsrc(relay)
    const hearingPort = await freePort()
    const wire = { suite, folder, key: ourKey, ssrc, port: hearingPort }
    programs.push(hears(wire), sends({ ...wire, key: theirKey, port: relay.local.port }))
    // The two programs have ports of their own; for us they are one peer.
    const ourPort = session.local.port
    relay.onMessage = (data, { port }) => relay.send(data, port === ourPort ? hearingPort : ourPort, host)
    await sleep(700)
    void session.output.write(sine(ourHz, seconds))
    const heard = await listen(session)
    await Promise.all(programs.map(whenOver))
    const { srtp } = session.stats()
    const said = readWav(join(folder, 'heard.wav'))
    expectTone('heard by us', measureTone(heard, 0, theirHz), undefined)
    expectTone('heard by the peer', longestTone(said), -15.05)
    if (srtp?.failures.authentication !== 0) throw new Error(`Refused: ${JSON.stringify(srtp)}`)
  } finally {
    for (const program of programs) program.kill('SIGKILL')
    relay.close()
    await session.close()
  }
}

/** The tone of a second in the middle of what was said. */
function longestTone({ sampleRate, channels }: ReturnType<typeof readWav>): Tone {
  const samples = channels[0] ?? new Float64Array(0)
  const loud = samples.findIndex(sample => Math.abs(sample) > 0.1)
  if (loud < 0) throw new Error('The peer heard nothing')
  return measureTone({ sampleRate, channels: [samples.subarray(loud, loud + 3 * sampleRate)] }, 0, ourHz)
}

async function listen(session: MediaSession): Promise<ReturnType<typeof readWav>> {
  const samples: number[] = []
  let quiet = true
  const end = performance.now() + (seconds + 1.5) * 1000
  for await (const { samples: frame } of session.input) {
    quiet &&= frame.every(sample => Math.abs(sample) < 500)
    if (!quiet) samples.push(...frame)
    if (samples.length > 3 * 8000 || performance.now() > end) break
  }
  return { sampleRate: 8000, channels: [Float64Array.from(samples, sample => sample / 32_768)] }
}

function firstSsrc(socket: UdpSocket): Promise<number> {
  return new Promise(resolve => {
    socket.onMessage = data => resolve(Buffer.from(data).readUInt32BE(8))
  })
}

function ffmpegSends({ suite, key, port }: Wire): ChildProcess {
  const tone = `-re -f lavfi -i sine=frequency=${theirHz}:sample_rate=8000 -t ${seconds} -acodec pcm_mulaw`
  const protection = `-srtp_out_suite ${suite.name} -srtp_out_params ${key.toString('base64')}`
  return program(
    'ffmpeg',
    `-loglevel error ${tone} -f rtp ${protection} srtp://127.0.0.1:${port}?pkt_size=172`,
  )
}

function ffmpegHears({ suite, key, port, folder }: Wire): ChildProcess {
  const file = join(folder, 'stream.sdp')
  writeFileSync(file, sdp(port, `a=crypto:1 ${suite.name} inline:${key.toString('base64')}`))
  return program(
    'ffmpeg',
    '-loglevel error -y -protocol_whitelist file,udp,rtp,srtp -i',
    file,
    '-t',
    String(seconds),
    join(folder, 'heard.wav'),
  )
}

function gstreamerSends({ suite, key, port }: Wire): ChildProcess {
  const { cipher, auth } = suite
  const tone = `audiotestsrc wave=sine freq=${theirHz} volume=0.25 is-live=true num-buffers=${seconds * 50} samplesperbuffer=160`
  const rtp = 'audio/x-raw,rate=8000,channels=1 ! mulawenc ! rtppcmupay max-ptime=20000000'
  const protection = `srtpenc key=${key.toString('hex')} rtp-cipher=${cipher} rtp-auth=${auth} rtcp-cipher=${cipher} rtcp-auth=${auth}`
  const out = `udpsink host=127.0.0.1 port=${port} sync=false`
  return program('gst-launch-1.0', `-q ${tone} ! ${rtp} ! ${protection} ! ${out}`)
}

function gstreamerHears({ suite, key, port, ssrc, folder }: Wire): ChildProcess {
  const { cipher, auth } = suite
  const caps = [
    'application/x-srtp,media=audio,clock-rate=8000,encoding-name=PCMU,payload=0',
    `ssrc=(uint)${ssrc},srtp-key=(buffer)${key.toString('hex')},roc=(uint)0`,
    `srtp-cipher=${cipher},srtp-auth=${auth},srtcp-cipher=${cipher},srtcp-auth=${auth}`,
  ].join(',')
  const source = `udpsrc address=127.0.0.1 port=${port} num-buffers=${seconds * 50} caps=${caps}`
  return program(
    'gst-launch-1.0',
    `-q ${source} ! srtpdec ! rtppcmudepay ! mulawdec ! wavenc ! filesink`,
    `location=${join(folder, 'heard.wav')}`,
  )
}

/** `words` are split at spaces; `more` may have some. */
function program(command: string, words: string, ...more: readonly string[]): ChildProcess {
  const child = spawn(command, [...words.split(' '), ...more], { stdio: ['ignore', 'ignore', 'pipe'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), (seconds + 6) * 1000)
  child.once('close', () => clearTimeout(timer))
  return child
}

async function whenOver(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  await new Promise<void>(resolve => child.once('close', () => resolve()))
}

function sdp(port: number, crypto: string): string {
  return [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    `m=audio ${port} RTP/SAVP 0`,
    'a=rtpmap:0 PCMU/8000',
    crypto,
    '',
  ].join('\r\n')
}

function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

function expectSame(tone: Tone, reference: Tone): void {
  expectTone('heard', tone, reference.levelDbfs)
}

function expectTone(what: string, tone: Tone, levelDbfs: number | undefined): void {
  const figures = `${tone.levelDbfs.toFixed(1)} dBFS, ${(tone.purity * 100).toFixed(1)} % of it the tone`
  const off = levelDbfs === undefined ? 0 : Math.abs(tone.levelDbfs - levelDbfs)
  if (tone.purity < leastPurity || off > levelToleranceDb)
    throw new Error(`The tone is not what was sent, ${what}: ${figures}`)
}
