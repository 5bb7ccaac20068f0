/**
 * What is left of speech after the network: whole calls in the lab, one side speaking, the other listening, the network
 * between them as bad as the line says. Deterministic: the same figures on every machine. The score is explained in
 * support/sound-quality.ts.
 */

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WavReader } from '../src/media/audio/wav-reader.ts'
import { Resampler } from '../src/media/codec/resampler.ts'
import { createLab } from '../src/testing/lab.ts'
import type { NetworkConditions } from '../src/testing/network/conditions.ts'
import type { BenchLine, BenchOptions } from './harness.ts'
import { soundQuality } from './support/sound-quality.ts'

interface Condition {
  readonly name: string
  readonly network: NetworkConditions
  /** How far the speaker's clock is off. */
  readonly ppm?: number
  readonly codec?: string
  /** The last minute is what is listened to. Default one minute. */
  readonly minutes?: number
}

/** One way, added by the network to everything below. */
const delayMs = 20
const sampleRate = 8000
const spokenMs = 24_000

const conditions: readonly Condition[] = [
  { name: 'nothing wrong', network: {} },
  { name: 'loss 1 %', network: { loss: 0.01 } },
  { name: 'loss 5 %', network: { loss: 0.05 } },
  { name: 'loss 10 %', network: { loss: 0.1 } },
  { name: 'loss 20 %', network: { loss: 0.2 } },
  { name: 'loss 5 % in bursts of 4', network: { burstLoss: { enter: 0.013, leave: 0.25 } } },
  { name: 'jitter 20 ms', network: { jitterMs: 20 } },
  { name: 'jitter 50 ms', network: { jitterMs: 50 } },
  { name: 'jitter 100 ms', network: { jitterMs: 100 } },
  { name: 'jitter 60 ms, loss 5 %, reordering', network: { jitterMs: 60, loss: 0.05, reorder: 0.02 } },
  { name: 'clock 200 ppm fast, an hour', network: { jitterMs: 10 }, ppm: 200, minutes: 60 },
  { name: 'clock 200 ppm slow, an hour', network: { jitterMs: 10 }, ppm: -200, minutes: 60 },
  { name: 'G.722, nothing wrong', network: {}, codec: 'G722' },
  { name: 'G.722, jitter 30 ms, loss 5 %', network: { jitterMs: 30, loss: 0.05 }, codec: 'G722' },
  { name: 'Opus, nothing wrong', network: {}, codec: 'opus' },
  { name: 'Opus, jitter 30 ms, loss 5 %', network: { jitterMs: 30, loss: 0.05 }, codec: 'opus' },
]

export async function run({ short }: BenchOptions): Promise<readonly BenchLine[]> {
  const speech = await readSpeech()
  const lines: BenchLine[] = []
  for (const condition of short ? conditions.slice(0, 3) : conditions) {
    const heard = await listen(condition, speech)
    const { fwSnrSegDb, delayMs: lag } = soundQuality(heard.said, heard.heard, {
      sampleRate,
      mostDelayMs: 400,
    })
    lines.push({
      name: `speech over: ${condition.name}`,
      figure: fwSnrSegDb,
      unit: 'dB of 35',
      note: `${(lag - delayMs).toFixed(0)} ms added, ${(heard.concealedShare * 100).toFixed(1)} % concealed`,
    })
  }
  return lines
}

interface Heard {
  readonly said: Int16Array
  readonly heard: Int16Array
  readonly concealedShare: number
}

async function listen(condition: Condition, speech: Int16Array): Promise<Heard> {
  const { network, ppm = 0, codec = 'PCMU', minutes = 1 } = condition
  const lab = createLab({ seed: 11, network: { ...network, delayMs }, limitMs: 4_000_000 })
  const listener = await lab.endpoint('listener.lab', { codecs: [codec] })
  const speaker = await lab.endpoint('speaker.lab', { codecs: [codec], clockPpm: ppm })
  const frames: Int16Array[] = []
  let listening = false
  let concealedShare = 0
  void listener.serve(async call => {
    const { input } = await call.answer()
    for await (const { samples } of input.at(sampleRate)) if (listening) frames.push(samples.slice())
    concealedShare = call.media.stats().concealedMs / spoken(minutes)
  })
  await lab.run(async () => {
    const call = await speaker.call('sip:x@listener.lab')
    const output = call.media.output.at(sampleRate)
    const rounds = spoken(minutes) / spokenMs
    for (let round = 0; round < rounds; round += 1) {
      // What is heard is cut where the last round begins to be said.
      if (round === rounds - 1) listening = true
      await output.write(speech)
      await output.flush()
    }
    await call.sleep(600)
    await call.hangup()
  })
  return { said: speech, heard: concatenated(frames), concealedShare }
}

/** Milliseconds of speech: as often as it goes into that time. */
function spoken(minutes: number): number {
  return Math.max(1, Math.round((minutes * 60_000) / spokenMs)) * spokenMs
}

/** All prompts the project has, one after the other, to `spokenMs`. */
async function readSpeech(): Promise<Int16Array> {
  const folder = fileURLToPath(new URL('../../assets', import.meta.url))
  const files = readdirSync(folder)
    .filter(name => name.endsWith('.wav'))
    .toSorted()
  const parts: Int16Array[] = []
  for (const file of files) {
    const reader = await WavReader.open(join(folder, file))
    const samples = await reader.readAll()
    const resampler = new Resampler(reader.sampleRate, sampleRate)
    const converted = new Int16Array(resampler.maxOutput(samples.length))
    parts.push(converted.subarray(0, resampler.process(samples, converted)))
  }
  const all = concatenated(parts)
  return Int16Array.from(
    { length: spokenMs * (sampleRate / 1000) },
    (_, at) => all[at % all.length] as number,
  )
}

function concatenated(parts: readonly Int16Array[]): Int16Array {
  const out = new Int16Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    out.set(part, at)
    at += part.length
  }
  return out
}
