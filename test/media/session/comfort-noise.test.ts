import t from 'tap'
import { levelDbfs } from '../../../src/media/audio/level.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import { loadCodecs } from '../../../src/media/codec/catalogue.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { speechLike } from '../codec/speech.ts'
import { Pair } from './pair.ts'
import type { WirePacket } from './wire.ts'
import { listen, sequenceBreaks } from './wire.ts'

/** The noise of a room: brighter than a hum, darker than white. */
function room(sampleRate: number, seconds: number, noiseDbfs: number): Int16Array {
  const random = seededRandom(5)
  // One pole. A uniform variable of ±1 has a power of a third.
  const gain = 32_768 * 10 ** (noiseDbfs / 20) * Math.sqrt(3 * (1 - 0.6 ** 2))
  let noise = 0
  return Int16Array.from({ length: sampleRate * seconds }, () => {
    noise = 0.6 * noise + gain * (2 * random.float() - 1)
    return Math.round(noise)
  })
}

/** Speech from the third second of every six on, 1.2 s long and again 1.2 s after a breath, in a room. */
function talk(
  sampleRate: number,
  seconds: number,
  noiseDbfs: number,
): { all: Int16Array; speech: Int16Array } {
  const noise = room(sampleRate, seconds, noiseDbfs)
  const speech = new Int16Array(noise.length)
  const words = speechLike(sampleRate, 2800)
  for (let at = 3 * sampleRate; at + words.length <= speech.length; at += 6 * sampleRate)
    speech.set(words, at)
  return { all: noise.map((sample, i) => sample + (speech[i] as number)), speech }
}

/** The level of each piece of so many ms. */
function levels(pcm: Int16Array, sampleRate: number, ms: number): number[] {
  const size = (sampleRate * ms) / 1000
  return Array.from({ length: Math.floor(pcm.length / size) }, (_, i) =>
    levelDbfs(pcm.subarray(i * size, (i + 1) * size)),
  )
}

function isNoise({ rtp }: WirePacket, payloadType: number): boolean {
  return rtp.payloadType === payloadType
}

interface Case {
  readonly codec: string
  readonly payloadType: number
  readonly rate: number
  readonly noiseDbfs: number
  readonly ptime?: number
  readonly srtp?: 'required'
  /** Of the audio packets that would be sent without, so many are left at most. */
  readonly share: number
}

const cases: readonly Case[] = [
  { codec: 'PCMU', payloadType: 13, rate: 8000, noiseDbfs: -52, share: 0.55 },
  { codec: 'PCMA', payloadType: 13, rate: 8000, noiseDbfs: -42, ptime: 40, share: 0.55 },
  { codec: 'PCMA', payloadType: 13, rate: 8000, noiseDbfs: -60, ptime: 10, srtp: 'required', share: 0.55 },
  { codec: 'G722', payloadType: 13, rate: 16_000, noiseDbfs: -50, share: 0.55 },
  { codec: 'L16/16000', payloadType: 97, rate: 16_000, noiseDbfs: -55, share: 0.55 },
]
const seconds = 27

for (const { codec, payloadType, rate, noiseDbfs, ptime = 20, srtp = 'off', share } of cases)
  t.test(
    `${codec}, ${ptime} ms, SRTP ${srtp}: between words the peer hears the room at ${noiseDbfs} dB, by a few octets now and then`,
    async t => {
      const codecs = await loadCodecs([codec])
      const options = { codecs, comfortNoise: true, ptime, srtp } as const
      const pair = await Pair.open({ conditions: { delayMs: 20 }, a: options, b: options })
      const wire = listen(pair.network, '10.0.0.1')
      pair.connect()
      const { payloadType: agreed = NaN } = pair.a.negotiated?.sendComfortNoise ?? {}
      t.equal(pair.b.negotiated?.sendComfortNoise?.payloadType, agreed)
      if (payloadType === 13) t.equal(agreed, 13)
      else t.ok(agreed >= 96, `${agreed} is dynamic`)
      const heard = pair.capture(pair.b)
      const { all, speech } = talk(rate, seconds, noiseDbfs)
      void pair.a.output.play(all)
      await pair.clock.advance(seconds * 1000)
      const stats = pair.b.stats()
      await pair.close()

      const clockRate = pair.a.negotiated?.codec.clockRate ?? NaN
      const samplesPerUnit = rate / clockRate
      const first = wire[0]?.rtp.timestamp ?? NaN
      const audio = wire.filter(packet => !isNoise(packet, agreed))
      const described = wire.filter(packet => isNoise(packet, agreed))

      // What the peer hears: the room all along, without holes and without steps.
      const pieces = levels(heard.between(1000, (seconds - 1) * 1000), rate, 20)
      const quietest = Math.min(...pieces)
      t.ok(quietest > noiseDbfs - 6, `never below the room, ${quietest.toFixed(1)} dB`)
      const pause = levels(heard.between(13_000, 14_900), rate, 200)
      for (const level of pause)
        t.ok(Math.abs(level - noiseDbfs) <= 2, `${level.toFixed(1)} dB in a pause, ${noiseDbfs} in the room`)
      t.ok(
        stats.concealedMs <= 60 && stats.discarded.payloadType === 0,
        `${stats.concealedMs} ms were made up`,
      )

      // All that stands out of the room is sent: of every 5 ms of speech, by what its packet is stamped with.
      const sent = new Set<number>()
      const block = rate / 200
      for (const { rtp } of audio) {
        const from = ((rtp.timestamp - first) >>> 0) * samplesPerUnit
        for (let at = from; at < from + (rate * ptime) / 1000; at += block) sent.add(Math.floor(at / block))
      }
      const cut = levels(speech, rate, 5).filter((level, i) => level > noiseDbfs + 6 && !sent.has(i))
      t.equal(cut.length, 0, 'no beginning and no end of a word is cut off')

      // On the wire.
      const packets = (seconds * 1000) / ptime
      t.ok(
        audio.length < packets * share,
        `${((audio.length / packets) * 100).toFixed(0)} % of the packets are left`,
      )
      t.equal(sequenceBreaks(wire), 0)
      for (const { atMs, rtp } of wire) {
        const elapsed = ((rtp.timestamp - first) >>> 0) / (clockRate / 1000)
        const took = atMs - (wire[0]?.atMs ?? 0)
        if (Math.abs(elapsed - took) > ptime) t.fail(`timestamp of ${elapsed} ms at ${took} ms`)
      }
      for (const [i, packet] of wire.entries()) {
        const before = wire[i - 1]
        const opens = before === undefined || (isNoise(before, agreed) && !isNoise(packet, agreed))
        if (packet.rtp.marker !== opens) t.fail(`marker ${packet.rtp.marker} on packet ${i}`)
      }
      const gaps = described.slice(1).map(({ atMs }, i) => atMs - (described[i]?.atMs ?? 0))
      t.ok(Math.min(...gaps) >= 200, `two descriptions are ${Math.min(...gaps)} ms apart`)
      for (const [i, { atMs }] of wire.slice(1).entries())
        if (atMs - (wire[i]?.atMs ?? 0) > 2020) t.fail(`nothing was sent before ${atMs} ms`)
      const octets = codec === 'G722' ? 1 : 11
      if (srtp === 'off')
        t.ok(
          described.every(({ rtp }) => rtp.payload.length === octets),
          'the spectrum where it has a rate',
        )
    },
  )

/** A pair that both have PCMU and comfort noise, one way recorded on the wire and at the ear. */
async function listening(): Promise<{
  readonly pair: Pair
  readonly wire: WirePacket[]
  readonly heard: ReturnType<Pair['capture']>
}> {
  const codecs = await loadCodecs(['PCMU', 'opus'])
  const options = { codecs, comfortNoise: true }
  const pair = await Pair.open({ conditions: { delayMs: 20 }, a: options, b: options })
  const wire = listen(pair.network, '10.0.0.1')
  pair.connect()
  return { pair, wire, heard: pair.capture(pair.b) }
}

t.test('a call in which nothing is said costs a packet every two seconds, and is silent', async t => {
  const { pair, wire, heard } = await listening()
  await pair.clock.advance(20_000)
  await pair.close()
  const late = wire.filter(({ atMs }) => atMs > 1000)
  t.ok(late.length <= 10 && late.length >= 9, `${late.length} packets in 19 s`)
  t.ok(late.every(packet => isNoise(packet, 13) && packet.rtp.payload[0] === 127))
  t.equal(levelDbfs(heard.between(2000, 19_000)), -Infinity)
})

t.test('tones that last are sent as they are, however soft', async t => {
  for (const hz of [425, [350, 440], 2100])
    for (const levelOfTone of [-16, -40]) {
      const { pair, wire, heard } = await listening()
      void pair.a.output.play(tone({ sampleRate: 8000, hz, durationMs: 8000, levelDbfs: levelOfTone }))
      await pair.clock.advance(8000)
      await pair.close()
      const what = `${hz.toString()} Hz at ${levelOfTone} dB`
      t.ok(wire.filter(packet => !isNoise(packet, 13)).length >= 395, `${what} is sent`)
      const level = levelOfTone + (typeof hz === 'number' ? 0 : 3)
      t.ok(Math.abs(levelDbfs(heard.between(5000, 7500)) - level) < 1, `${what} is heard`)
    }
})

t.test('a room that becomes louder or softer for good is followed', async t => {
  const { pair, wire, heard } = await listening()
  const parts = [-60, -45, -58].map(level => room(8000, 3, level))
  for (const part of parts) void pair.a.output.write(part)
  await pair.clock.advance(9000)
  await pair.close()
  const hears = (fromMs: number, toMs: number): number => levelDbfs(heard.between(fromMs, toMs))
  t.ok(Math.abs(hears(2000, 2900) + 60) <= 2, `${hears(2000, 2900)}`)
  t.ok(Math.abs(hears(5600, 5900) + 45) <= 2, `${hears(5600, 5900)}`)
  t.ok(Math.abs(hears(8000, 8900) + 58) <= 2, `${hears(8000, 8900)}`)
  const late = wire.filter(({ atMs }) => atMs > 5500 && atMs < 6000)
  t.ok(
    late.every(packet => isNoise(packet, 13)),
    'what stays is noise and not speech',
  )
})

t.test('digits are sent within a silence, each once, and the silence goes on behind them', async t => {
  const { pair, wire, heard } = await listening()
  void pair.a.output.play(room(8000, 3, -50))
  await pair.clock.advance(1000)
  const sent = pair.a.sendDtmf('147#', { durationMs: 100, gapMs: 100 })
  await pair.clock.advance(2000)
  await sent
  const digits: string[] = []
  const read = (async () => {
    for await (const { digit } of pair.b.dtmf()) digits.push(digit)
  })()
  await pair.close()
  await read
  t.equal(digits.join(''), '147#')
  const events = wire.filter(({ rtp }) => rtp.payloadType === 101)
  const lastEvent = events.at(-1)
  const next = wire.find(({ atMs }) => atMs > (lastEvent?.atMs ?? Infinity))
  t.ok(next !== undefined && isNoise(next, 13), 'the room is described anew')
  const between = wire.filter(({ atMs }) => atMs > (events[0]?.atMs ?? 0) && atMs < (lastEvent?.atMs ?? 0))
  t.ok(
    between.every(packet => packet.rtp.payloadType !== 0),
    'no packets of silence between the digits',
  )
  t.ok(Math.abs(levelDbfs(heard.between(2200, 2900)) + 50) <= 2, `${levelDbfs(heard.between(2200, 2900))}`)
  t.equal(sequenceBreaks(wire), 0)
})

t.test('with another codec it goes, and comes back with the first; hold does it no harm', async t => {
  const { pair, wire, heard } = await listening()
  void pair.a.output.play(room(8000, 60, -50))
  const offers = (codecs: readonly string[], hold = false): void => {
    pair.b.acceptAnswer(pair.a.answerOffer(pair.b.createOffer({ codecs, hold })))
  }
  await pair.clock.advance(2000)
  offers(['opus'])
  t.equal(pair.a.negotiated?.sendComfortNoise, undefined, 'Opus has its own')
  const changedAt = pair.clock.now()
  await pair.clock.advance(2000)
  const opus = wire.filter(({ atMs }) => atMs > changedAt)
  t.ok(opus.length >= 99 && opus.every(packet => !isNoise(packet, 13)), 'every frame is sent')
  offers(['PCMU'])
  await pair.clock.advance(6000)
  offers(['PCMU'], true)
  const heldAt = pair.clock.now()
  await pair.clock.advance(3000)
  t.equal(wire.filter(({ atMs }) => atMs > heldAt).length, 0, 'held, nothing is sent')
  offers(['PCMU'])
  const resumedAt = pair.clock.now()
  await pair.clock.advance(1000)
  const first = wire.find(({ atMs }) => atMs >= resumedAt)
  t.ok(first !== undefined && first.atMs - resumedAt <= 40, 'something is sent at once')
  await pair.close()
  t.ok(Math.abs(levelDbfs(heard.between(heldAt - 1500, heldAt)) + 50) <= 2, 'the room is heard before')
  const after = heard.between(resumedAt + 200, resumedAt + 1000)
  t.ok(Math.abs(levelDbfs(after) + 50) <= 2, `and after the hold: ${levelDbfs(after)}`)
})

t.test('nothing is spared unless both sides want it', async t => {
  const ask = { comfortNoise: true }
  const peers = [
    { a: {}, b: {} },
    { a: ask, b: {} },
    { a: {}, b: ask },
  ]
  for (const options of peers) {
    const pair = await Pair.open(options)
    const wire = listen(pair.network, '10.0.0.1')
    pair.connect()
    await pair.clock.advance(2000)
    await pair.close()
    t.ok(wire.length >= 99 && wire.every(({ rtp }) => rtp.payloadType === 0))
    t.equal(pair.a.negotiated?.comfortNoise, undefined)
  }
})
