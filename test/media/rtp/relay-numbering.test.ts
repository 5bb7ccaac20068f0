import { array, assert, constantFrom, integer, property, record } from 'fast-check'
import t from 'tap'
import { RtpView, parseRtpInto, writeRtp } from '../../../src/media/rtp/packet.ts'
import { RelayNumbering } from '../../../src/media/rtp/relay-numbering.ts'

function packet(sequence: number, timestamp: number, ssrc: number): RtpView {
  const bytes = new Uint8Array(32)
  const length = writeRtp(bytes, {
    payloadType: 0,
    sequence: sequence & 0xffff,
    timestamp: timestamp >>> 0,
    ssrc,
    payload: new Uint8Array(4),
  })
  const view = new RtpView()
  parseRtpInto(view, bytes.subarray(0, length))
  return view
}

t.test('whatever a source does, no number is given twice and none from before the run (RFC 3711 §9.1)', t => {
  const step = record({
    kind: constantFrom('next', 'next', 'next', 'skip', 'back', 'jump', 'source', 'stop'),
    by: integer({ min: 1, max: 200 }),
  })
  assert(
    property(array(step, { maxLength: 300 }), integer({ min: 0, max: 0xffff }), (steps, first) => {
      const numbering = new RelayNumbering()
      numbering.stop(8000)
      let [sequence, ssrc, now] = [first, 1, 0]
      // Of the stream that goes out, without end.
      let next = 100
      const given = new Set<number>()
      for (const { kind, by } of steps) {
        now += 20
        if (kind === 'stop') {
          numbering.stop(8000)
          continue
        }
        if (kind === 'source') ssrc += 1
        if (kind === 'jump') sequence += by * 100
        else if (kind === 'skip') sequence += by
        else if (kind !== 'back') sequence += 1
        const current = kind === 'back' ? sequence - by : sequence
        const position = { sequence: next & 0xffff, timestamp: (now * 8) >>> 0 }
        if (!numbering.map(packet(current, current * 160, ssrc), now, position, true)) continue
        const extended = next + (((numbering.sequence - next) << 16) >> 16)
        if (extended < 100 || given.has(extended)) return false
        given.add(extended)
        if (extended >= next) next = extended + 1
      }
      return true
    }),
    { numRuns: 300 },
  )
  t.end()
})

t.test('timestamps go on with time after a run, and never back over what was relayed', t => {
  const numbering = new RelayNumbering()
  numbering.stop(8000)
  t.ok(numbering.map(packet(1, 5000, 1), 1000, { sequence: 7, timestamp: 100 }, true))
  t.ok(numbering.begins)
  t.same([numbering.sequence, numbering.timestamp], [7, 100])
  t.ok(numbering.map(packet(2, 5480, 1), 1060, { sequence: 8, timestamp: 0 }, true))
  t.notOk(numbering.begins)
  t.equal(numbering.timestamp, 580)
  t.equal(numbering.timestampAt(1061), 1060, 'packets hold 60 ms')
  t.equal(numbering.timestampAt(1260), 580 + 1600, 'and time goes by')
  t.notOk(numbering.map(packet(2, 5480, 1), 1070, { sequence: 9, timestamp: 0 }, true), 'twice')
  t.notOk(numbering.map(packet(0, 4520, 1), 1070, { sequence: 9, timestamp: 0 }, true), 'before the run')
  t.equal(numbering.dropped, 2)
  t.end()
})
