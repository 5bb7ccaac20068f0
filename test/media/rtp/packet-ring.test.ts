import t from 'tap'
import { PacketRing } from '../../../src/media/rtp/packet-ring.ts'

function filled(): PacketRing {
  const ring = new PacketRing(4)
  ring.put(9, 1000, 160, Uint8Array.of(9), 8, 77, true)
  ring.putOther(10)
  ring.reserve(11)
  return ring
}

t.test('a number is audio, other, reserved or vacant', async t => {
  const ring = filled()
  const states = [8, 9, 10, 11, 12, 13].map(number => [
    ring.has(number),
    ring.knows(number),
    ring.isAudio(number),
  ])
  t.same(states, [
    [false, false, false],
    [true, true, true],
    [true, true, false],
    [true, false, false],
    [false, false, false],
    [false, false, false],
  ])
  t.equal(ring.depth, 1)
})

t.test('keeps what it was given', async t => {
  const ring = filled()
  t.equal(ring.position(9), 1000)
  t.equal(ring.duration(9), 160)
  t.equal(ring.payloadType(9), 8)
  t.equal(ring.timestamp(9), 77)
  t.equal(ring.marker(9), true)
  t.same([...ring.payload(9)], [9])
})

t.test('what was removed is known until its slot is taken, what was only reserved is not', async t => {
  const ring = filled()
  for (const number of [9, 10, 11]) ring.remove(number)
  t.equal(ring.depth, 0)
  t.same(
    [9, 10, 11].map(number => [ring.has(number), ring.knows(number)]),
    [
      [false, true],
      [false, true],
      [false, false],
    ],
  )
  t.equal(ring.payload(9).length, 0, 'and its payload is let go')
  ring.put(13, 0, 160, Uint8Array.of(13), 8, 0, false)
  t.equal(ring.knows(9), false)
})
