import t from 'tap'
import { findCodec } from '../../../src/media/codec/codec.ts'
import { PCMA, PCMU } from '../../../src/media/codec/g711.ts'

/*
 * The reference here is the text of ITU-T G.711, not a second copy of the arithmetic: the decision values and output
 * values are built up segment by segment as tables 1a and 2a list them, and an input is looked up by comparison.
 */

interface Level {
  /** Smallest magnitude of the interval, in 16-bit units. */
  readonly from: number
  readonly output: number
}

/** Table 2a (μ-law): segment s has 16 steps of 2^(s+1), in units of which a 16-bit sample has four. */
function ulawLevels(): Level[] {
  const levels: Level[] = []
  let decision = 0
  for (let segment = 0; segment < 8; segment += 1)
    for (let step = 0; step < 16; step += 1) {
      const size = 2 << segment
      // The very first step is half as long as its neighbours, and its output is 0.
      const first = segment === 0 && step === 0
      levels.push({ from: decision * 4, output: (first ? 0 : decision + size / 2) * 4 })
      decision += first ? 1 : size
    }
  return levels
}

/** Table 1a (A-law): segments 0 and 1 have steps of 2, each later one twice that, in units of which a sample has eight. */
function alawLevels(): Level[] {
  const levels: Level[] = []
  let decision = 0
  for (let segment = 0; segment < 8; segment += 1)
    for (let step = 0; step < 16; step += 1) {
      const size = 2 << Math.max(0, segment - 1)
      levels.push({ from: decision * 8, output: (decision + size / 2) * 8 })
      decision += size
    }
  return levels
}

const laws = [
  // μ-law sends its bits inverted; A-law inverts the even ones (G.711 §3.2, note 2 of table 1a).
  { codec: PCMU, levels: ulawLevels(), wire: (sign: number, level: number) => (sign | level) ^ 0x7f },
  { codec: PCMA, levels: alawLevels(), wire: (sign: number, level: number) => (sign | level) ^ 0x55 },
]

for (const { codec, levels, wire } of laws) {
  t.test(`${codec.name}: all 256 codes decode to the output values of G.711`, async t => {
    const codes = Uint8Array.from({ length: 256 }, (_, i) => i)
    const pcm = new Int16Array(256)
    t.equal(codec.decoder().decode(codes, pcm), 256)
    const expected = new Int16Array(256)
    for (const [level, { output }] of levels.entries()) {
      expected[wire(0x80, level)] = output
      expected[wire(0, level)] = -output
    }
    t.same(pcm, expected)
  })

  t.test(`${codec.name}: all 65536 samples encode by the decision values of G.711`, async t => {
    const pcm = Int16Array.from({ length: 65_536 }, (_, i) => i - 32_768)
    const codes = new Uint8Array(65_536)
    t.equal(codec.encoder().encode(pcm, codes), 65_536)
    const expected = pcm.map(sample => {
      const negative = sample < 0
      const magnitude = negative ? -sample - 1 : sample
      const level = levels.findLastIndex(({ from }) => from <= magnitude)
      return wire(negative ? 0 : 0x80, level)
    })
    t.same(codes, Uint8Array.from(expected))
  })

  t.test(`${codec.name}: what was decoded encodes to the same code again`, async t => {
    const codes = Uint8Array.from({ length: 256 }, (_, i) => i)
    const pcm = new Int16Array(256)
    const again = new Uint8Array(256)
    codec.decoder().decode(codes, pcm)
    codec.encoder().encode(pcm, again)
    // μ-law has a code for minus nothing, which a sample cannot carry.
    const expected = codes.map(code => (codec === PCMU && code === 0x7f ? 0xff : code))
    t.same(again, expected)
  })

  t.test(`${codec.name}: never writes past the end of either buffer`, async t => {
    t.equal(codec.encoder().encode(new Int16Array(160), new Uint8Array(80)), 80)
    t.equal(codec.decoder().decode(new Uint8Array(160), new Int16Array(80)), 80)
    t.equal(codec.decoder().decode(new Uint8Array(0), new Int16Array(80)), 0)
  })
}

t.test('silence is 0xFF in μ-law and 0xD5 in A-law, as on the wire everywhere', async t => {
  const out = new Uint8Array(1)
  PCMU.encoder().encode(new Int16Array(1), out)
  t.equal(out[0], 0xff)
  PCMA.encoder().encode(new Int16Array(1), out)
  t.equal(out[0], 0xd5)
})

t.test('a sine at -10 dBm0 comes through with 36 dB of signal to quantising noise', async t => {
  for (const { codec } of laws) {
    const pcm = Int16Array.from({ length: 8000 }, (_, i) => Math.sin((2 * Math.PI * 1004 * i) / 8000) * 7000)
    const codes = new Uint8Array(codec.maxPayloadBytes(pcm.length))
    const back = new Int16Array(codec.maxSamples(codes.length))
    codec.decoder().decode(codes.subarray(0, codec.encoder().encode(pcm, codes)), back)
    const noise = back.reduce((sum, sample, i) => sum + (sample - pcm[i]!) ** 2, 0)
    const signal = pcm.reduce((sum, sample) => sum + sample ** 2, 0)
    t.ok(10 * Math.log10(signal / noise) > 36, `${codec.name}: ${10 * Math.log10(signal / noise)} dB`)
  }
})

t.test('a codec is found by its SDP name in any case, and by its clock rate', async t => {
  t.equal(findCodec([PCMU, PCMA], 'pcma', 8000), PCMA)
  t.equal(findCodec([PCMU, PCMA], 'PCMU', 8000), PCMU)
  t.equal(findCodec([PCMU, PCMA], 'PCMU', 16_000), undefined)
  t.equal(findCodec([], 'PCMU', 8000), undefined)
  t.same([PCMU.payloadType, PCMA.payloadType], [0, 8])
})
