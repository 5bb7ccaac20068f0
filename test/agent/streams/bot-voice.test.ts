import * as fc from 'fast-check'
import t from 'tap'
import { BotVoice } from '../../../src/agent/streams/bot-voice.ts'
import type { StreamFormat } from '../../../src/agent/streams/dialect.ts'
import { LiveAudioSink } from '../../../src/media/audio/audio-sink.ts'

const ulaw: StreamFormat = { encoding: 'PCMU', sampleRate: 8000 }
const wide: StreamFormat = { encoding: 'L16', sampleRate: 24_000 }

/** A call that takes 20 ms at a time. */
class Line {
  readonly output: LiveAudioSink = new LiveAudioSink({ sampleRate: 8000 })
  readonly marks: (readonly [name: string, reached: boolean, playedMs: number])[] = []
  readonly voice: BotVoice
  playedMs = 0
  #nowMs = 0
  readonly #frame = new Int16Array(160)

  constructor(maxBufferedMs: number = 120_000) {
    this.voice = new BotVoice({
      output: this.output,
      maxBufferedMs,
      onMark: (name, reached) => this.marks.push([name, reached, this.playedMs]),
    })
  }

  pass(ms: number): void {
    for (const end = this.#nowMs + ms; this.#nowMs < end;) {
      this.playedMs += this.output.readFrame(this.#frame) / 8
      this.#nowMs += 20
      this.voice.tick(this.#nowMs)
    }
  }
}

type Step =
  | { readonly do: 'play'; readonly ms: number; readonly format: StreamFormat }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'mark' | 'clear' }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    do: fc.constant('play' as const),
    ms: fc.integer({ min: 1, max: 300 }),
    format: fc.constantFrom(ulaw, wide),
  }),
  fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 10 }).map(n => 20 * n) }),
  fc.constantFrom({ do: 'mark' as const }, { do: 'mark' as const }, { do: 'clear' as const }),
)

t.test('every mark comes back once, in order, and never before its audio was heard', async () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const line = new Line()
      const set: { readonly name: string; readonly earliestMs: number }[] = []
      let givenMs = 0
      for (const each of steps) {
        if (each.do === 'play') {
          const samples = (each.ms * each.format.sampleRate) / 1000
          line.voice.play(new Uint8Array(samples * (each.format === wide ? 2 : 1)).fill(1), each.format)
          givenMs += each.ms
        } else if (each.do === 'pass') line.pass(each.ms)
        else if (each.do === 'clear') {
          line.voice.clear()
          givenMs = line.playedMs
          if (line.marks.length !== set.length) return false
        } else {
          set.push({ name: String(set.length), earliestMs: givenMs })
          line.voice.mark(String(set.length - 1))
        }
      }
      line.pass(60 * 300 + 200)
      return (
        line.marks.length === set.length &&
        line.marks.every(
          ([name, reached, playedMs], at) =>
            name === set[at]?.name && (!reached || playedMs >= (set[at]?.earliestMs ?? 0) - 1),
        )
      )
    }),
    { numRuns: 300 },
  )
})

t.test(
  'the rest of a sentence that fills no packet is heard 60 ms later, and its mark comes back',
  async t => {
    for (const format of [ulaw, wide]) {
      const line = new Line()
      line.voice.play(new Uint8Array(25 * (format === wide ? 48 : 8)).fill(1), format)
      line.voice.mark('end')
      line.pass(40)
      t.same(line.marks, [])
      line.pass(80)
      t.match(line.marks, [['end', true]])
      t.equal(line.output.bufferedMs, 0)
      t.ok(line.playedMs >= 25, `${line.playedMs} ms heard`)
    }
  },
)

t.test('what is above the bound is dropped, from its end, and counted', async t => {
  const line = new Line(1000)
  for (let i = 0; i < 20; i += 1) line.voice.play(new Uint8Array(800), ulaw)
  t.equal(line.output.bufferedMs, 1000)
  t.equal(line.voice.droppedMs, 1000)
  line.pass(500)
  line.voice.play(new Uint8Array(8000), ulaw)
  t.equal(line.output.bufferedMs, 1000)
  t.equal(line.voice.droppedMs, 1500)
})
