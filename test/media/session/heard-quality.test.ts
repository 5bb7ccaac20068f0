import t from 'tap'
import { loadCodec } from '../../../src/media/codec/catalogue.ts'
import type { AudioCodec } from '../../../src/media/codec/codec.ts'
import { PCMA, PCMU } from '../../../src/media/codec/g711.ts'
import { G722 } from '../../../src/media/codec/g722.ts'
import type { SymmetricLatch } from '../../../src/media/rtp/latch.ts'
import { RTP_HEADER_LENGTH, writeRtpHeader } from '../../../src/media/rtp/packet.ts'
import type { NegotiatedAudio } from '../../../src/media/sdp/negotiated.ts'
import { MediaReceiver } from '../../../src/media/session/receiver.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { speechLike } from '../codec/speech.ts'

const trusting = { accept: () => true, useClock: () => undefined } as unknown as SymmetricLatch

/** The receiving side of a call, frame by frame: packets in, sound out; the sender counts in ms of its own clock. */
class Ear {
  readonly receiver: MediaReceiver
  readonly frame: Int16Array
  readonly #codecs: readonly AudioCodec[]
  sequence = 65_000
  timestamp = 4_294_900_000
  ssrc = 7

  /** The payload type of a codec is 96 and its place in `codecs`; comfort noise is 13. */
  constructor(codecs: readonly AudioCodec[], sampleRate: number, localFmtp: string = '') {
    this.#codecs = codecs
    this.frame = new Int16Array(sampleRate / 50)
    this.receiver = new MediaReceiver({
      codecs,
      sampleRate,
      frameMs: 20,
      onCodec: () => {},
      onDigit: () => {},
      onDigitStart: () => {},
    })
    const named = codecs.map(
      ({ name, clockRate, channels }, i) => [96 + i, { name, clockRate, channels, localFmtp }] as const,
    )
    this.receiver.configure({
      codec: codecs[0],
      receivePayloadTypes: new Map(named),
      receiveTelephoneEvents: new Map(),
      comfortNoise: new Map([[13, 8000]]),
    } as unknown as NegotiatedAudio)
  }

  /** A packet that stands for `ms`; only its time goes by when it is `lost`. */
  packet(payload: Uint8Array, payloadType: number, ms: number, now: number, lost: boolean = false): void {
    const bytes = new Uint8Array(RTP_HEADER_LENGTH + payload.length)
    writeRtpHeader(bytes, payloadType, false, this.sequence & 0xffff, this.timestamp >>> 0, this.ssrc)
    bytes.set(payload, RTP_HEADER_LENGTH)
    const clockRate = this.#codecs[payloadType - 96]?.clockRate ?? 8000
    this.sequence += 1
    this.timestamp += (ms * clockRate) / 1000
    if (!lost) this.receiver.datagram(bytes, '192.0.2.1', 4000, trusting, now)
  }

  /** Whether something of the frame heard last was made up. */
  madeUp = false

  hear(now: number): Int16Array {
    this.madeUp = this.receiver.frame(now, this.frame)
    return this.frame
  }
}

function encodeAll(
  codec: AudioCodec,
  pcm: Int16Array,
  ms: number = 20,
  fmtp: string = '',
  loss: number = 0,
): Uint8Array[] {
  const encoder = codec.encoder({ fmtp, ptime: ms })
  if (loss > 0) encoder.expectLoss?.(loss)
  const samples = (codec.sampleRate * codec.channels * ms) / 1000
  const out = new Uint8Array(codec.maxPayloadBytes(samples))
  const packets: Uint8Array[] = []
  for (let at = 0; at + samples <= pcm.length; at += samples) {
    packets.push(out.slice(0, encoder.encode(pcm.subarray(at, at + samples), out)))
  }
  encoder.close?.()
  return packets
}

function sine(hz: number, sampleRate: number, ms: number): Int16Array {
  return Int16Array.from({ length: (sampleRate * ms) / 1000 }, (_, i) =>
    Math.round(10_000 * Math.sin((2 * Math.PI * hz * i) / sampleRate)),
  )
}

/** How far a sine of that pitch and of 10,000 breaks off at most: 0 dB is a step as high as the sine. */
function click(pcm: Int16Array, hz: number, sampleRate: number): number {
  const turn = 2 * Math.cos((2 * Math.PI * hz) / sampleRate)
  let most = 0
  for (let i = 2; i < pcm.length; i += 1) {
    most = Math.max(most, Math.abs(pcm[i]! - turn * pcm[i - 1]! + pcm[i - 2]!))
  }
  return 20 * Math.log10(most / 10_000)
}

function roughest(pcm: Int16Array): number {
  let most = 0
  for (let i = 2; i < pcm.length; i += 1) {
    most = Math.max(most, Math.abs(pcm[i]! - 2 * pcm[i - 1]! + pcm[i - 2]!))
  }
  return most
}

/** Upward zero crossings per second. */
function pitch(pcm: Int16Array, sampleRate: number): number {
  const at: number[] = []
  for (let i = 1; i < pcm.length; i += 1) {
    const [a, b] = [pcm[i - 1]!, pcm[i]!]
    if (a < 0 && b >= 0) at.push(i - 1 + a / (a - b))
  }
  return ((at.length - 1) * sampleRate) / (at.at(-1)! - at[0]!)
}

function power(pcm: Int16Array): number {
  let sum = 0
  for (const sample of pcm) sum += sample * sample
  return sum / pcm.length
}

const hz = 430
/** A minute: a tone without a pause, and speech with pauses. */
const minute = new Int16Array(480_000)
minute.set(sine(hz, 8000, 20_000))
minute.set(speechLike(8000, 40_000), 160_000)

for (const ppm of [200, -200]) {
  t.test(`an hour with the sender's clock off by ${ppm} ppm: no gap, no click, the same pitch`, async t => {
    const packets = encodeAll(PCMU, minute)
    const loudest = roughest(minute)
    const random = seededRandom(8)
    const ear = new Ear([PCMU], 8000)
    const hourMs = 3_600_000
    let sent = 0
    let arrives = 0
    let worstClick = -Infinity
    let roughness = 0
    const pitches: number[] = []
    const piece = new Int16Array(8000)
    for (let now = 11, frame = 0; now < hourMs; now += 20, frame += 1) {
      for (; arrives <= now; sent += 1) {
        ear.packet(packets[sent % packets.length]!, 96, 20, arrives)
        arrives = Math.max(arrives, (sent + 1) * 20 * (1 - ppm / 1e6) + 3 * random.float())
      }
      const heard = ear.hear(now)
      // Seconds 2 to 18 of each minute are within the tone, whatever the delay.
      piece.set(heard, (frame % 50) * 160)
      if (frame % 50 !== 49) continue
      const second = Math.floor(frame / 50) % 60
      if (second >= 2 && second < 18) {
        worstClick = Math.max(worstClick, click(piece, hz, 8000))
        pitches.push(pitch(piece, 8000))
      } else if (second >= 22 && second < 58) {
        roughness = Math.max(roughness, roughest(piece))
      }
    }
    const { concealedMs, underruns, late, lost, resyncs, acceleratedMs, expandedMs, silenceMs } =
      ear.receiver.jitter()!
    t.match(
      { concealedMs, underruns, late, lost, resyncs },
      { concealedMs: 0, underruns: 0, late: 0, lost: 0, resyncs: 0 },
    )
    t.ok(silenceMs <= 40, `silent for ${silenceMs} ms, all told`)
    const followed = ppm > 0 ? acceleratedMs - expandedMs : expandedMs - acceleratedMs
    t.ok(Math.abs(followed - 720) < 40, `${followed} ms of 720`)
    t.ok(
      Math.min(acceleratedMs, expandedMs) < 100,
      `not to and fro: ${acceleratedMs} cut, ${expandedMs} put in`,
    )
    t.ok(worstClick < -20, `breaks of ${worstClick.toFixed(1)} dB in the tone`)
    t.ok(roughness < 1.25 * loudest, `${roughness} of ${loudest} in the speech`)
    const [lowest, highest] = [Math.min(...pitches), Math.max(...pitches)]
    t.ok(lowest > hz - 1 && highest < hz + 1, `${lowest.toFixed(2)} to ${highest.toFixed(2)} Hz`)
  })
}

/** What is heard of packets of 20 ms, of which some are lost, and in which frames of 20 ms something was made up. */
function heardOf(
  codec: AudioCodec,
  sampleRate: number,
  packets: readonly Uint8Array[],
  lost: (packet: number) => boolean,
  fmtp: string = '',
): { heard: Int16Array[]; madeUp: boolean[]; ear: Ear } {
  const ear = new Ear([codec], sampleRate, fmtp)
  const heard: Int16Array[] = []
  const madeUp: boolean[] = []
  for (const [number, payload] of packets.entries()) {
    const now = number * 20
    if (payload.length > 0) ear.packet(payload, 96, 20, now, lost(number))
    else ear.timestamp += codec.clockRate / 50
    heard.push(ear.hear(now + 7).slice())
    madeUp.push(ear.madeUp)
  }
  return { heard, madeUp, ear }
}

/** Mean over those frames in which anything is said, dB, each bounded to -10 … 35: silence in their place would have 0. */
function segmentalSnr(
  wanted: readonly Int16Array[],
  heard: readonly Int16Array[],
  counts: (frame: number) => boolean,
): { db: number; frames: number } {
  let sum = 0
  let frames = 0
  for (const [i, frame] of wanted.entries()) {
    const signal = power(frame)
    const noise = power(frame.map((sample, k) => sample - heard[i]![k]!))
    if (signal < 300 ** 2 || !counts(i)) continue
    sum += Math.min(35, Math.max(-10, 10 * Math.log10(signal / noise)))
    frames += 1
  }
  return { db: sum / frames, frames }
}

function everyTwentieth(): (packet: number) => boolean {
  const random = seededRandom(21)
  return packet => packet > 5 && random.float() < 0.05
}

/** dB by which what is made up is nearer to what was said than silence. */
const betterBy: Readonly<Record<string, number>> = { PCMU: 1, PCMA: 1, 'L16/16000': 0.5 }

for (const [name, margin] of Object.entries(betterBy)) {
  t.test(
    `5 % lost of ${name}: what is made up is nearer to the speech than silence by ${margin} dB`,
    async t => {
      const codec = await loadCodec(name)
      const packets = encodeAll(codec, speechLike(codec.sampleRate, 30_000))
      const whole = heardOf(codec, codec.sampleRate, packets, () => false)
      const { heard, madeUp, ear } = heardOf(codec, codec.sampleRate, packets, everyTwentieth())
      const { db, frames } = segmentalSnr(whole.heard, heard, frame => madeUp[frame]!)
      t.ok(ear.receiver.jitter()!.lost > 60)
      t.ok(frames > 20, `${frames} frames`)
      t.ok(db > margin, `${db.toFixed(2)} dB`)
    },
  )
}

t.test('Opus: what the next packet remembers is heard instead of what the decoder would make up', async t => {
  const codec = await loadCodec('opus', { opus: { fec: true } })
  const pcm = speechLike(codec.sampleRate, 12_000)
  const mono =
    codec.channels === 1 ? pcm : Int16Array.from({ length: pcm.length * 2 }, (_, i) => pcm[i >> 1]!)
  const result = (loss: number): { db: number; recoveredMs: number; concealedMs: number } => {
    const packets = encodeAll(codec, mono, 20, 'useinbandfec=1', loss)
    const whole = heardOf(codec, codec.sampleRate, packets, () => false, 'useinbandfec=1')
    const { heard, ear } = heardOf(codec, codec.sampleRate, packets, everyTwentieth(), 'useinbandfec=1')
    const { recoveredMs, concealedMs } = ear.receiver.jitter()!
    ear.receiver.close()
    whole.ear.receiver.close()
    // A packet is heard a frame after it was due to come.
    const lost = everyTwentieth()
    const missing = packets.map((_, number) => lost(number))
    const { db } = segmentalSnr(whole.heard, heard, frame => missing[frame - 1]!)
    return { db, recoveredMs, concealedMs }
  }
  const remembering = result(20)
  const forgetful = result(0)
  t.ok(
    remembering.recoveredMs > 100,
    `${remembering.recoveredMs} ms recovered, ${remembering.concealedMs} concealed`,
  )
  t.equal(forgetful.recoveredMs, 0)
  t.ok(
    remembering.db > forgetful.db + 2,
    `${remembering.db.toFixed(1)} dB, without ${forgetful.db.toFixed(1)}`,
  )
})

t.test('Opus with DTX: a pause is no loss, and the word after it is whole', async t => {
  const codec = await loadCodec('opus', { opus: { dtx: true } })
  const word = speechLike(codec.sampleRate, 1000)
  const pcm = new Int16Array((codec.sampleRate * 6 + word.length) * codec.channels)
  for (const start of [0, codec.sampleRate * 5]) {
    for (const [i, sample] of word.entries())
      pcm.fill(sample, (start + i) * codec.channels, (start + i + 1) * codec.channels)
  }
  const packets = encodeAll(codec, pcm, 20, 'usedtx=1')
  t.ok(packets.filter(({ length }) => length === 0).length > 100, 'most of the pause is not sent')
  const { heard, ear } = heardOf(codec, codec.sampleRate, packets, () => false)
  const { lost, late, acceleratedMs, expandedMs } = ear.receiver.jitter()!
  t.same({ lost, late, acceleratedMs, expandedMs }, { lost: 0, late: 0, acceleratedMs: 0, expandedMs: 0 })
  const loud = (from: number, to: number): number =>
    heard.slice(from, to).filter(frame => power(frame) > 300 ** 2).length
  t.ok(
    Math.abs(loud(0, 80) - loud(245, 325)) <= 1,
    `${loud(0, 80)} frames of the first word, ${loud(245, 325)} of the second`,
  )
  t.equal(loud(90, 240), 0)
  ear.receiver.close()
})

t.test('comfort noise is as loud as it was described, within 2 dB (RFC 3389 §3.1)', async t => {
  for (const level of [30, 40, 50, 60, 70]) {
    const ear = new Ear([PCMU], 8000)
    const [quiet] = encodeAll(PCMU, new Int16Array(160))
    let now = 0
    for (; now < 200; now += 20) {
      ear.packet(quiet!, 96, 20, now)
      ear.hear(now + 7)
    }
    ear.packet(Uint8Array.of(level), 13, 20, now)
    const noise: number[] = []
    for (let end = now + 4000; now < end; now += 20) {
      const heard = ear.hear(now + 7)
      if (end - now < 3500) noise.push(...heard)
    }
    const dbov = 10 * Math.log10(power(Int16Array.from(noise)) / 32_768 ** 2)
    t.ok(Math.abs(dbov + level) < 2, `${dbov.toFixed(1)} dBov of ${-level}`)
  }
})

interface Change {
  readonly name: string
  /** Codec, ms per packet: before, and after. */
  readonly before: readonly [number, number]
  readonly after: readonly [number, number]
  readonly change?: (ear: Ear) => void
}

const changes: readonly Change[] = [
  { name: 'another clock rate', before: [0, 20], after: [2, 20] },
  { name: 'another clock rate, and back', before: [2, 20], after: [0, 20] },
  { name: 'another codec of the same clock', before: [0, 20], after: [1, 20] },
  { name: 'packets of 10 ms', before: [0, 20], after: [0, 10] },
  { name: 'packets of 60 ms', before: [0, 20], after: [0, 60] },
  {
    name: 'another source',
    before: [0, 20],
    after: [0, 20],
    change: ear => {
      ear.ssrc = 99
      ear.sequence = 123
      ear.timestamp = 456
    },
  },
]

for (const { name, before, after, change } of changes) {
  t.test(`in mid-stream: ${name}; nothing is missing`, async t => {
    const codecs = [PCMU, PCMA, await loadCodec('L16/16000'), G722]
    const ear = new Ear(codecs, 16_000)
    const schedule: { at: number; payload: Uint8Array; type: number; ms: number }[] = []
    let at = 0
    for (const [codec, ms] of [before, after]) {
      const { sampleRate } = codecs[codec]!
      for (const payload of encodeAll(codecs[codec]!, sine(400, sampleRate, 1200), ms)) {
        // A packet can be sent when its last sample has been said.
        schedule.push({ at: at + ms, payload, type: 96 + codec, ms })
        at += ms
      }
    }
    let next = 0
    let gaps = 0
    let loud = 0
    for (let now = 7; now < at; now += 20) {
      for (; next < schedule.length && schedule[next]!.at <= now; next += 1) {
        const packet = schedule[next]!
        if (packet.at === 1200 + after[1]) change?.(ear)
        ear.packet(packet.payload, packet.type, packet.ms, packet.at)
      }
      const audible = power(ear.hear(now)) > 3000 ** 2
      if (audible) loud += 1
      else if (loud > 0 && next < schedule.length) gaps += 1
    }
    const { concealedMs, lost, late } = ear.receiver.jitter()!
    // A longer packet takes longer to say: so much is made up, or stretched, until the first one is there.
    const wait = Math.max(0, after[1] - before[1])
    t.ok(concealedMs <= wait, `${concealedMs} ms made up`)
    t.same({ lost, late }, { lost: 0, late: 0 })
    t.equal(gaps, 0, 'frames without the tone')
    t.ok(loud > 110, `${loud} frames`)
  })
}
