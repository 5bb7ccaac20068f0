import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { WavReader } from '../../../src/media/audio/wav-reader.ts'
import { Resampler } from '../../../src/media/codec/resampler.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { repositoryRoot } from '../../support/repository.ts'

/** What people and machines say when they answer. */
export const hellos: readonly string[] = ['Hello?', 'Yes, hello.', 'Smith speaking.', 'Hello, this is Anna.']
export const greetings: readonly string[] = [
  'Hi, you have reached the Millers. We are not at home right now. Please leave a message after the tone.',
  'Your call has been forwarded to an automatic voice message system. At the tone, please record your message.',
  'Thank you for calling. Nobody is available to take your call at the moment, please try again later.',
]

/** The prompts that come with the package, which every machine has. */
export const shipped: readonly string[] = [
  'menu-welcome',
  'menu-goodbye',
  'menu-unknown',
  'menu-echo',
  'caller-hello',
]

export async function shippedSpeech(name: string, sampleRate: number): Promise<Int16Array> {
  const reader = await WavReader.open(join(repositoryRoot, 'assets', `${name}.wav`))
  return converted(await reader.readAll(), reader.sampleRate, sampleRate)
}

/** The text by espeak-ng; `undefined` where it is not installed. */
export async function spoken(
  text: string,
  sampleRate: number,
  voice: string = 'en',
): Promise<Int16Array | undefined> {
  const { status, stdout } = spawnSync('espeak-ng', ['--stdout', '-v', voice, text], {
    maxBuffer: 64 * 1024 * 1024,
  })
  if (status !== 0) return undefined
  const reader = WavReader.fromBytes(stdout)
  return converted(await reader.readAll(), reader.sampleRate, sampleRate)
}

function converted(samples: Int16Array, from: number, to: number): Int16Array {
  const resampler = new Resampler(from, to)
  const out = new Int16Array(resampler.maxOutput(samples.length))
  return out.slice(0, resampler.process(samples, out))
}

/** White noise, near enough to Gaussian, of that RMS level. */
export function noise(length: number, levelDbfs: number, seed: number = 1): Int16Array {
  const random = seededRandom(seed)
  const rms = 32_768 * 10 ** (levelDbfs / 20)
  const out = new Int16Array(length)
  for (let i = 0; i < length; i += 1) {
    let sum = 0
    for (let k = 0; k < 4; k += 1) sum += random.uint32() / 2 ** 32 - 0.5
    out[i] = sum * Math.sqrt(3) * rms
  }
  return out
}

/** One after the other. */
export function joined(...parts: readonly Int16Array[]): Int16Array {
  const all = new Int16Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** At once, as long as the first. */
export function mixed(one: Int16Array, other: Int16Array): Int16Array {
  return one.map((sample, i) => Math.max(-32_768, Math.min(32_767, sample + (other[i] ?? 0))))
}
