import { assert, int16Array, property } from 'fast-check'
import t from 'tap'
import { L16 } from '../../../src/media/codec/l16.ts'

t.test('samples travel in network byte order (RFC 3551 §4.5.11)', async t => {
  const out = new Uint8Array(8)
  t.equal(L16.mono16k.encoder().encode(Int16Array.of(0x1234, -2, -32_768, 32_767), out), 8)
  t.equal(Buffer.from(out).toString('hex'), '1234fffe80007fff')
  const back = new Int16Array(4)
  t.equal(L16.mono16k.decoder().decode(out, back), 4)
  t.same(back, Int16Array.of(0x1234, -2, -32_768, 32_767))
})

t.test('every sample comes back as it was, whatever the address of the payload', async t => {
  assert(
    property(int16Array({ maxLength: 200 }), pcm => {
      // One octet in: payloads follow RTP headers and are seldom aligned.
      const out = new Uint8Array(pcm.length * 2 + 1).subarray(1)
      const back = new Int16Array(pcm.length)
      L16.mono48k.encoder().encode(pcm, out)
      L16.mono48k.decoder().decode(out, back)
      return back.every((sample, i) => sample === pcm[i])
    }),
  )
  t.pass()
})

t.test('what does not fit is cut, half a sample is left out', async t => {
  const decoder = L16.mono8k.decoder()
  t.equal(decoder.decode(new Uint8Array(321), new Int16Array(400)), 160)
  t.equal(decoder.decode(new Uint8Array(320), new Int16Array(100)), 100)
  t.equal(L16.mono8k.encoder().encode(new Int16Array(160), new Uint8Array(99)), 98)
})

t.test('the static payload types are those of 44.1 kHz (RFC 3551 table 4)', async t => {
  t.same(
    Object.values(L16).map(codec => [codec.name, codec.clockRate, codec.channels, codec.payloadType]),
    [
      ['L16', 8000, 1, undefined],
      ['L16', 16_000, 1, undefined],
      ['L16', 44_100, 1, 11],
      ['L16', 48_000, 1, undefined],
      ['L16', 44_100, 2, 10],
    ],
  )
})
