/** What a recording holds, read without any of our own audio code. */

import { readFileSync, writeFileSync } from 'node:fs'

interface Recording {
  readonly sampleRate: number
  readonly channels: readonly Float64Array[]
}

export interface Tone {
  /** Of the whole signal, RMS over full scale. */
  readonly levelDbfs: number
  /** Part of the power that lies in the tone, 0 to 1. */
  readonly purity: number
}

/** A 16-bit PCM WAV file, samples from -1 to 1. */
export function readWav(file: string): Recording {
  const data = readFileSync(file)
  let at = 12
  let channelCount = 0
  let sampleRate = 0
  for (; at + 8 <= data.length; at += 8 + data.readUInt32LE(at + 4) + (data.readUInt32LE(at + 4) & 1)) {
    const id = data.toString('latin1', at, at + 4)
    if (id === 'fmt ') {
      channelCount = data.readUInt16LE(at + 10)
      sampleRate = data.readUInt32LE(at + 12)
    }
    if (id === 'data') break
  }
  if (channelCount === 0) throw new Error(`${file} is no WAV file`)
  const start = at + 8
  const frames = Math.floor(
    (Math.min(data.length, start + data.readUInt32LE(at + 4)) - start) / (2 * channelCount),
  )
  const channels = Array.from({ length: channelCount }, (_, channel) =>
    Float64Array.from(
      { length: frames },
      (_, frame) => data.readInt16LE(start + 2 * (frame * channelCount + channel)) / 32_768,
    ),
  )
  return { sampleRate, channels }
}

/** A channel from one second on until half a second before its end, in pieces of 100 ms: the median of each figure. */
export function measureTone({ sampleRate, channels }: Recording, channel: number, hz: number): Tone {
  const samples = channels[channel] ?? new Float64Array()
  const step = Math.round(sampleRate / 10)
  const pieces: Tone[] = []
  for (let at = sampleRate; at + step <= samples.length - sampleRate / 2; at += step) {
    pieces.push(measurePiece(samples.subarray(at, at + step), sampleRate, hz))
  }
  if (pieces.length < 5) throw new Error(`Only ${(samples.length / sampleRate).toFixed(1)} s were recorded`)
  return {
    levelDbfs: median(pieces.map(({ levelDbfs }) => levelDbfs)),
    purity: median(pieces.map(({ purity }) => purity)),
  }
}

/** How long a tone was there, and how loud: the pieces of 100 ms that hold little else. */
export function findTone(
  { sampleRate, channels }: Recording,
  channel: number,
  hz: number,
): { readonly seconds: number; readonly levelDbfs: number } {
  const samples = channels[channel] ?? new Float64Array()
  const step = Math.round(sampleRate / 10)
  const levels: number[] = []
  for (let at = 0; at + step <= samples.length; at += step) {
    const { purity, levelDbfs } = measurePiece(samples.subarray(at, at + step), sampleRate, hz)
    if (purity > 0.9) levels.push(levelDbfs)
  }
  return { seconds: levels.length / 10, levelDbfs: median(levels) }
}

/** A sine of a quarter of full scale, 16 bit, 8 kHz. */
export function sine(hz: number, seconds: number): Int16Array {
  return Int16Array.from({ length: seconds * 8000 }, (_, at) =>
    Math.round(8192 * Math.sin((2 * Math.PI * hz * at) / 8000)),
  )
}

/** The same as a WAV file. */
export function writeTone(file: string, hz: number, seconds: number): void {
  const samples = sine(hz, seconds)
  const data = Buffer.alloc(44 + 2 * samples.length)
  data.write('RIFF    WAVEfmt ')
  data.writeUInt32LE(data.length - 8, 4)
  data.writeUInt32LE(16, 16)
  // PCM, one channel.
  data.writeUInt16LE(1, 20)
  data.writeUInt16LE(1, 22)
  data.writeUInt32LE(8000, 24)
  data.writeUInt32LE(16_000, 28)
  data.writeUInt16LE(2, 32)
  data.writeUInt16LE(16, 34)
  data.write('data', 36)
  data.writeUInt32LE(2 * samples.length, 40)
  for (const [at, sample] of samples.entries()) data.writeInt16LE(sample, 44 + 2 * at)
  writeFileSync(file, data)
}

/** Correlates with the tone in both phases. */
function measurePiece(samples: Float64Array, sampleRate: number, hz: number): Tone {
  let power = 0
  let inPhase = 0
  let quadrature = 0
  for (const [index, sample] of samples.entries()) {
    const angle = (2 * Math.PI * hz * index) / sampleRate
    power += sample * sample
    inPhase += sample * Math.cos(angle)
    quadrature += sample * Math.sin(angle)
  }
  const tone = (2 * (inPhase ** 2 + quadrature ** 2)) / samples.length
  return { levelDbfs: 10 * Math.log10(power / samples.length), purity: power === 0 ? 0 : tone / power }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
