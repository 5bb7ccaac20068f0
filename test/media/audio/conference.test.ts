import t from 'tap'
import { LiveAudioSink } from '../../../src/media/audio/audio-sink.ts'
import { LiveAudioSource } from '../../../src/media/audio/audio-source.ts'
import { Conference } from '../../../src/media/audio/conference.ts'
import type { JoinOptions, Party } from '../../../src/media/audio/conference.ts'
import { goertzelDbfs } from '../../../src/media/audio/goertzel.ts'
import { peak } from '../../../src/media/audio/level.ts'
import { ToneGenerator } from '../../../src/media/audio/tones.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

const tones = [600, 1000, 1500, 2200]

/** Somebody who sounds a tone all the time, and what of the last second is heard where. */
class Phone {
  readonly source: LiveAudioSource
  readonly sink: LiveAudioSink
  readonly heard: Int16Array
  party: Party | undefined
  talks = true
  stalls = false
  #at = 0
  readonly #tone: ToneGenerator
  readonly #frame: Int16Array

  constructor(sampleRate: number, hz: number, levelDbfs: number = -20) {
    this.source = new LiveAudioSource({ sampleRate })
    this.sink = new LiveAudioSink({ sampleRate })
    this.heard = new Int16Array(sampleRate)
    this.#tone = new ToneGenerator({ sampleRate, hz, levelDbfs })
    this.#frame = new Int16Array(sampleRate / 50)
  }

  turn(ms: number): void {
    const frame = this.#frame
    if (!this.stalls) this.source.push(this.talks ? this.#tone.render(frame) : frame.fill(0), ms, false)
    this.sink.readFrame(frame)
    this.heard.set(frame, this.#at)
    this.#at = (this.#at + frame.length) % this.heard.length
  }

  join(conference: Conference, options: Partial<JoinOptions> = {}): Party {
    this.party = conference.join({ input: this.source, output: this.sink, ...options })
    return this.party
  }

  /** Which of the tones it has heard in the last half second. */
  hears(): number[] {
    const rate = this.source.sampleRate
    // Before the ring's seam, which is not always at a whole turn of a tone.
    const half = this.heard.slice(0, rate / 2)
    return tones.filter(hz => goertzelDbfs(half, rate, hz) > -40)
  }
}

async function run(clock: VirtualClock, phones: readonly Phone[], ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 20) {
    for (const phone of phones) phone.turn(at)
    await clock.advance(20)
  }
}

function setUp(rates: readonly number[]): { clock: VirtualClock; conference: Conference; phones: Phone[] } {
  const clock = new VirtualClock()
  const conference = new Conference({ clock })
  const phones = rates.map((rate, index) => new Phone(rate, tones[index]!))
  for (const phone of phones) phone.join(conference)
  return { clock, conference, phones }
}

t.test('everybody hears everybody else and not themselves, whatever their rates', async t => {
  const { clock, phones } = setUp([8000, 16_000, 48_000, 8000])
  await run(clock, phones, 2000)
  for (const [index, phone] of phones.entries()) {
    t.same(
      phone.hears(),
      tones.filter(hz => hz !== tones[index]),
    )
  }
})

t.test('muted, quieter, gone: the others hear it', async t => {
  const { clock, conference, phones } = setUp([8000, 8000, 8000])
  const [a, b, c] = phones as [Phone, Phone, Phone]
  b.party!.mute()
  c.party!.gainDb = -12
  await run(clock, phones, 2000)
  t.same(a.hears(), [1500])
  t.ok(Math.abs(goertzelDbfs(a.heard.slice(0, 4000), 8000, 1500) + 32) < 0.5)
  t.same(b.hears(), [600, 1500], 'who is muted still hears')
  b.party!.unmute()
  a.party!.leave()
  await a.party!.left
  await run(clock, phones, 2000)
  t.same(c.hears(), [1000])
  t.equal(conference.parties.length, 2)
  t.notOk(a.sink.ended, 'what has left can be used for something else')
  for await (const frame of a.source) {
    t.ok(frame)
    break
  }
})

t.test('a whisper is heard by the one it is for', async t => {
  const { clock, phones } = setUp([8000, 8000, 8000])
  const [a, b, c] = phones as [Phone, Phone, Phone]
  a.party!.whisperTo(b.party!)
  await run(clock, phones, 2000)
  t.same(a.hears(), [1000, 1500])
  t.same(b.hears(), [600, 1500])
  t.same(c.hears(), [1000])
  b.party!.leave()
  await run(clock, [a, c], 2000)
  t.same(c.hears(), [], 'when that one has left it is still a whisper')
  a.party!.whisperTo()
  await run(clock, [a, c], 2000)
  t.same(c.hears(), [600])
})

t.test('one that sends nothing, or too much at once, delays nobody and stays within 80 ms', async t => {
  const { clock, phones } = setUp([8000, 8000, 8000])
  const [a, b, c] = phones as [Phone, Phone, Phone]
  await run(clock, phones, 1000)
  b.stalls = true
  await run(clock, phones, 2000)
  t.same(a.hears(), [1500])
  for (let i = 0; i < 40; i += 1) {
    b.source.push(new Int16Array(160), 0, false)
    await clock.advance(0)
  }
  b.stalls = false
  await run(clock, phones, 2000)
  t.same(a.hears(), [1000, 1500])
  t.ok(b.party!.droppedMs >= 700, `${b.party!.droppedMs}`)
  for (const phone of phones) t.ok(phone.sink.bufferedMs <= 80)
  t.equal(c.party!.droppedMs, 0)
})

t.test('the delay through the mix is 60 ms at most', async t => {
  const { clock, phones } = setUp([8000, 8000])
  const [a, b] = phones as [Phone, Phone]
  a.talks = false
  b.talks = false
  await run(clock, phones, 1000)
  a.talks = true
  let turns = 0
  for (; turns < 10 && peak(b.heard) === 0; turns += 1) await run(clock, phones, 20)
  t.ok(turns <= 3, `${turns * 20} ms`)
})

t.test('loud parties together do not overflow: no step as of a sample that wrapped', async t => {
  const clock = new VirtualClock()
  const conference = new Conference({ clock, sampleRate: 8000 })
  const phones = tones.map(() => new Phone(8000, 300, -6))
  for (const phone of phones) phone.join(conference)
  await run(clock, phones, 2000)
  for (const phone of phones) {
    t.ok(peak(phone.heard) <= 32_767)
    t.ok(goertzelDbfs(phone.heard.slice(0, 4000), 8000, 300) > -3, 'louder than one alone')
    let most = 0
    for (let i = 1; i < 4000; i += 1) most = Math.max(most, Math.abs(phone.heard[i]! - phone.heard[i - 1]!))
    t.ok(most < 20_000, `${most}`)
  }
})

t.test('levels and the active speaker', async t => {
  const clock = new VirtualClock()
  const conference = new Conference({ clock, sampleRate: 8000 })
  const phones = [new Phone(8000, 600), new Phone(8000, 1000)]
  const [a, b] = phones as [Phone, Phone]
  for (const phone of phones) {
    phone.talks = false
    phone.join(conference)
  }
  await run(clock, phones, 500)
  t.equal(conference.activeSpeaker, undefined)
  a.talks = true
  await run(clock, phones, 300)
  t.equal(conference.activeSpeaker, a.party)
  t.ok(a.party!.speaking)
  t.notOk(b.party!.speaking)
  t.ok(Math.abs(a.party!.levelDbfs + 20) < 1)
  a.talks = false
  await run(clock, phones, 1000)
  t.equal(conference.activeSpeaker, a.party)
  b.talks = true
  await run(clock, phones, 300)
  t.equal(conference.activeSpeaker, b.party)
})

t.test('a call that ends leaves; the last one stops the clock; a full conference says so', async t => {
  const clock = new VirtualClock()
  const conference = new Conference({ clock, maxParties: 2 })
  const phones = [new Phone(8000, 600), new Phone(8000, 1000)]
  for (const phone of phones) phone.join(conference)
  t.throws(() => new Phone(8000, 1500).join(conference), { code: 'SIP_LIMIT' })
  phones[0]!.source.end()
  await phones[0]!.party!.left
  phones[1]!.sink.end()
  await run(clock, [phones[1]!], 40)
  await phones[1]!.party!.left
  t.equal(conference.parties.length, 0)
  t.throws(() => new Conference({ clock, maxParties: 0 }), /maxParties/)
  t.throws(() => new Conference({ clock, sampleRate: 7000 }), /sampleRate/)
  const again = new Phone(8000, 600)
  again.join(conference)
  conference.close()
  t.equal(conference.parties.length, 0)
})

t.test('who leaves in mid-word, or whose input ends, fades away without a click', async t => {
  for (const way of ['leave', 'end'] as const) {
    let step = 0
    // Frames of 237 Hz end anywhere in its turn.
    for (let frames = 8; frames < 20; frames += 1) {
      const clock = new VirtualClock()
      const conference = new Conference({ clock })
      const listener = new Phone(16_000, 1500, -Infinity)
      const speaker = new Phone(16_000, 237)
      listener.join(conference)
      const party = speaker.join(conference)
      await run(clock, [listener, speaker], frames * 20)
      if (way === 'leave') party.leave()
      else speaker.source.end()
      await run(clock, [listener], 200)
      const { heard } = listener
      t.ok(peak(heard) > 4000)
      t.equal(peak(heard.subarray(frames * 320 + 1600)), 0)
      for (let i = 1; i < heard.length; i += 1) step = Math.max(step, Math.abs(heard[i]! - heard[i - 1]!))
    }
    // The way into silence takes an eighth of what is left with each sample.
    t.ok(step <= 4634 / 8 + 10, `${step} from sample to sample at most, when they ${way}`)
  }
})

t.test('a rate without whole samples in 20 ms is refused', async t => {
  t.throws(() => new Conference({ clock: new VirtualClock(), sampleRate: 11_025 }), /sampleRate: 11025/)
})
