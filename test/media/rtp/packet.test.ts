import t from 'tap'
import {
  headerExtensions,
  packHeaderExtensions,
  parseRtp,
  parseRtpInto,
  RtpView,
  writeRtp,
  writeRtpHeader,
} from '../../../src/media/rtp/packet.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'

const payload = Uint8Array.of(1, 2, 3, 4)
const plain = { payloadType: 0, sequence: 0xfffe, timestamp: 0xfedcba98, ssrc: 0x89abcdef, payload }

function packet(fields: Partial<Parameters<typeof writeRtp>[1]> = {}): Uint8Array {
  const out = new Uint8Array(400)
  return out.subarray(0, writeRtp(out, { ...plain, ...fields }))
}

t.test('the header is laid out as RFC 3550 §5.1 draws it', async t => {
  t.same(
    [...packet({ marker: true, payloadType: 101, csrcs: [1] })],
    [0x81, 0xe5, 0xff, 0xfe, 0xfe, 0xdc, 0xba, 0x98, 0x89, 0xab, 0xcd, 0xef, 0, 0, 0, 1, 1, 2, 3, 4],
  )
})

t.test('what is written is read back', async t => {
  const random = seededRandom(3550)
  for (let round = 0; round < 500; round += 1) {
    const fields = {
      payloadType: random.integer(0, 127),
      marker: random.integer(0, 1) === 1,
      sequence: random.integer(0, 0xffff),
      timestamp: random.uint32(),
      ssrc: random.uint32(),
      csrcs: Array.from({ length: random.integer(0, 15) }, () => random.uint32()),
      payload: random.bytes(random.integer(0, 200)),
      padding: random.integer(0, 255),
      ...(random.integer(0, 1) === 1 && {
        extension: { profile: random.integer(0, 0xffff), data: random.bytes(4 * random.integer(0, 5)) },
      }),
    }
    const out = new Uint8Array(800)
    const view = parseRtp(out.subarray(0, writeRtp(out, fields)))
    if (view === undefined) throw new Error('our own packet does not parse')
    t.same(
      {
        payloadType: view.payloadType,
        marker: view.marker,
        sequence: view.sequence,
        timestamp: view.timestamp,
        ssrc: view.ssrc,
        csrcs: Array.from({ length: view.csrcCount }, (_, index) => view.csrc(index)),
        payload: [...view.payload],
        profile: view.extensionProfile,
      },
      {
        payloadType: fields.payloadType,
        marker: fields.marker,
        sequence: fields.sequence,
        timestamp: fields.timestamp,
        ssrc: fields.ssrc,
        csrcs: fields.csrcs,
        payload: [...fields.payload],
        profile: fields.extension?.profile ?? -1,
      },
    )
  }
})

t.test('the payload is a view of the received octets, not a copy', async t => {
  const bytes = packet()
  t.equal(parseRtp(bytes)!.payload.buffer, bytes.buffer)
})

const broken: Record<string, Uint8Array> = {
  'nothing at all': new Uint8Array(0),
  'eleven octets': packet().subarray(0, 11),
  'version 1': Uint8Array.from(packet(), (octet, index) => (index === 0 ? 0x40 : octet)),
  'version 3': Uint8Array.from(packet(), (octet, index) => (index === 0 ? 0xc0 : octet)),
  'more CSRCs than octets': Uint8Array.from(packet(), (octet, index) => (index === 0 ? 0x8f : octet)),
  'an extension cut in its header': packet({
    extension: { profile: 0xbede, data: new Uint8Array(4) },
  }).subarray(0, 14),
  'an extension longer than the packet': Uint8Array.from(
    packet({ extension: { profile: 0xbede, data: new Uint8Array(4) } }),
    (octet, index) => (index === 15 ? 200 : octet),
  ),
  'padding of 0': Uint8Array.from(packet({ padding: 4 }), (octet, index) => (index === 19 ? 0 : octet)),
  'padding over the header': Uint8Array.from(packet({ padding: 4 }), (octet, index) =>
    index === 19 ? 9 : octet,
  ),
}
for (const [what, bytes] of Object.entries(broken)) {
  t.test(`${what} is no packet`, async t => t.equal(parseRtp(bytes), undefined))
}

t.test('padding may take the whole payload', async t => {
  t.equal(parseRtp(packet({ payload: new Uint8Array(0), padding: 8 }))!.payloadLength, 0)
})

t.test('a view that is used again keeps nothing of the packet before', async t => {
  const view = new RtpView()
  t.ok(
    parseRtpInto(
      view,
      packet({ marker: true, csrcs: [7, 8], extension: { profile: 0xbede, data: new Uint8Array(8) } }),
    ),
  )
  t.ok(parseRtpInto(view, packet()))
  t.match(view, { marker: false, csrcCount: 0, extensionProfile: -1, extensionLength: 0, payloadLength: 4 })
  t.throws(() => view.csrc(0), RangeError)
})

t.test('writing refuses what the header cannot say', async t => {
  const out = new Uint8Array(64)
  t.throws(() => writeRtp(out, { ...plain, csrcs: Array.from({ length: 16 }, () => 1) }), RangeError)
  t.throws(() => writeRtp(out, { ...plain, extension: { profile: 1, data: new Uint8Array(3) } }), RangeError)
  t.throws(() => writeRtp(out, { ...plain, padding: 256 }), RangeError)
  t.throws(() => writeRtp(out, { ...plain, payload: new Uint8Array(60) }), RangeError)
})

t.test('sequence and timestamp are cut to their width', async t => {
  const out = new Uint8Array(12)
  writeRtpHeader(out, 8, false, 0x1_0001, 0x1_0000_0002, 3)
  t.match(parseRtp(out), { sequence: 1, timestamp: 2, ssrc: 3 })
})

const oneByte = [
  { id: 1, data: Uint8Array.of(0x80) },
  { id: 14, data: new Uint8Array(16).fill(5) },
]
const twoByte = [
  { id: 1, data: new Uint8Array(0) },
  { id: 200, data: new Uint8Array(17).fill(6) },
]
for (const [form, profile, elements] of [
  ['one-byte', 0xbede, oneByte],
  ['two-byte', 0x1000, twoByte],
] as const) {
  t.test(`header extensions go there and back in the ${form} form (RFC 8285)`, async t => {
    const extension = packHeaderExtensions(elements)
    t.equal(extension.profile, profile)
    const view = parseRtp(packet({ extension }))!
    t.same(
      headerExtensions(view).map(({ id, data }) => ({ id, data: Array.from(data) })),
      elements.map(({ id, data }) => ({ id, data: Array.from(data) })),
    )
  })
}

t.test(
  'header extensions: padding is skipped, id 15 ends, what does not fit ends (RFC 8285 §4.2)',
  async t => {
    const rows: [number, number[], number[]][] = [
      [0xbede, [0x10, 9, 0, 0, 0, 0x20, 8, 0], [1, 2]],
      [0xbede, [0x10, 9, 0xf0, 0x20, 8, 0, 0, 0], [1]],
      [0xbede, [0x10, 9, 0x2f, 0], [1]],
      [0xbede, [0x00, 0x10, 9, 0], [1]],
      [0x1005, [3, 1, 9, 4, 0, 0, 0, 0], [3, 4]],
      [0x1000, [3, 1, 9, 4], [3]],
      [0x1000, [3, 9, 9, 4], []],
      [0xabcd, [0x10, 9, 0, 0], []],
    ]
    for (const [profile, data, ids] of rows) {
      const view = parseRtp(packet({ extension: { profile, data: Uint8Array.from(data) } }))!
      t.same(
        headerExtensions(view).map(({ id }) => id),
        ids,
      )
    }
    t.same(headerExtensions(parseRtp(packet())!), [])
  },
)

t.test('header extensions that fit no form are refused', async t => {
  t.throws(() => packHeaderExtensions([{ id: 0, data: new Uint8Array(1) }]), RangeError)
  t.throws(() => packHeaderExtensions([{ id: 1, data: new Uint8Array(256) }]), RangeError)
})

t.test('60,000 random and mutated packets: never a throw, never an offset outside the packet', async t => {
  const random = seededRandom(8285)
  const view = new RtpView()
  let parsed = 0
  for (let round = 0; round < 60_000; round += 1) {
    let bytes = random.bytes(random.integer(0, 64))
    if (round % 3 > 0) {
      bytes = packet({
        csrcs: [1, 2].slice(0, round % 3),
        padding: round % 5,
        extension: packHeaderExtensions(round % 2 === 0 ? oneByte : twoByte),
      }).slice(0, random.integer(8, 80))
      for (let flips = random.integer(0, 3); flips > 0; flips -= 1) {
        bytes[random.integer(0, bytes.length - 1)] = random.integer(0, 255)
      }
    }
    if (!parseRtpInto(view, bytes)) continue
    parsed += 1
    const inside =
      view.payloadOffset >= 12 &&
      view.payloadOffset + view.payloadLength <= bytes.length &&
      view.payload.length === view.payloadLength &&
      headerExtensions(view).every(
        ({ data }) => data.byteOffset + data.length <= bytes.byteOffset + bytes.length,
      )
    if (!inside) throw new Error(`round ${round} reads outside of the packet`)
  }
  t.ok(parsed > 10_000, 'many of them do parse')
})
