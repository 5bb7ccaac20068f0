import t from 'tap'
import { TelephoneEventSender } from '../../../src/media/rtp/telephone-event.ts'
import type {
  TelephoneEventOptions,
  TelephoneEventSenderOptions,
} from '../../../src/media/rtp/telephone-event.ts'

interface Sent {
  frame: number
  event: number
  end: boolean
  volume: number
  duration: number
  timestamp: number
  marker: boolean
}

/** Runs a sender until it is done; frames count from 0, timestamps from `from`. */
function run(
  digits: string,
  options: TelephoneEventOptions = {},
  sender: Partial<TelephoneEventSenderOptions> & { from?: number } = {},
): { packets: Sent[]; frames: number } {
  const { clockRate = 8000, frameMs = 20, from = 0 } = sender
  const events = new TelephoneEventSender({ clockRate, frameMs })
  events.start(digits, options)
  const packets: Sent[] = []
  let frame = 0
  for (; ; frame += 1) {
    const result = events.next((from + (frame * frameMs * clockRate) / 1000) >>> 0)
    if (result === undefined) break
    if (result.payload === undefined) continue
    const [event = 0, flags = 0, high = 0, low = 0] = result.payload
    packets.push({
      frame,
      event,
      end: flags >= 128,
      volume: flags & 63,
      duration: high * 256 + low,
      timestamp: result.timestamp,
      marker: result.marker,
    })
  }
  return { packets, frames: frame }
}

t.test('one digit: the packets of RFC 4733 §2.5.1, one a frame', async t => {
  const at = { event: 5, volume: 10, timestamp: 1000 }
  t.same(run('5', { durationMs: 80 }, { from: 1000 }).packets, [
    { ...at, frame: 0, end: false, duration: 160, marker: true },
    { ...at, frame: 1, end: false, duration: 320, marker: false },
    { ...at, frame: 2, end: false, duration: 480, marker: false },
    { ...at, frame: 3, end: true, duration: 640, marker: false },
    { ...at, frame: 4, end: true, duration: 640, marker: false },
    { ...at, frame: 5, end: true, duration: 640, marker: false },
  ])
})

t.test('every digit has its event code (RFC 4733 §3.2)', async t => {
  const { packets } = run('0123456789*#ABCDabcd!')
  t.same(
    packets.filter(({ marker }) => marker).map(({ event }) => event),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 12, 13, 14, 15, 16],
  )
})

t.test('the gap is counted from the end of the digit; repeats of the end are part of it', async t => {
  const rows: [durationMs: number, gapMs: number, secondAt: number, frames: number][] = [
    [80, 80, 8, 16],
    [100, 50, 8, 16],
    [80, 0, 6, 12],
    [80, 200, 14, 28],
  ]
  for (const [durationMs, gapMs, secondAt, frames] of rows) {
    const result = run('12', { durationMs, gapMs })
    const second = result.packets.find(({ event }) => event === 2)
    t.match(second, { frame: secondAt, timestamp: secondAt * 160, marker: true })
    t.equal(result.frames, frames, 'audio has the next frame')
  }
})

t.test('a pause is half a second without packets', async t => {
  for (const pause of ['w', 'W', ',']) {
    const { packets } = run(`1${pause}2`, { durationMs: 80, gapMs: 80 })
    t.equal(packets.find(({ event }) => event === 2)!.frame, 8 + 25)
  }
  t.equal(run('ww').frames, 50)
})

t.test('duration in the units of the clock rate', async t => {
  for (const clockRate of [8000, 16_000, 48_000]) {
    const { packets } = run('1', { durationMs: 100 }, { clockRate })
    t.equal(packets.at(-1)!.duration, clockRate / 10)
    t.equal(packets[0]!.duration, clockRate / 50)
  }
})

t.test('a duration that is not a whole number of frames is said exactly', async t => {
  const { packets } = run('1', { durationMs: 90 })
  t.same(
    packets.map(({ duration }) => duration),
    [160, 320, 480, 640, 720, 720, 720],
  )
})

t.test('the volume is what was asked for, in -dBm0', async t => {
  t.equal(run('1', { volumeDbm0: 0 }).packets[0]!.volume, 0)
  t.equal(run('1', { volumeDbm0: -63 }).packets[0]!.volume, 63)
})

t.test('the timestamp wraps within an event', async t => {
  const { packets } = run('1', { durationMs: 80 }, { from: 2 ** 32 - 100 })
  t.same(new Set(packets.map(({ timestamp }) => timestamp)), new Set([2 ** 32 - 100]))
  t.equal(packets.at(-1)!.duration, 640)
})

t.test('an event longer than 0xFFFF units goes on in segments (RFC 4733 §2.5.1.3)', async t => {
  const { packets } = run('1', { durationMs: 3000 }, { clockRate: 48_000 })
  const segments = [0, 65_535, 131_070]
  t.same([...new Set(packets.map(({ timestamp }) => timestamp))], segments)
  for (const start of segments.slice(0, 2)) {
    const last = packets.findLast(({ timestamp }) => timestamp === start)
    t.match(last, { duration: 65_535, end: false }, 'a segment ends at its limit, without the end bit')
  }
  const ends = packets.filter(({ end }) => end)
  t.same(
    ends.map(({ timestamp, duration }) => timestamp + duration),
    [144_000, 144_000, 144_000],
  )
  t.equal(packets.filter(({ marker }) => marker).length, 1, 'one marker, at the very start')
  let reached = 0
  for (const { timestamp, duration } of packets) {
    t.ok(timestamp + duration >= reached, 'time does not run backwards')
    reached = timestamp + duration
  }
})

t.test('after a stall the duration follows the clock; no packets are made up', async t => {
  const sender = new TelephoneEventSender({ clockRate: 8000 })
  sender.start('1', { durationMs: 200 })
  const durations: number[] = []
  for (const frame of [0, 1, 6, 7, 40, 41, 42]) {
    const payload = sender.next(frame * 160)?.payload
    if (payload !== undefined) durations.push(payload[2]! * 256 + payload[3]!)
  }
  t.same(durations, [160, 320, 1120, 1280, 1600, 1600, 1600])
})

t.test('pauses follow the clock where it goes further than a frame between two calls', async t => {
  for (const step of [1, 2, 3]) {
    const sender = new TelephoneEventSender({ clockRate: 8000 })
    sender.start('1w2', { durationMs: 60, gapMs: 240 })
    const begun: number[] = []
    for (let frame = 0; sender.active;) {
      const sent = sender.next(frame * 160)
      if (sent?.marker === true) begun.push(frame * 20)
      frame += sent?.payload === undefined ? step : 1
    }
    t.equal(begun.length, 2)
    t.ok(
      begun[1]! >= 800 && begun[1]! < 800 + 40 * step,
      `every ${step * 20} ms: begun at ${begun.join(' and ')} ms`,
    )
  }
})

t.test('digits may be added while others are sent; clear drops those that wait', async t => {
  const sender = new TelephoneEventSender({ clockRate: 8000 })
  t.equal(sender.active, false)
  t.equal(sender.next(0), undefined)
  sender.start('1')
  t.equal(sender.next(160)!.digit, '1')
  sender.start('23w')
  t.equal(sender.clear(), 2)
  let digits = ''
  for (let frame = 2; sender.active; frame += 1) digits += sender.next(frame * 160)!.digit ?? '.'
  t.match(digits, /^1+\.+$/)
})

t.test('what is no digit is refused before anything is queued, and not repeated in the message', async t => {
  const sender = new TelephoneEventSender({ clockRate: 8000 })
  t.throws(() => sender.start('12x'), { code: 'SIP_OPTION', message: /^digits: character 3/ })
  t.throws(() => sender.start('1', { durationMs: 0 }), { message: /^durationMs: / })
  t.throws(() => sender.start('1', { gapMs: -1 }), { message: /^gapMs: / })
  t.throws(() => sender.start('1', { volumeDbm0: 3 }), { message: /^volumeDbm0: / })
  t.throws(() => sender.start('1'.repeat(1025)), { message: /^digits: / })
  t.equal(sender.active, false)
})
