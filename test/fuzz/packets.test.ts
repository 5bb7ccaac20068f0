import t from 'tap'
import { classifyPacket } from '../../src/media/rtp/demux.ts'
import { JitterBuffer } from '../../src/media/rtp/jitter-buffer.ts'
import { headerExtensions, parseRtp, writeRtp } from '../../src/media/rtp/packet.ts'
import { parseRtcp, writeRtcp } from '../../src/media/rtp/rtcp.ts'
import { ReceptionStatistics } from '../../src/media/rtp/statistics.ts'
import { TelephoneEventReceiver } from '../../src/media/rtp/telephone-event-receiver.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { growthOf } from '../support/heap.ts'
import { mutate } from '../support/mutate.ts'

const total = 60_000
const perRound = 3000
const eventType = 101

const audio = new Uint8Array(160).fill(0x55)
const report = writeRtcp([
  {
    type: 'receiver-report',
    ssrc: 0x1234,
    reports: [],
  },
])

/** All that stands between a socket and the decoder. */
class Receiver {
  readonly #statistics = new ReceptionStatistics({ clockRate: 8000 })
  readonly #jitter = new JitterBuffer({
    clockRate: 8000,
    durationMsOf: (payload, payloadType) => (payloadType === 0 || payloadType === 8 ? payload.length / 8 : 0),
  })
  readonly #events = new TelephoneEventReceiver({ clockRate: 8000 })
  digits = 0
  frames = 0
  reports = 0
  #now = 0

  receive(bytes: Uint8Array): void {
    this.#now += 20
    const kind = classifyPacket(bytes)
    if (kind === 'rtcp') this.reports += parseRtcp(bytes)?.length ?? 0
    const packet = parseRtp(bytes)
    if (packet !== undefined) {
      const { sequence, timestamp, ssrc, marker, payload, payloadType } = packet
      headerExtensions(packet)
      for (let index = 0; index < packet.csrcCount; index += 1) packet.csrc(index)
      const isEvent = payloadType === eventType
      this.#statistics.receive(sequence, timestamp, ssrc, payload.length, this.#now, !isEvent)
      if (isEvent) {
        this.#jitter.pushOther(sequence, ssrc)
        this.digits += this.#events.receive(payload, timestamp, sequence, marker, ssrc, this.#now).length
      } else {
        this.#jitter.push(sequence, timestamp, payload, payloadType, marker, ssrc, this.#now)
      }
    }
    this.digits += this.#events.expire(this.#now).length
    const playout = this.#jitter.pull(this.#now)
    if (!(playout.durationMs > 0)) throw new Error(`pulled ${playout.kind} of ${playout.durationMs} ms`)
    if (['normal', 'shrink', 'grow'].includes(playout.kind)) this.frames += 1
    this.#statistics.snapshot()
    this.#jitter.snapshot()
  }
}

t.test(
  `${total} spoiled packets pass from socket to play-out without a fault, and leave nothing behind`,
  t => {
    const receiver = new Receiver()
    const round = (seed: number): void => {
      const random = seededRandom(seed)
      for (let index = 0; index < perRound; index += 1) receiver.receive(mutate(packetOf(index), random))
    }
    const growth = growthOf(round, { warmUp: 4, rounds: total / perRound - 4 })
    t.ok(receiver.frames > total / 20, `${receiver.frames} frames were played`)
    t.ok(receiver.digits > 100, `${receiver.digits} digits were heard`)
    t.ok(receiver.reports > 100, `${receiver.reports} reports were read`)
    t.ok(growth < 6e6, `grew by ${growth} octets`)
    t.end()
  },
)

/** A sender's stream: audio, now and then an event or a report, a header extension and a contributing source. */
function packetOf(index: number): Uint8Array {
  if (index % 50 === 49) return report
  const out = new Uint8Array(400)
  const isEvent = index % 10 === 7
  const length = writeRtp(out, {
    payloadType: isEvent ? eventType : 0,
    sequence: index & 0xffff,
    timestamp: index * 160,
    ssrc: 0x1234,
    marker: index === 0,
    payload: isEvent ? event(index % 16) : audio,
    ...(index % 5 === 0 ? { csrcs: [1, 2] } : {}),
    ...(index % 7 === 0 ? { extension: { profile: 0xbede, data: Uint8Array.of(0x10, 0xff, 0, 0) } } : {}),
  })
  return out.subarray(0, length)
}

function event(code: number): Uint8Array {
  return Uint8Array.of(code, 0x8a, 0x03, 0x20)
}
