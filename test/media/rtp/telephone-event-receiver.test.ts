import * as fc from 'fast-check'
import t from 'tap'
import { TELEPHONE_EVENT_DIGITS, TelephoneEventSender } from '../../../src/media/rtp/telephone-event.ts'
import { TelephoneEventReceiver } from '../../../src/media/rtp/telephone-event-receiver.ts'
import type { ReceivedDigit } from '../../../src/media/rtp/telephone-event-receiver.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'

interface Packet {
  at: number
  /** Which digit of the string it belongs to. */
  index: number
  sequence: number
  timestamp: number
  marker: boolean
  payload: Uint8Array
}

/** The packets of a string of digits as our own sender makes them. */
function send(digits: string, durationMs = 100, gapMs = 80, clockRate = 8000): Packet[] {
  const sender = new TelephoneEventSender({ clockRate })
  sender.start(digits, { durationMs, gapMs })
  const packets: Packet[] = []
  let index = -1
  for (let frame = 0; sender.active; frame += 1) {
    const result = sender.next(frame * (clockRate / 50))
    if (result?.payload === undefined) continue
    if (result.marker) index += 1
    packets.push({
      at: frame * 20,
      index,
      sequence: (65_530 + packets.length) & 0xffff,
      timestamp: result.timestamp,
      marker: result.marker,
      payload: result.payload,
    })
  }
  return packets
}

function receive(packets: readonly Packet[], clockRate = 8000): ReceivedDigit[] {
  const receiver = new TelephoneEventReceiver({ clockRate })
  const digits: ReceivedDigit[] = []
  for (const { at, sequence, timestamp, marker, payload } of packets.toSorted((a, b) => a.at - b.at)) {
    digits.push(...receiver.expire(at), ...receiver.receive(payload, timestamp, sequence, marker, 7, at))
  }
  digits.push(...receiver.expire(1e9))
  return digits
}

const heard = (digits: readonly ReceivedDigit[]): string => digits.map(({ digit }) => digit).join('')

const text = '1159*#0D!'
const all = send(text)

t.test('a clean string: every digit once, in order, with its duration and start', async t => {
  const digits = receive(all)
  t.equal(heard(digits), text)
  t.ok(digits.every(({ durationMs, ended }) => durationMs === 100 && ended))
  t.equal(digits[1]!.timestamp, 180 * 8)
})

t.test('a digit is told with the first end packet', async t => {
  const receiver = new TelephoneEventReceiver({ clockRate: 8000 })
  const at = send('7').findIndex(
    ({ payload, timestamp, sequence, marker, at }) =>
      receiver.receive(payload, timestamp, sequence, marker, 7, at).length > 0,
  )
  t.equal(at, 4)
  t.equal(receiver.nextAt, undefined)
})

const end = (packet: Packet): boolean => packet.payload[1]! >= 128
const edits: [string, (packets: Packet[]) => Packet[]][] = [
  ['the first packet of each lost', packets => packets.filter(({ marker }) => !marker)],
  ['all but the ends lost', packets => packets.filter(end)],
  [
    'only the last end is left',
    packets => packets.filter((packet, i) => packets[i + 1]?.index !== packet.index),
  ],
  ['all ends lost', packets => packets.filter(packet => !end(packet))],
  ['only the first packet is left', packets => packets.filter(({ marker }) => marker)],
  ['no marker anywhere', packets => packets.map(packet => ({ ...packet, marker: false }))],
  ['a marker on every packet', packets => packets.map(packet => ({ ...packet, marker: true }))],
  ['every packet three times', packets => packets.flatMap(packet => [packet, packet, packet])],
  [
    'repeated 300 ms later',
    packets => [...packets, ...packets.map(packet => ({ ...packet, at: packet.at + 300 }))],
  ],
  [
    'in pairs the wrong way round',
    packets => packets.map((packet, i) => ({ ...packet, at: packet.at + (i % 2 === 0 ? 50 : 0) })),
  ],
]
for (const [name, edit] of edits) {
  t.test(`${name}: every digit once, in order`, async t => t.equal(heard(receive(edit(all))), text))
}

t.test('an end that never comes: told after the time-out, with what was heard of it', async t => {
  const receiver = new TelephoneEventReceiver({ clockRate: 8000, timeoutMs: 250 })
  const packets = send('3').filter(packet => !end(packet))
  for (const { at, sequence, timestamp, marker, payload } of packets) {
    receiver.receive(payload, timestamp, sequence, marker, 7, at)
  }
  const last = packets.at(-1)!.at
  t.equal(receiver.nextAt, last + 250)
  t.same(receiver.expire(last + 249), [])
  t.match(receiver.expire(last + 250), [{ digit: '3', durationMs: 80, ended: false }])
  t.same(receiver.expire(last + 1000), [])
})

t.test('a hole longer than the time-out in the middle of a digit does not make two of it', async t => {
  const packets = send('3', 2000).filter(({ at }) => at < 400 || at > 1000)
  t.equal(heard(receive(packets)), '3')
})

t.test('long events: the segments are one digit (RFC 4733 §2.5.1.3)', async t => {
  const packets = send('45', 5000, 80, 48_000)
  const digits = receive(packets, 48_000)
  t.match(digits, [
    { digit: '4', durationMs: 5000 },
    { digit: '5', durationMs: 5000 },
  ])
  const holed = packets.filter(({ at }) => at % 5000 < 1000 || at % 5000 > 2900)
  t.equal(heard(receive(holed, 48_000)), '45', 'even with a whole segment lost and the time-out passed')
})

/** One event packet by hand. */
const by = (
  at: number,
  sequence: number,
  timestamp: number,
  code: number,
  duration: number,
  ending = false,
  marker = false,
): Packet => ({
  at,
  index: 0,
  sequence,
  timestamp,
  marker,
  payload: Uint8Array.of(code, ending ? 0x8a : 0x0a, duration >> 8, duration & 0xff),
})

const quirks: [string, Packet[], string][] = [
  [
    'the timestamp never moves, the digit changes after an end',
    [
      by(0, 1, 5, 1, 160),
      by(20, 2, 5, 1, 320, true),
      by(40, 3, 5, 1, 320, true),
      by(100, 4, 5, 2, 160),
      by(120, 5, 5, 2, 320, true),
    ],
    '12',
  ],
  [
    'the timestamp never moves, the same digit again opens with a marker',
    [
      by(0, 1, 5, 1, 160, false, true),
      by(20, 2, 5, 1, 320, true),
      by(40, 3, 5, 1, 320, true),
      by(100, 4, 5, 1, 160, false, true),
      by(120, 5, 5, 1, 320, true),
    ],
    '11',
  ],
  [
    'the timestamp moves with every packet',
    [
      by(0, 1, 0, 1, 160),
      by(20, 2, 160, 1, 320),
      by(40, 3, 320, 1, 480),
      by(60, 4, 480, 1, 640, true),
      by(80, 5, 480, 1, 640, true),
    ],
    '1',
  ],
  ['a digit in a single end packet, no start at all', [by(0, 1, 5, 9, 800, true)], '9'],
  ['zero duration', [by(0, 1, 5, 9, 0), by(20, 2, 5, 9, 0, true)], '9'],
  [
    'the next digit begins while the one before has not ended',
    [by(0, 1, 0, 1, 160), by(20, 2, 160, 2, 160), by(40, 3, 160, 2, 320, true)],
    '12',
  ],
  [
    'the same digit begins again while the one before has not ended',
    [by(0, 1, 0, 1, 160), by(100, 3, 1600, 1, 160), by(120, 4, 1600, 1, 320, true)],
    '11',
  ],
  [
    'a late packet of a digit that is over',
    [
      by(0, 1, 0, 1, 160),
      by(20, 3, 0, 1, 480, true),
      by(100, 4, 1600, 2, 160),
      by(110, 2, 0, 1, 320),
      by(120, 5, 1600, 2, 320, true),
    ],
    '12',
  ],
  [
    'a late packet after both digits are over',
    [by(0, 1, 0, 1, 160, true), by(100, 4, 1600, 2, 160, true), by(110, 2, 0, 1, 160)],
    '12',
  ],
  [
    'the only packet of a digit, overtaken by the start of the next',
    [by(100, 4, 1600, 2, 160), by(110, 2, 0, 1, 160), by(120, 5, 1600, 2, 320, true)],
    '12',
  ],
  [
    'the only packet of a digit, overtaken by the end of the next: dropped, not out of order',
    [by(0, 1, 0, 0, 160, true), by(100, 4, 3200, 2, 160, true), by(110, 2, 1600, 1, 160)],
    '02',
  ],
  [
    'the clock of the sender starts anew',
    [by(0, 1, 3_000_000, 1, 160, true), by(100, 2, 16, 2, 160, true), by(200, 3, 1616, 3, 160, true)],
    '123',
  ],
  [
    'an event that is no digit',
    [by(0, 1, 0, 17, 160, true), by(100, 2, 1600, 70, 160), by(200, 3, 3200, 4, 160, true)],
    '4',
  ],
  ['a payload that is too short', [{ ...by(0, 1, 0, 1, 160), payload: Uint8Array.of(1, 0x8a, 0) }], ''],
]
for (const [name, packets, expected] of quirks) {
  t.test(name, async t => t.equal(heard(receive(packets)), expected))
}

t.test('a new source may repeat timestamps of the old one', async t => {
  const receiver = new TelephoneEventReceiver({ clockRate: 8000 })
  const payload = Uint8Array.of(1, 0x8a, 0, 160)
  t.equal(heard(receiver.receive(payload, 5, 1, true, 7, 0)), '1')
  t.equal(heard(receiver.receive(payload, 5, 1, true, 8, 100)), '1')
})

t.test('a new source ends the open digit of the old one; flush does at the end of a call', async t => {
  const receiver = new TelephoneEventReceiver({ clockRate: 8000 })
  receiver.receive(Uint8Array.of(1, 10, 0, 160), 5, 1, true, 7, 0)
  t.equal(heard(receiver.receive(Uint8Array.of(2, 10, 0, 160), 5, 1, true, 8, 100)), '1')
  t.equal(heard(receiver.flush()), '2')
  t.same(receiver.flush(), [])
})

t.test('a key held on while its source changes is one digit, also with another timestamp', async t => {
  for (const shift of [0, 123_456, -9_000_000]) {
    const packets = send('5', 200)
    for (const packet of packets.slice(5)) packet.timestamp += shift
    const receiver = new TelephoneEventReceiver({ clockRate: 8000 })
    const digits: ReceivedDigit[] = []
    const opened = new Set<unknown>()
    for (const [i, { at, sequence, timestamp, marker, payload }] of packets.entries()) {
      digits.push(...receiver.receive(payload, timestamp >>> 0, sequence, marker, i < 5 ? 7 : 8, at))
      if (receiver.open !== undefined) opened.add(receiver.open)
    }
    digits.push(...receiver.flush())
    t.match(digits, [{ digit: '5', durationMs: 200, timestamp: 0, ended: true }])
    t.equal(digits.length, 1)
    t.equal(opened.size, 1)
  }
})

t.test('several events in one packet follow each other in time', async t => {
  const receiver = new TelephoneEventReceiver({ clockRate: 8000 })
  const payload = Uint8Array.of(1, 0x8a, 3, 32, 2, 0x8a, 3, 32)
  const digits = receiver.receive(payload, 1000, 1, true, 7, 0)
  t.match(digits, [
    { digit: '1', timestamp: 1000 },
    { digit: '2', timestamp: 1800 },
  ])
  t.same(receiver.receive(payload, 1000, 1, true, 7, 20), [])
})

t.test('counters', async t => {
  const receiver = new TelephoneEventReceiver({ clockRate: 8000 })
  for (const { at, sequence, timestamp, marker, payload } of send('12')) {
    receiver.receive(payload, timestamp, sequence, marker, 7, at)
  }
  receiver.receive(new Uint8Array(2), 0, 0, false, 7, 999)
  t.same(receiver.snapshot(), { digits: 2, packets: 15, repeats: 4, ignored: 1, stale: 0 })
})

const digitString = fc.string({
  unit: fc.constantFrom(...TELEPHONE_EVENT_DIGITS.split('')),
  minLength: 1,
  maxLength: 20,
})
const timing = fc.record({
  durationMs: fc.integer({ min: 60, max: 400 }),
  gapMs: fc.integer({ min: 80, max: 300 }),
})

t.test('property: whatever is lost, a packet of each digit is enough', async t => {
  fc.assert(
    fc.property(
      digitString,
      timing,
      fc.integer(),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (digits, { durationMs, gapMs }, seed, loss) => {
        const random = seededRandom(seed)
        const packets = send(digits, durationMs, gapMs)
        const kept = packets.filter(() => random.float() >= loss)
        for (let index = 0; index < digits.length; index += 1) {
          const own = packets.filter(packet => packet.index === index)
          if (!kept.some(packet => packet.index === index)) kept.push(own[random.integer(0, own.length - 1)]!)
        }
        return heard(receive(kept)) === digits
      },
    ),
    { numRuns: 500 },
  )
  t.pass()
})

t.test('property: reordering within 100 ms and duplication change nothing', async t => {
  fc.assert(
    fc.property(digitString, timing, fc.integer(), (digits, { durationMs, gapMs }, seed) => {
      const random = seededRandom(seed)
      const packets = send(digits, durationMs, gapMs).flatMap(packet =>
        Array.from({ length: random.integer(1, 3) }, () => ({
          ...packet,
          at: packet.at + random.float() * 100,
        })),
      )
      return heard(receive(packets)) === digits
    }),
    { numRuns: 500 },
  )
  t.pass()
})

t.test(
  'property: 5 % loss, 60 ms jitter and duplicates together: nothing twice, nothing out of order',
  async t => {
    fc.assert(
      fc.property(digitString, fc.integer(), (digits, seed) => {
        const random = seededRandom(seed)
        const packets = send(digits, 160, 80)
          .filter(() => random.float() > 0.05)
          .flatMap(packet =>
            Array.from({ length: random.integer(1, 2) }, () => ({
              ...packet,
              at: packet.at + random.float() * 60,
            })),
          )
        return heard(receive(packets)) === digits
      }),
      { numRuns: 300 },
    )
    t.pass()
  },
)

t.test('60,000 random payloads: no throw, and memory of a fixed number of digits', async t => {
  const random = seededRandom(4733)
  const receiver = new TelephoneEventReceiver({ clockRate: 8000 })
  for (let round = 0; round < 60_000; round += 1) {
    receiver.expire(round)
    const payload = random.bytes(random.integer(0, 12))
    if (payload.length > 0) payload[0]! %= 20
    receiver.receive(
      payload,
      random.uint32() % 4000,
      random.integer(0, 65_535),
      random.integer(0, 1) === 1,
      random.integer(1, 3),
      round,
    )
  }
  t.equal(receiver.snapshot().packets, 60_000)
})
