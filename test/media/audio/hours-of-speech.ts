import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { WavReader } from '../../../src/media/audio/wav-reader.ts'
import { Resampler } from '../../../src/media/codec/resampler.ts'
import { repositoryRoot } from '../../support/repository.ts'

/** Voices of espeak-ng: men, women, hoarse and whispering ones, of languages whose sounds differ. */
const voices =
  'en-us en-gb+f3 de fr+f2 es it+f4 sv pl pt nl+f1 en+m3 en+croak en+whisper ru+f5 tr hi+f2 cs en+f5 ro el+m7'.split(
    ' ',
  )

/** Whether `hoursOfSpeech` has voices of its own; else it says the prompts of `assets` over and over. */
export function canSpeak(): boolean {
  return spawnSync('espeak-ng', ['--version'], { stdio: 'ignore' }).status === 0
}

/**
 * Speech at 8000 samples a second, mono, piece by piece, `seconds` of it at least: each piece `part` characters of `text` by another of twenty voices,
 * fast and slow, high and low. Where there is no espeak-ng, the five prompts of `assets`, each time a little slower or faster.
 */
export async function* hoursOfSpeech(
  seconds: number,
  text: string,
  part = 1400,
): AsyncGenerator<Int16Array, void, undefined> {
  const speak = canSpeak() ? synthesised(text, part) : await prompts()
  let samples = 0
  for (let index = 0; samples < seconds * 8000; index += 1) {
    const speech = speak(index)
    samples += speech.length
    yield speech
  }
}

/** What is written in our documentation, for reading aloud. */
export function pages(): string {
  const folder = join(repositoryRoot, 'docs')
  const files = readdirSync(folder).filter(name => name.endsWith('.md'))
  const texts = files.map(name => readFileSync(join(folder, name), 'utf8'))
  return texts.join('\n').replaceAll(/[^A-Za-z0-9.,?!\n ]/g, ' ')
}

function synthesised(text: string, part: number): (index: number) => Int16Array {
  return index => {
    const voice = voices[index % voices.length]!
    const at = (index * part) % Math.max(1, text.length - part)
    const speed = String(130 + ((index * 17) % 80))
    const pitch = String(20 + ((index * 13) % 70))
    const { status, stdout } = spawnSync('espeak-ng', ['-v', voice, '-s', speed, '-p', pitch, '--stdout'], {
      input: text.slice(at, at + part),
      maxBuffer: 1 << 28,
    })
    if (status !== 0) throw new Error(`espeak-ng -v ${voice} ended with ${status}`)
    const pcm = new Int16Array((stdout.length - HEADER) >> 1)
    for (let i = 0; i < pcm.length; i += 1) pcm[i] = stdout.readInt16LE(HEADER + 2 * i)
    return narrow(pcm, stdout.readUInt32LE(24))
  }
}

async function prompts(): Promise<(index: number) => Int16Array> {
  const folder = join(repositoryRoot, 'assets')
  const sounds: Int16Array[] = []
  for (const name of readdirSync(folder).filter(file => file.endsWith('.wav'))) {
    const reader = await WavReader.open(join(folder, name))
    sounds.push(narrow(await reader.readAll(), reader.sampleRate))
  }
  return index => {
    const sound = sounds[index % sounds.length]!
    const speed = 0.75 + ((index * 0.017) % 0.5)
    return Int16Array.from({ length: Math.floor((sound.length - 1) / speed) }, (_, i) => {
      const at = Math.floor(i * speed)
      const part = i * speed - at
      return sound[at]! * (1 - part) + sound[at + 1]! * part
    })
  }
}

function narrow(pcm: Int16Array, sampleRate: number): Int16Array {
  if (sampleRate === 8000) return pcm
  const resampler = new Resampler(sampleRate, 8000)
  const out = new Int16Array(resampler.maxOutput(pcm.length))
  return out.subarray(0, resampler.process(pcm, out))
}

/** Of a WAV file as espeak-ng writes it, octets. */
const HEADER = 44
