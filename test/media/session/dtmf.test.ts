import t from 'tap'
import { loadCodecs } from '../../../src/media/codec/catalogue.ts'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { tone } from '../../../src/media/audio/tones.ts'
import type { DtmfDigit, DtmfStart } from '../../../src/media/session/types.ts'
import { Pair } from './pair.ts'
import { listen, sequenceBreaks } from './wire.ts'

const TWENTY = '1234567890*#ABCD5550'

for (const seed of [1, 2, 3, 4, 5]) {
  t.test(
    `over 5 % loss, reordering and 60 ms of jitter 20 digits arrive once and in order (seed ${seed})`,
    async t => {
      const pair = await Pair.open({
        seed,
        conditions: { delayMs: 30, jitterMs: 60, loss: 0.05, reorder: 0.05, duplicate: 0.02 },
      })
      const wire = listen(pair.network, '10.0.0.1')
      pair.connect()
      const heard = pair.capture(pair.b)
      const digits = collect(pair.b.dtmf())
      void pair.a.output.write(tone({ sampleRate: 8000, hz: 1000, durationMs: 10_000, levelDbfs: -16 }))
      await pair.clock.advance(1000)
      const sent = pair.a.sendDtmf(TWENTY, { durationMs: 100, gapMs: 80 })
      await pair.clock.advance(8000)
      await sent
      t.equal(digits.map(({ digit }) => digit).join(''), TWENTY)
      t.equal(pair.b.stats().dtmfReceived, 20)
      t.equal(pair.a.stats().dtmfSent, 20)
      await pair.a.close()
      await pair.clock.advance(500)
      t.equal(sequenceBreaks(wire), 0)
      // The clock of the audio goes on through the digits: every packet of audio stands where its time of sending is.
      const audio = wire.filter(({ rtp }) => rtp.payloadType === 0)
      const first = audio[0]
      for (const { atMs, rtp } of audio) {
        const elapsed = ((rtp.timestamp - (first?.rtp.timestamp ?? 0)) >>> 0) / 8
        if (elapsed !== atMs - (first?.atMs ?? 0)) t.fail(`timestamp ${elapsed} ms at ${atMs} ms`)
      }
      t.ok(goertzelDbfs(heard.between(6000, 8000), 8000, 1000) > -20, 'and the tone is still there')
      await pair.close()
    },
  )
}

t.test('a digit says how long it was pressed and when, on the clock of the audio', async t => {
  const pair = await Pair.open()
  pair.connect()
  const digits = collect(pair.b.dtmf())
  let called: DtmfDigit | undefined
  pair.b.onDtmf = digit => {
    called = digit
  }
  await pair.clock.advance(1000)
  void pair.a.sendDtmf('7', { durationMs: 200 })
  await pair.clock.advance(1000)
  t.same(called, digits[0])
  t.match(digits, [{ digit: '7', via: 'rtp', durationMs: 200 }])
  const at = digits[0]?.timestampMs ?? 0
  t.ok(at > 980 && at < 1040, `${at} ms`)
  await pair.close()
})

t.test('a digit is told as the key goes down, and again as it is let go', async t => {
  const pair = await Pair.open()
  pair.connect()
  const notices: [number, DtmfStart | DtmfDigit][] = []
  const note = (digit: DtmfStart | DtmfDigit): number => notices.push([pair.clock.now(), digit])
  pair.b.onDtmfStart = note
  pair.b.onDtmf = note
  await pair.clock.advance(1000)
  const pressedAt = pair.clock.now()
  void pair.a.sendDtmf('7', { durationMs: 500 })
  await pair.clock.advance(1000)
  const [started, ended] = notices
  t.equal(notices.length, 2)
  t.match(started?.[1], { digit: '7', via: 'rtp', durationMs: undefined })
  t.match(ended?.[1], { digit: '7', via: 'rtp', durationMs: 500 })
  const afterMs = (started?.[0] ?? NaN) - pressedAt
  t.ok(afterMs <= 45, `told ${afterMs} ms after it was pressed`)
  t.equal((ended?.[0] ?? NaN) - (started?.[0] ?? NaN), 480)
  t.equal(ended?.[1].timestampMs, started?.[1].timestampMs, 'both say when it began')
  await pair.close()
})

t.test('a digit whose start is lost is told late, and says when it began', async t => {
  const pair = await Pair.open()
  pair.connect()
  const starts: DtmfStart[] = []
  pair.b.onDtmfStart = digit => starts.push(digit)
  await pair.clock.advance(1000)
  void pair.a.sendDtmf('3', { durationMs: 400 })
  pair.network.setConditions({ loss: 1 })
  await pair.clock.advance(210)
  t.equal(starts.length, 0)
  pair.network.setConditions({ loss: 0 })
  await pair.clock.advance(1000)
  t.match(starts, [{ digit: '3' }])
  const at = starts[0]?.timestampMs ?? 0
  t.ok(at > 980 && at < 1040, `${at} ms`)
  await pair.close()
})

t.test('audio stops while a digit is sent and goes on where it was', async t => {
  const pair = await Pair.open()
  const wire = listen(pair.network, '10.0.0.1')
  pair.connect()
  const written = tone({ sampleRate: 8000, hz: 1000, durationMs: 1000 })
  void pair.a.output.write(written)
  const flushed = pair.a.output.flush()
  await pair.clock.advance(300)
  const sent = pair.a.sendDtmf('5', { durationMs: 100, gapMs: 60 })
  await pair.clock.advance(3000)
  await sent
  t.same(await flushed, { playedMs: 1000, droppedMs: 0, interrupted: false }, 'nothing of it is missing')
  const events = wire.filter(({ rtp }) => rtp.payloadType !== 0)
  const between = wire.filter(
    ({ atMs, rtp }) =>
      rtp.payloadType === 0 && atMs > (events[0]?.atMs ?? 0) && atMs < (events.at(-1)?.atMs ?? 0),
  )
  t.equal(between.length, 0)
  t.same(
    events.map(({ rtp }) => rtp.marker),
    events.map((_, i) => i === 0),
    'RFC 4733 section 2.5.1.1: marker on the first packet alone',
  )
  t.equal(new Set(events.map(({ rtp }) => rtp.timestamp)).size, 1, 'one timestamp')
  t.equal(
    events.filter(({ rtp }) => (rtp.payload[1] ?? 0) >= 0x80).length,
    3,
    'section 2.5.1.4: the end three times',
  )
  await pair.close()
})

t.test('digits of two calls of sendDtmf never overlap, and each settles when its own are out', async t => {
  const pair = await Pair.open()
  pair.connect()
  const digits = collect(pair.b.dtmf())
  const settled: string[] = []
  void pair.a.sendDtmf('12').then(() => settled.push(`first after ${digits.length}`))
  void pair.a.sendDtmf('34w5').then(() => settled.push(`second after ${digits.length}`))
  await pair.clock.advance(5000)
  t.equal(digits.map(({ digit }) => digit).join(''), '12345')
  t.same(settled, ['first after 2', 'second after 5'])
  const pauseMs = (digits[4]?.timestampMs ?? 0) - (digits[3]?.timestampMs ?? 0)
  t.ok(pauseMs >= 740 && pauseMs <= 780, `w waits half a second: ${pauseMs} ms`)
  await pair.close()
})

t.test('aborting forgets the digits that have not begun', async t => {
  const pair = await Pair.open()
  pair.connect()
  const digits = collect(pair.b.dtmf())
  const controller = new AbortController()
  const running = pair.a.sendDtmf('123456', { signal: controller.signal })
  const waiting = pair.a.sendDtmf('9999', { signal: controller.signal })
  const next = pair.a.sendDtmf('#')
  await pair.clock.advance(300)
  controller.abort(new Error('enough'))
  await t.rejects(running, { message: 'enough' })
  await t.rejects(waiting, { message: 'enough' })
  await t.rejects(pair.a.sendDtmf('1', { signal: controller.signal }), { message: 'enough' })
  await pair.clock.advance(3000)
  await next
  t.equal(digits.map(({ digit }) => digit).join(''), '12#')
  await pair.close()
})

t.test('bad digits are refused at once, and so are digits nobody takes', async t => {
  const pair = await Pair.open()
  await t.rejects(pair.a.sendDtmf('1'), { code: 'SIP_STATE' }, 'nothing is agreed on yet')
  pair.connect()
  await t.rejects(pair.a.sendDtmf('12x'), { code: 'SIP_OPTION', field: 'digits' })
  await t.rejects(pair.a.sendDtmf('1', { durationMs: -5 }), { code: 'SIP_OPTION', field: 'durationMs' })
  await pair.a.sendDtmf('')
  const offer = pair.b
    .createOffer()
    .replace(/a=(rtpmap|fmtp):101.*\r\n/g, '')
    .replace(/^(m=audio.*) 101/m, '$1')
  const pending = pair.a.sendDtmf('123', { via: 'rtp' })
  pair.b.acceptAnswer(pair.a.answerOffer(offer))
  await t.rejects(pending, { code: 'SIP_STATE', message: /telephone events/ })
  await t.rejects(pair.a.sendDtmf('1', { via: 'rtp' }), { code: 'SIP_STATE' })
  await t.rejects(pair.a.sendDtmf('1', { via: 'info' }), { code: 'SIP_STATE', message: /signalling/ })
  await t.rejects(pair.a.sendDtmf('1!'), { code: 'SIP_OPTION', field: 'digits' }, 'a flash has no tone')
  await pair.close()
})

t.test('digits pressed while nobody reads are kept for the next reader, unless it wants none', async t => {
  const pair = await Pair.open()
  pair.connect()
  void pair.a.sendDtmf('12')
  await pair.clock.advance(1000)
  const first = pair.b.dtmf()
  t.equal((await first.next()).value?.digit, '1')
  await first.return?.()
  t.equal((await first.next()).done, true)
  void pair.a.sendDtmf('3')
  await pair.clock.advance(1000)
  const second = collect(pair.b.dtmf())
  await pair.clock.settle()
  t.equal(second.map(({ digit }) => digit).join(''), '23', 'what the first left behind is there too')
  await pair.close()

  const other = await Pair.open()
  other.connect()
  void other.a.sendDtmf('12')
  await other.clock.advance(1000)
  const fresh = collect(other.b.dtmf({ fresh: true }))
  void other.a.sendDtmf('3')
  await other.clock.advance(1000)
  t.equal(fresh.map(({ digit }) => digit).join(''), '3')
  await other.close()
})

t.test('a reader whose signal has aborted before it began takes nothing from the next', async t => {
  const pair = await Pair.open()
  pair.connect()
  void pair.a.sendDtmf('42')
  await pair.clock.advance(1000)
  t.equal((await pair.b.dtmf({ signal: AbortSignal.abort() }).next()).done, true)
  const next = collect(pair.b.dtmf())
  await pair.clock.advance(10)
  t.equal(next.map(({ digit }) => digit).join(''), '42')
  await pair.close()
})

t.test(
  'digits on their way by signalling leave no timer behind when the call ends or they are given up',
  async t => {
    for (const giveUp of [false, true]) {
      const pair = await Pair.open()
      pair.connect()
      pair.a.signalling = { available: true, send: () => Promise.resolve(true) }
      const controller = new AbortController()
      const options = { via: 'info', durationMs: 60_000, signal: controller.signal } as const
      const sent = pair.a.sendDtmf('12', options)
      await pair.clock.advance(1000)
      t.equal(pair.a.stats().dtmfSent, 1)
      if (giveUp) {
        controller.abort()
        await t.rejects(sent, { name: 'AbortError' })
      }
      await pair.close()
      await sent.catch(() => undefined)
      await pair.clock.advance(20)
      t.equal(pair.clock.pendingTimers, 0)
    }
  },
)

t.test('digits under way while the clock of the codec changes: each once, in order', async t => {
  for (const [before, after] of [
    ['PCMU', 'L16/16000'],
    ['opus', 'PCMU'],
  ] as const)
    for (const atMs of [300, 400, 460, 500]) {
      const codecs = await loadCodecs([before, after])
      const pair = await Pair.open({ a: { codecs }, b: { codecs }, conditions: { delayMs: 20 } })
      pair.connect()
      await pair.clock.advance(500)
      const told: string[] = []
      pair.b.onDtmfStart = ({ digit }) => told.push(`${digit} down`)
      pair.b.onDtmf = ({ digit }) => told.push(`${digit} up`)
      const sent = pair.a.sendDtmf('1233456', { durationMs: 100, gapMs: 80 })
      await pair.clock.advance(atMs)
      pair.b.acceptAnswer(pair.a.answerOffer(pair.b.createOffer({ codecs: [after] })))
      await pair.clock.advance(2000)
      t.same(
        told,
        '1233456'.split('').flatMap(digit => [`${digit} down`, `${digit} up`]),
        `${before} to ${after} after ${atMs} ms`,
      )
      await sent
      await pair.close()
    }
})

t.test('digits keep their pauses whatever the length of packets', async t => {
  for (const ptime of [20, 30, 40, 60]) {
    const pair = await Pair.open({ a: { ptime }, b: { ptime } })
    pair.connect()
    const begun: number[] = []
    pair.b.onDtmfStart = ({ timestampMs }) => begun.push(timestampMs)
    await pair.clock.advance(500)
    void pair.a.sendDtmf('12w3', { durationMs: 100, gapMs: 80 })
    await pair.clock.advance(3000)
    t.equal(pair.a.negotiated?.ptime, ptime)
    const apart = begun.slice(1).map((at, i) => at - (begun[i] ?? 0))
    // Up to a packet of audio is completed before each digit and pause.
    t.ok((apart[0] ?? 0) >= 180 && (apart[0] ?? 0) <= 180 + ptime, `${ptime} ms: ${apart[0]} ms apart`)
    t.ok((apart[1] ?? 0) >= 680 && (apart[1] ?? 0) <= 680 + 2 * ptime, `${ptime} ms: ${apart[1]} ms apart`)
    await pair.close()
  }
})

t.test('two readers both get every digit; one that does not read keeps the last 64', async t => {
  const pair = await Pair.open()
  pair.connect()
  const idle = pair.b.dtmf()
  const busy = collect(pair.b.dtmf())
  const many = '1234567890'.repeat(7)
  void pair.a.sendDtmf(many, { durationMs: 60, gapMs: 40 })
  await pair.clock.advance(20_000)
  t.equal(busy.map(({ digit }) => digit).join(''), many)
  t.equal(pair.b.stats().dtmfDropped, 6)
  await pair.close()
  const kept: string[] = []
  for await (const { digit } of idle) kept.push(digit)
  t.equal(kept.join(''), many.slice(6), 'also after the call has ended')
})

t.test('reading ends with the call, and when its signal aborts', async t => {
  const pair = await Pair.open()
  pair.connect()
  const controller = new AbortController()
  const aborted = pair.b.dtmf({ signal: controller.signal }).next()
  const ended = pair.b.dtmf().next()
  controller.abort()
  t.equal((await aborted).done, true)
  const sending = pair.a.sendDtmf('123')
  await pair.close()
  t.equal((await ended).done, true)
  await sending
  t.equal((await pair.b.dtmf().next()).done, true)
  t.equal((await pair.b.dtmf({ signal: controller.signal }).next()).done, true)
  await pair.a.sendDtmf('1')
})

/** What comes, as it comes. */
function collect(digits: AsyncIterable<DtmfDigit>): DtmfDigit[] {
  const seen: DtmfDigit[] = []
  const read = async (): Promise<void> => {
    for await (const digit of digits) seen.push(digit)
  }
  void read()
  return seen
}
