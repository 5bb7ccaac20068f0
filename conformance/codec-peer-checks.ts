/** Codecs with GStreamer and ffmpeg, by a given SDP: a tone each way, known again by its frequency and level. */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { tone } from '../src/media/audio/tones.ts'
import { loadCodecs } from '../src/media/codec/catalogue.ts'
import { Pacer } from '../src/media/rtp/pacer.ts'
import { PortPool } from '../src/media/rtp/port-pool.ts'
import { MediaSession } from '../src/media/session/media-session.ts'
import { createNodeRuntime } from '../src/runtime/node.ts'
import { measureTone, readWav, type Tone } from './audio.ts'
import type { Check } from './check.ts'
import { freePort } from './peers/ports.ts'

const host = '127.0.0.1'
const theirHz = 1000
const ourHz = 700
/** A sine of a quarter of full scale. */
const dbfs = -15.05
const leastPurity = 0.95
const levelToleranceDb = 1.5
const seconds = 4

interface Case {
  readonly peer: 'ffmpeg' | 'GStreamer'
  readonly codec: string
  readonly rfc: string
  readonly what: string
  readonly payloadType: number
  readonly rtpmap: string
  readonly fmtp?: string
  /** One of so many packets to us is lost. */
  readonly loseEvery?: number
  /** A program that sends the tone to a port. */
  readonly sends: (port: number) => ChildProcess
  /** A program that writes what comes to a port to `folder/heard.wav`; its SDP lies in `folder/stream.sdp`. */
  readonly hears: (port: number, folder: string) => ChildProcess
}

const cases: readonly Case[] = [
  {
    peer: 'GStreamer',
    codec: 'opus',
    rfc: 'RFC 7587 3',
    what: 'Opus with FEC, one packet of 25 lost on the way to us',
    payloadType: 96,
    rtpmap: 'opus/48000/2',
    fmtp: 'useinbandfec=1',
    loseEvery: 25,
    sends: port =>
      gstreamer(
        `audiotestsrc wave=sine freq=${theirHz} volume=0.25 is-live=true num-buffers=${seconds * 50} samplesperbuffer=960`,
        'audio/x-raw,rate=48000,channels=1',
        'opusenc inband-fec=true packet-loss-percentage=10 frame-size=20',
        'rtpopuspay pt=96',
        `udpsink host=${host} port=${port} sync=false`,
      ),
    hears: (port, folder) =>
      gstreamer(
        `udpsrc address=${host} port=${port} num-buffers=${seconds * 50} caps=application/x-rtp,media=audio,clock-rate=48000,encoding-name=OPUS,payload=96`,
        'rtpopusdepay',
        'opusdec',
        'audioconvert',
        'audio/x-raw,format=S16LE,channels=1',
        'wavenc',
        `filesink location=${join(folder, 'heard.wav')}`,
      ),
  },
  {
    peer: 'ffmpeg',
    codec: 'opus',
    rfc: 'RFC 7587 3',
    what: 'Opus',
    payloadType: 96,
    rtpmap: 'opus/48000/2',
    sends: port => ffmpegSends('-acodec libopus -ac 1 -b:a 32k -frame_duration 20', 48_000, 96, port),
    hears: ffmpegHears,
  },
  {
    peer: 'ffmpeg',
    codec: 'G722',
    rfc: 'RFC 3551 4.5.2',
    what: 'G.722, timestamps at 8000',
    payloadType: 9,
    rtpmap: 'G722/8000',
    sends: port => ffmpegSends('-acodec g722 -frame_size 320', 16_000, 9, port),
    hears: ffmpegHears,
  },
]

export function codecPeerChecks(logs: string, peer: 'ffmpeg' | 'GStreamer'): readonly Check[] {
  const ofPeer = cases.filter(one => one.peer === peer)
  return ofPeer.map(one => {
    const name = `codec-${one.peer.toLowerCase()}-${one.codec}`
    return {
      name,
      rfc: one.rfc,
      what: `${one.what}: a tone each way`,
      how: `${one.peer}, by a given SDP`,
      run: () => exchange(join(logs, name), one),
    }
  })
}

/** One session of ours between two programs: one sends it a tone, the other writes down what it says. */
async function exchange(folder: string, one: Case): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const runtime = createNodeRuntime()
  const { clock, network, random } = runtime
  const codecs = await loadCodecs([one.codec])
  const session = await MediaSession.open({
    runtime,
    ports: new PortPool({ network, clock, random, host, range: { min: 21_000, max: 29_000 } }),
    pacer: new Pacer({ clock }),
    codecs,
    rtcp: false,
  })
  const relay = await network.bindUdp({ host, port: 0 })
  const programs: ChildProcess[] = []
  try {
    const hearingPort = await freePort()
    session.answerOffer(sdp(one, relay.local.port))
    writeFileSync(join(folder, 'stream.sdp'), sdp(one, hearingPort))
    // The two programs have ports of their own; for us they are one peer.
    const ourPort = session.local.port
    let passed = 0
    relay.onMessage = (data, { port }) => {
      if (port === ourPort) {
        relay.send(data, hearingPort, host)
        return
      }
      passed += 1
      if (one.loseEvery === undefined || passed % one.loseEvery > 0) relay.send(data, ourPort, host)
    }
    programs.push(one.hears(hearingPort, folder), one.sends(relay.local.port))
    const ended = Promise.all(programs.map(whenOver))
    await sleep(500)
    const { sampleRate } = session.output
    void session.output.play(tone({ sampleRate, hz: ourHz, durationMs: 2 * seconds * 1000, levelDbfs: dbfs }))
    const heard = await listen(session)
    await ended
    expectTone('heard by us', measureTone(heard, 0, theirHz))
    expectTone(`heard by ${one.peer}`, measureTone(afterOnset(readWav(join(folder, 'heard.wav'))), 0, ourHz))
    const { malformed, payloadType } = session.stats().discarded
    if (malformed + payloadType > 0)
      throw new Error(`${malformed} packets were no RTP, ${payloadType} of no agreed type`)
  } finally {
    for (const program of programs) program.kill('SIGKILL')
    relay.close()
    await session.close()
  }
}

type Recording = ReturnType<typeof readWav>

/** What comes from the first sound on, 3 s at most. */
function afterOnset({ sampleRate, channels }: Recording): Recording {
  const samples = channels[0] ?? new Float64Array()
  const onset = samples.findIndex(sample => Math.abs(sample) > 0.1)
  if (onset < 0) throw new Error('Nothing was heard')
  return { sampleRate, channels: [samples.subarray(onset, onset + 3 * sampleRate)] }
}

async function listen(session: MediaSession): Promise<Recording> {
  const { sampleRate } = session.input
  const samples: number[] = []
  const end = performance.now() + (seconds + 1) * 1000
  for await (const { samples: frame } of session.input) {
    if (samples.length > 0 || frame.some(sample => Math.abs(sample) > 1000)) samples.push(...frame)
    if (samples.length > 2.5 * sampleRate || performance.now() > end) break
  }
  return { sampleRate, channels: [Float64Array.from(samples, sample => sample / 32_768)] }
}

function ffmpegSends(codec: string, sampleRate: number, payloadType: number, port: number): ChildProcess {
  // The source of ffmpeg is an eighth of full scale high.
  const source = `sine=frequency=${theirHz}:sample_rate=${sampleRate}`
  const words = `-loglevel error -re -f lavfi -i ${source} -t ${seconds} -af volume=2 ${codec}`
  return program('ffmpeg', [
    ...words.split(' '),
    ...`-payload_type ${payloadType} -f rtp rtp://${host}:${port}`.split(' '),
  ])
}

function ffmpegHears(_port: number, folder: string): ChildProcess {
  const words = '-loglevel error -y -protocol_whitelist file,udp,rtp -i'
  const out = `-t ${seconds} -ac 1 -acodec pcm_s16le`
  return program('ffmpeg', [
    ...words.split(' '),
    join(folder, 'stream.sdp'),
    ...out.split(' '),
    join(folder, 'heard.wav'),
  ])
}

function gstreamer(...elements: readonly string[]): ChildProcess {
  return program('gst-launch-1.0', ['-q', ...elements.join(' ! ').split(' ')])
}

function program(command: string, words: readonly string[]): ChildProcess {
  const child = spawn(command, words, { stdio: ['ignore', 'ignore', 'inherit'] })
  const timer = setTimeout(() => child.kill('SIGKILL'), (seconds + 5) * 1000)
  child.once('close', () => clearTimeout(timer))
  return child
}

async function whenOver(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  await new Promise<void>((resolve, reject) => {
    child.once('close', () => resolve())
    child.once('error', reject)
  })
}

function sdp({ payloadType, rtpmap, fmtp }: Case, port: number): string {
  return [
    'v=0',
    `o=- 1 1 IN IP4 ${host}`,
    's=-',
    `c=IN IP4 ${host}`,
    't=0 0',
    `m=audio ${port} RTP/AVP ${payloadType}`,
    `a=rtpmap:${payloadType} ${rtpmap}`,
    ...(fmtp === undefined ? [] : [`a=fmtp:${payloadType} ${fmtp}`]),
    '',
  ].join('\r\n')
}

function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}

function expectTone(what: string, { levelDbfs, purity }: Tone): void {
  if (purity >= leastPurity && Math.abs(levelDbfs - dbfs) <= levelToleranceDb) return
  const figures = `${levelDbfs.toFixed(1)} dBFS, ${(purity * 100).toFixed(1)} % of it the tone`
  throw new Error(`The tone is not what was sent, ${what}: ${figures}`)
}
