import { array, assert, integer, nat, oneof, property, tuple, uint8Array } from 'fast-check'
import t from 'tap'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { levelDbfs } from '../../../src/media/audio/level.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import type { AudioCodec, CodecParameters } from '../../../src/media/codec/codec.ts'
import { instantiate, loadLibopus } from '../../../src/media/codec/opus-module.ts'
import type { OpusOptions, OpusSampleRate } from '../../../src/media/codec/opus-options.ts'
import { loadOpus } from '../../../src/media/codec/opus.ts'
import { snr, speechLike } from './speech.ts'

const rates: readonly OpusSampleRate[] = [8000, 12_000, 16_000, 24_000, 48_000]

function encodeAll(
  codec: AudioCodec,
  pcm: Int16Array,
  ptime: number,
  parameters: CodecParameters = {},
  loss?: number,
): Uint8Array[] {
  const encoder = codec.encoder(parameters)
  if (loss !== undefined) encoder.expectLoss?.(loss)
  const size = (codec.sampleRate * codec.channels * ptime) / 1000
  const packets: Uint8Array[] = []
  const out = new Uint8Array(codec.maxPayloadBytes(size))
  for (let at = 0; at + size <= pcm.length; at += size)
    packets.push(out.slice(0, encoder.encode(pcm.subarray(at, at + size), out)))
  encoder.close?.()
  return packets
}

function decodeAll(codec: AudioCodec, packets: readonly Uint8Array[]): Int16Array {
  const decoder = codec.decoder()
  const room = new Int16Array(codec.maxSamples(0))
  const pieces = packets.map(packet => room.slice(0, decoder.decode(packet, room)))
  decoder.close?.()
  const all = new Int16Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
  let at = 0
  for (const piece of pieces) {
    all.set(piece, at)
    at += piece.length
  }
  return all
}

const bitrateOf = (packets: readonly Uint8Array[], ptime: number): number =>
  (packets.reduce((sum, packet) => sum + packet.length, 0) * 8) / ((packets.length * ptime) / 1000)

for (const sampleRate of rates) {
  t.test(`a tone at ${sampleRate} Hz keeps its pitch and level, with packets of every length`, async t => {
    const codec = await loadOpus({ sampleRate })
    t.match(codec, { name: 'opus', clockRate: 48_000, rtpmapChannels: 2, sampleRate, channels: 1 })
    const sent = tone({ sampleRate, hz: 1000, durationMs: 1200, levelDbfs: -20 })
    for (const ptime of codec.ptimes ?? []) {
      const packets = encodeAll(codec, sent, ptime)
      for (const packet of packets) t.equal(codec.samplesIn?.(packet), (sampleRate * ptime) / 1000)
      const heard = decodeAll(codec, packets).subarray(sampleRate / 5)
      t.equal(heard.length, sent.length - sampleRate / 5)
      t.ok(Math.abs(goertzelDbfs(heard, sampleRate, 1000) + 20) < 1, `ptime ${ptime}: level`)
      t.ok(goertzelDbfs(heard, sampleRate, 1500) < -50, `ptime ${ptime}: nothing beside it`)
    }
  })
}

t.test('one decoder takes packets of every length, one after the other', async t => {
  const codec = await loadOpus()
  const sent = tone({ sampleRate: 24_000, hz: 500, durationMs: 240, levelDbfs: -12 })
  const packets = [10, 60, 20, 40].flatMap(ptime => encodeAll(codec, sent, ptime))
  const heard = decodeAll(codec, packets)
  t.equal(heard.length, 4 * sent.length)
  t.ok(Math.abs(goertzelDbfs(heard.subarray(2400), 24_000, 500) + 12) < 1.5)
})

t.test('a stereo peer is heard in mono, a mono peer on both channels', async t => {
  const stereo = await loadOpus({ sampleRate: 48_000, channels: 2 })
  const mono = await loadOpus({ sampleRate: 24_000 })
  const left = tone({ sampleRate: 48_000, hz: 700, durationMs: 600, levelDbfs: -12 })
  const right = tone({ sampleRate: 48_000, hz: 1900, durationMs: 600, levelDbfs: -12 })
  const both = new Int16Array(left.length * 2)
  for (let i = 0; i < left.length; i += 1) {
    both[i * 2] = left[i]!
    both[i * 2 + 1] = right[i]!
  }
  const packets = encodeAll(stereo, both, 20, { fmtp: 'stereo=1' })
  t.ok(
    packets.slice(5).every(packet => (packet[0]! & 4) !== 0),
    'stereo=1: sent in stereo',
  )
  const heard = decodeAll(mono, packets).subarray(4800)
  t.ok(Math.abs(goertzelDbfs(heard, 24_000, 700) + 18) < 1.5, 'the left channel, halved')
  t.ok(Math.abs(goertzelDbfs(heard, 24_000, 1900) + 18) < 1.5, 'and the right')
  t.ok(
    encodeAll(stereo, both, 20).every(packet => (packet[0]! & 4) === 0),
    'a peer that does not ask for stereo (RFC 7587 6.1: default 0) gets mono',
  )
  const fromMono = encodeAll(mono, tone({ sampleRate: 24_000, hz: 700, durationMs: 600, levelDbfs: -12 }), 20)
  const spread = decodeAll(stereo, fromMono).subarray(9600)
  for (const channel of [0, 1]) {
    const side = Int16Array.from({ length: spread.length / 2 }, (_, i) => spread[i * 2 + channel]!)
    t.ok(Math.abs(goertzelDbfs(side, 48_000, 700) + 12) < 1.5, `channel ${channel}`)
  }
})

t.test('the bitrate is what we choose, and not above what the peer asks for', async t => {
  const pcm = speechLike(24_000, 4000)
  for (const [options, fmtp, most] of [
    [{}, undefined, 32_000],
    [{ bitrate: 16_000 }, undefined, 16_000],
    [{}, 'maxaveragebitrate=20000', 20_000],
    [{}, 'maxaveragebitrate=510000', 32_000],
    [{ bitrate: 12_000 }, 'maxaveragebitrate=20000', 12_000],
    [{}, 'maxaveragebitrate=1', 6000],
    [{}, 'maxaveragebitrate=nonsense', 32_000],
  ] as const) {
    const codec = await loadOpus(options)
    const packets = encodeAll(codec, pcm, 20, fmtp === undefined ? {} : { fmtp })
    const bitrate = bitrateOf(packets, 20)
    t.ok(bitrate < most * 1.1, `${fmtp ?? 'nothing said'}: ${Math.round(bitrate)} bit/s of ${most}`)
    t.ok(bitrate > most * 0.5, 'and it is made use of')
  }
})

t.test('cbr: every packet has the same length, when we choose or the peer asks', async t => {
  const pcm = speechLike(24_000, 1000)
  const lengths = async (options: OpusOptions, fmtp?: string): Promise<number> => {
    const codec = await loadOpus(options)
    return new Set(encodeAll(codec, pcm, 20, fmtp === undefined ? {} : { fmtp }).map(packet => packet.length))
      .size
  }
  t.equal(await lengths({}, 'cbr=1'), 1)
  t.equal(await lengths({ cbr: true }), 1)
  t.ok((await lengths({})) > 5)
})

t.test('the peer gets no more bandwidth than it can play (maxplaybackrate)', async t => {
  const codec = await loadOpus({ sampleRate: 48_000, bitrate: 64_000 })
  const pcm = tone({ sampleRate: 48_000, hz: 5000, durationMs: 600, levelDbfs: -12 })
  const heardAt = (fmtp: string): number =>
    goertzelDbfs(decodeAll(codec, encodeAll(codec, pcm, 20, { fmtp })).subarray(9600), 48_000, 5000)
  t.ok(heardAt('maxplaybackrate=8000') < -40)
  t.ok(heardAt('maxplaybackrate=16000') > -15)
  t.ok(heardAt('') > -15)
})

t.test('every fifth packet lost: what in-band FEC brings back is better than concealment', async t => {
  const sampleRate = 16_000
  const codec = await loadOpus({ sampleRate, bitrate: 32_000 })
  const pcm = speechLike(sampleRate, 8000)
  const packets = encodeAll(codec, pcm, 20, { fmtp: 'useinbandfec=1' }, 20)
  const clean = decodeAll(codec, packets)
  const size = 320
  const lossy = (withFec: boolean): { db: number; recovered: number } => {
    const decoder = codec.decoder()
    const out = new Int16Array(clean.length)
    const room = new Int16Array(codec.maxSamples(0))
    let recovered = 0
    const ratios: number[] = []
    for (const [i, packet] of packets.entries()) {
      const frame = out.subarray(i * size, (i + 1) * size)
      if (i % 5 === 4) {
        const next = packets[i + 1]
        const got = withFec && next !== undefined ? (decoder.recover?.(next, frame) ?? 0) : 0
        if (got > 0) recovered += 1
        else decoder.conceal?.(frame)
        const wanted = clean.subarray(i * size, (i + 1) * size)
        if (levelDbfs(wanted) > -40) ratios.push(Math.max(-10, Math.min(35, snr(wanted, frame))))
      } else frame.set(room.subarray(0, decoder.decode(packet, room)))
    }
    decoder.close?.()
    return { db: ratios.reduce((sum, db) => sum + db, 0) / ratios.length, recovered }
  }
  const concealed = lossy(false)
  const recovered = lossy(true)
  t.comment(
    `segmental SNR of lost frames: ${concealed.db.toFixed(1)} dB concealed, ${recovered.db.toFixed(1)} dB recovered`,
  )
  t.ok(recovered.recovered > 15, `${recovered.recovered} frames came back`)
  t.ok(recovered.db > concealed.db + 3, 'by 3 dB at least')
})

t.test('FEC is spent only when the peer wants it and loses packets', async t => {
  const codec = await loadOpus({ sampleRate: 16_000 })
  const pcm = speechLike(16_000, 2000)
  const out = new Int16Array(320)
  const remembered = (fmtp: string, loss: number): number => {
    const decoder = codec.decoder()
    const packets = encodeAll(codec, pcm, 20, { fmtp }, loss)
    return packets.filter(packet => (decoder.recover?.(packet, out) ?? 0) > 0).length
  }
  t.equal(remembered('useinbandfec=1', 0), 0)
  t.equal(remembered('', 30), 0)
  t.ok(remembered('useinbandfec=1', 30) > 20)
})

t.test('DTX: silence is not sent but for a packet now and then, and speech after it is heard', async t => {
  const codec = await loadOpus({ sampleRate: 16_000 })
  const pcm = new Int16Array(16_000 * 4)
  pcm.set(tone({ sampleRate: 16_000, hz: 500, durationMs: 1000, levelDbfs: -15 }))
  pcm.set(tone({ sampleRate: 16_000, hz: 500, durationMs: 1000, levelDbfs: -15 }), 48_000)
  const count = (fmtp: string): readonly number[] => {
    const packets = encodeAll(codec, pcm, 20, { fmtp })
    return [packets.slice(0, 50), packets.slice(60, 150), packets.slice(150)].map(
      part => part.filter(packet => packet.length > 0).length,
    )
  }
  const [speech = 0, silence = 0, again = 0] = count('usedtx=1')
  t.equal(speech, 50)
  t.equal(again, 50)
  t.ok(silence <= 20, `${silence} of 90 packets in silence`)
  t.same(count(''), [50, 90, 50], 'a peer that does not ask for it gets every packet')
})

t.test('DTX: tones are sent for as long as they last, though they are no speech', async t => {
  for (const [sampleRate, hz, level] of [
    [8000, [440, 480], -22],
    [16_000, [425], -16],
    [24_000, [770, 1336], -30],
    [48_000, [350, 440], -40],
  ] as const) {
    const codec = await loadOpus({ sampleRate })
    const beep = tone({ sampleRate, hz, levelDbfs: level, durationMs: 3000 })
    const packets = encodeAll(codec, beep, 20, { fmtp: 'usedtx=1' })
    t.ok(packets.every(packet => packet.length > 0))
    const decoder = codec.decoder()
    const room = new Int16Array(codec.maxSamples(0))
    const heard = new Int16Array(beep.length)
    for (const [i, packet] of packets.entries()) {
      const count = decoder.decode(packet, room)
      heard.set(room.subarray(0, count), i * count)
    }
    const end = levelDbfs(heard.subarray(-sampleRate))
    t.ok(Math.abs(end - levelDbfs(beep)) < 1.5, `${end.toFixed(1)} dBFS in the last second`)
  }
})

t.test('concealment goes on with the sound and fades, in any length', async t => {
  const codec = await loadOpus({ sampleRate: 24_000 })
  const packets = encodeAll(codec, tone({ sampleRate: 24_000, hz: 300, durationMs: 400, levelDbfs: -12 }), 20)
  for (const length of [1, 7, 60, 240, 480, 481, 1440, 2880, 24_000]) {
    const decoder = codec.decoder()
    const room = new Int16Array(codec.maxSamples(0))
    for (const packet of packets) decoder.decode(packet, room)
    const out = new Int16Array(length)
    t.equal(decoder.conceal?.(out), length)
    if (length >= 240) t.ok(levelDbfs(out.subarray(0, 240)) > -20, `${length} samples: the tone goes on`)
    if (length === 24_000) t.ok(levelDbfs(out.subarray(20_000)) < -50, 'and is gone after a second')
    decoder.close?.()
  }
})

t.test('no payload makes the decoder throw, or write more than it says', async t => {
  const codec = await loadOpus({ sampleRate: 16_000 })
  const good = encodeAll(codec, speechLike(16_000, 400), 20, { fmtp: 'useinbandfec=1' }, 30)
  const decoder = codec.decoder()
  const flips = tuple(
    integer({ min: 0, max: good.length - 1 }),
    array(tuple(nat(1500), nat(255)), { maxLength: 20 }),
    nat(1500),
  )
  const mutated = flips.map(([index, changes, length]) => {
    const packet = good[index]!.slice(0, length)
    for (const [at, value] of changes) if (at < packet.length) packet[at] = value
    return packet
  })
  assert(
    property(oneof(uint8Array({ maxLength: 1500 }), mutated), payload => {
      const samples = codec.samplesIn?.(payload) ?? -1
      const out = new Int16Array(codec.maxSamples(payload.length) + 1).fill(77)
      const count = decoder.decode(payload, out)
      const frame = new Int16Array(320)
      const recovered = decoder.recover?.(payload, frame) ?? 0
      return (
        count === samples && out[out.length - 1] === 77 && (recovered === 0 || recovered === frame.length)
      )
    }),
    { numRuns: 3000 },
  )
  const clean = decoder.decode(good[0]!, new Int16Array(codec.maxSamples(0)))
  t.equal(clean, 320, 'and it still decodes')
  t.equal(decoder.decode(new Uint8Array(60_000).fill(3), new Int16Array(codec.maxSamples(0))), 0)
  t.equal(decoder.decode(good[3]!, new Int16Array(100)), 100, 'cut to the room there is')
})

t.test('thousands of streams opened and closed leave nothing behind', async t => {
  const codec = await loadOpus()
  const { libopus } = await loadLibopus()
  const pcm = speechLike(24_000, 20)
  const out = new Uint8Array(codec.maxPayloadBytes(480))
  const room = new Int16Array(codec.maxSamples(0))
  let used = 0
  const cycle = (): void => {
    const encoder = codec.encoder({ fmtp: 'useinbandfec=1' })
    const decoder = codec.decoder()
    decoder.decode(out.subarray(0, encoder.encode(pcm, out)), room)
    encoder.close?.()
    encoder.close?.()
    decoder.close?.()
    used += encoder.encode(pcm, out) + decoder.decode(out.subarray(0, 9), room)
  }
  // The address of the next piece of memory tells: a piece kept would push it on.
  const probe = (): number => {
    const at = libopus._malloc(100_000)
    libopus._free(at)
    return at
  }
  cycle()
  const before = probe()
  const octets = libopus.HEAPU8.length
  for (let i = 0; i < 3000; i += 1) cycle()
  t.equal(probe(), before)
  t.equal(used, 0, 'what is closed does nothing any more')
  t.equal(libopus.HEAPU8.length, octets)
})

t.test('without the package, or with another, the error says what to install', async t => {
  const message = /opus needs the package libopus-wasm.*npm install libopus-wasm@0\.4\.0/
  await t.rejects(
    instantiate(() => {
      throw new Error('Cannot find package')
    }),
    { code: 'SIP_OPTION', field: 'codecs', message },
  )
  await t.rejects(
    instantiate(() => 'file:///nowhere/dist/index.js'),
    { message },
  )
})

t.test('options that make no sense are refused by name', async t => {
  for (const [options, field] of [
    [{ sampleRate: 44_100 }, 'opus.sampleRate'],
    [{ channels: 3 }, 'opus.channels'],
    [{ bitrate: 5999 }, 'opus.bitrate'],
    [{ bitrate: 12_000.5 }, 'opus.bitrate'],
    [{ maxReceiveBitrate: 600_000 }, 'opus.maxReceiveBitrate'],
    [{ expectedLoss: 101 }, 'opus.expectedLoss'],
    [{ complexity: 11 }, 'opus.complexity'],
  ] as const)
    await t.rejects(loadOpus(options as unknown as OpusOptions), { code: 'SIP_OPTION', field })
})
