import { CallSoundDetector } from '../src/media/audio/call-sounds.ts'
import { LiveAudioSink } from '../src/media/audio/audio-sink.ts'
import { VoiceActivityDetector } from '../src/media/audio/voice-activity.ts'
import { benchLine, measure } from './harness.ts'
import type { BenchLine, BenchOptions } from './harness.ts'

/** Something between speech and noise, which takes every branch now and then. */
function sound(length: number): Int16Array {
  return Int16Array.from({ length }, (_, i) => 9000 * Math.sin(i * i * 1e-4) * Math.sin(i * 1e-3))
}

/** CPU of 20 ms of one stream: listening to it, and sending it at another volume beside sending it as it is. */
export async function run({ short }: BenchOptions): Promise<readonly BenchLine[]> {
  const operations = short ? 200 : 5000
  const lines: BenchLine[] = []
  for (const sampleRate of [8000, 16_000, 48_000]) {
    const detector = new VoiceActivityDetector({ sampleRate })
    const frame = sound(sampleRate / 50)
    const work = (count: number): void => {
      for (let i = 0; i < count; i += 1) detector.push(frame)
    }
    const [voice] = await measure([{ name: 'voice', run: work }], { operations })
    lines.push(
      benchLine({
        name: `voice activity at ${sampleRate / 1000} kHz, 20 ms`,
        figure: voice!.cpuMicros,
        unit: 'µs',
      }),
    )
  }
  const sounds = new CallSoundDetector()
  const frame = sound(160)
  let at = 0
  const listen = (count: number): void => {
    for (let i = 0; i < count; i += 1, at += 20) sounds.push(frame, at)
  }
  const [heard] = await measure([{ name: 'sounds', run: listen }], { operations })
  lines.push(
    benchLine({ name: 'tones, beeps and speech of a call, 20 ms', figure: heard!.cpuMicros, unit: 'µs' }),
  )

  const plain = new LiveAudioSink({ sampleRate: 8000 })
  const louder = new LiveAudioSink({ sampleRate: 8000 })
  louder.volumeDb = 3
  const out = new Int16Array(160)
  const send = (sink: LiveAudioSink) => (count: number) => {
    for (let i = 0; i < count; i += 1) {
      void sink.write(frame)
      sink.readFrame(out)
    }
  }
  const [scaled, asItIs] = await measure(
    [
      { name: 'volume', run: send(louder) },
      { name: 'plain', run: send(plain) },
    ],
    { operations },
  )
  lines.push(
    benchLine({
      name: 'a frame written and sent at another volume',
      figure: scaled!.cpuMicros,
      unit: 'µs',
      reference: { name: 'as it is', figure: asItIs!.cpuMicros },
    }),
  )
  return lines
}
