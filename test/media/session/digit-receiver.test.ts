import * as fc from 'fast-check'
import t from 'tap'
import { RtpView, parseRtpInto, writeRtpHeader, RTP_HEADER_LENGTH } from '../../../src/media/rtp/packet.ts'
import { TELEPHONE_EVENT_DIGITS, TelephoneEventSender } from '../../../src/media/rtp/telephone-event.ts'
import { DigitReceiver } from '../../../src/media/session/digit-receiver.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'

interface Packet {
  readonly at: number
  readonly bytes: Uint8Array
  /** Which digit of the string it belongs to. */
  readonly index: number
  readonly end: boolean
}

/** The packets of a string of digits as our own sender makes them, one every 20 ms. */
function send(digits: string, durationMs = 160, gapMs = 80): Packet[] {
  const sender = new TelephoneEventSender({ clockRate: 8000 })
  sender.start(digits, { durationMs, gapMs })
  const packets: Packet[] = []
  let index = -1
  for (let frame = 0; sender.active; frame += 1) {
    const event = sender.next(frame * 160)
    if (event?.payload === undefined) continue
    if (event.marker) index += 1
    const bytes = new Uint8Array(RTP_HEADER_LENGTH + event.payload.length)
    writeRtpHeader(bytes, 101, event.marker, packets.length, event.timestamp, 7)
    bytes.set(event.payload, RTP_HEADER_LENGTH)
    packets.push({ at: frame * 20, bytes, index, end: (event.payload[1] ?? 0) >= 0x80 })
  }
  return packets
}

/** What is told of them, in order: `+` and the digit for a start, `-` and the digit for an end. */
function told(packets: readonly Packet[]): string[] {
  const notices: string[] = []
  const receiver = new DigitReceiver({
    onDigitStart: ({ digit }) => notices.push(`+${digit}`),
    onDigit: ({ digit }) => notices.push(`-${digit}`),
  })
  const view = new RtpView()
  for (const { at, bytes } of packets.toSorted((a, b) => a.at - b.at)) {
    receiver.expire(at)
    parseRtpInto(view, bytes)
    receiver.packet(view, 8000, at)
  }
  receiver.flush()
  return notices
}

const inTurn = (digits: string): string[] => digits.split('').flatMap(digit => [`+${digit}`, `-${digit}`])

t.test(
  'a start with the first packet, an end with the first end packet, nothing with the others',
  async t => {
    const notices: [number, string][] = []
    let at = 0
    const receiver = new DigitReceiver({
      onDigitStart: ({ digit, durationMs, timestamp }) =>
        notices.push([at, `+${digit} ${durationMs} ${timestamp}`]),
      onDigit: ({ digit, durationMs, timestamp }) =>
        notices.push([at, `-${digit} ${durationMs} ${timestamp}`]),
    })
    const view = new RtpView()
    for (const packet of send('4')) {
      at = packet.at
      parseRtpInto(view, packet.bytes)
      receiver.packet(view, 8000, at)
    }
    t.same(notices, [
      [0, '+4 20 0'],
      [140, '-4 160 0'],
    ])
  },
)

const text = '1159*#0D!'
const losses: [string, (packet: Packet, position: number, all: readonly Packet[]) => boolean][] = [
  ['nothing', () => true],
  ['the first packet of each', ({ index }, position, all) => all[position - 1]?.index === index],
  ['all but the ends', ({ end }) => end],
  ['all ends', ({ end }) => !end],
  ['all but the last end', ({ index }, position, all) => all[position + 1]?.index !== index],
]
for (const [lost, keep] of losses) {
  t.test(`${lost} lost: each digit begins once, then ends once, before the next begins`, async t => {
    t.same(told(send(text).filter(keep)), inTurn(text))
  })
}

t.test('the same key twice with the ends lost: the second press is a start of its own', async t => {
  t.same(told(send('55').filter(({ end }) => !end)), ['+5', '-5', '+5', '-5'])
})

t.test('a digit under way when the clock rate changes is over when the next one begins', async t => {
  const notices: string[] = []
  const receiver = new DigitReceiver({
    onDigitStart: ({ digit }) => notices.push(`+${digit}`),
    onDigit: ({ digit }) => notices.push(`-${digit}`),
  })
  const view = new RtpView()
  const [first] = send('1')
  const [other] = send('2')
  if (first === undefined || other === undefined) throw new Error('no packets')
  parseRtpInto(view, first.bytes)
  receiver.packet(view, 8000, 0)
  parseRtpInto(view, other.bytes)
  receiver.packet(view, 48_000, 20)
  t.same(notices, ['+1', '-1', '+2'])
  receiver.expire(250)
  t.same(notices, ['+1', '-1', '+2'])
  receiver.flush()
  t.same(notices, ['+1', '-1', '+2', '-2'])
})

t.test(
  'property: whatever is lost, doubled or overtaken, each digit has one start and one end after it',
  async t => {
    const digits = fc.string({
      unit: fc.constantFrom(...TELEPHONE_EVENT_DIGITS.split('')),
      minLength: 1,
      maxLength: 20,
    })
    const share = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(digits, fc.integer(), share, (sent, seed, loss) => {
        const random = seededRandom(seed)
        const packets = send(sent)
          .filter(() => random.float() >= loss)
          .flatMap(packet =>
            Array.from({ length: random.integer(1, 2) }, () => ({
              ...packet,
              at: packet.at + random.float() * 100,
            })),
          )
        const open = new Map<string, number>()
        let ends = ''
        for (const notice of told(packets)) {
          const digit = notice.slice(1)
          const starts = (open.get(digit) ?? 0) + (notice.startsWith('+') ? 1 : -1)
          // Two of the same key at once would be a start without an end, less than none an end without a start.
          if (starts < 0 || starts > 1) return false
          open.set(digit, starts)
          if (notice.startsWith('-')) ends += digit
        }
        const arrived = new Set(packets.map(({ index }) => index))
        const expected = sent.split('').filter((_, index) => arrived.has(index))
        return [...open.values()].every(starts => starts === 0) && ends.length <= expected.length
      }),
      { numRuns: 500 },
    )
    t.pass()
  },
)

t.test(
  'property: where one packet of each digit comes in time, starts and ends are told in turn',
  async t => {
    const digits = fc.string({
      unit: fc.constantFrom(...TELEPHONE_EVENT_DIGITS.split('')),
      minLength: 1,
      maxLength: 20,
    })
    fc.assert(
      fc.property(digits, fc.integer(), (sent, seed) => {
        const random = seededRandom(seed)
        const all = send(sent)
        const spared = new Set(
          sent.split('').map((_, index) => {
            const own = all.filter(packet => packet.index === index)
            return own[random.integer(0, own.length - 1)]
          }),
        )
        const packets = all.filter(packet => spared.has(packet) || random.float() < 0.5)
        t.same(told(packets), inTurn(sent))
      }),
      { numRuns: 200 },
    )
  },
)
