import type { Random } from '../../../src/runtime/runtime.ts'

const RATE = 8000
const SCALE = [0, 2, 4, 5, 7, 9, 11]

/**
 * Music, the same for the same seed: chords, a melody above them and drums, in changing keys and tempos, mono at 8000 samples a second.
 * The harmonics of a note fall off by 6 to 12 dB an octave, as those of strings, reeds and pianos do.
 */
export function music(seconds: number, random: Random): Int16Array {
  const chance = (): number => random.uint32() / 2 ** 32
  const pick = (count: number): number => Math.floor(chance() * count)
  const out = new Float64Array(seconds * RATE)
  let at = 0
  while (at < seconds) {
    const root = 45 + pick(12)
    const tilt = 1 + chance()
    const beat = 60 / (70 + 90 * chance())
    for (let count = 0; count < 32 && at < seconds; count += 1, at += beat) {
      const degree = pick(7)
      if (count % 4 === 0) {
        for (const third of [0, 2, 4, 6].slice(0, 3 + pick(2)))
          note(out, at, 4 * beat, root + step(degree + third), 0.06, tilt, chance)
      }
      for (const half of [0, 0.5]) {
        const length = (beat / 2) * (1 + pick(3))
        if (chance() < 0.8)
          note(out, at + half * beat, length, root + 12 + 12 * pick(2) + step(pick(7)), 0.12, tilt, chance)
      }
      if (chance() < 0.5) drum(out, at, chance)
    }
  }
  return Int16Array.from(out, sample => Math.max(-32_768, Math.min(32_767, Math.round(sample * 32_768))))
}

function step(degree: number): number {
  return (SCALE[degree % 7] ?? 0) + 12 * Math.floor(degree / 7)
}

/** `key` is the number of MIDI: 69 is 440 Hz. */
function note(
  out: Float64Array,
  at: number,
  seconds: number,
  key: number,
  amplitude: number,
  tilt: number,
  chance: () => number,
): void {
  const start = Math.floor(at * RATE)
  const length = Math.min(Math.floor(seconds * RATE), out.length - start)
  const hz = 440 * 2 ** ((key - 69) / 12)
  const decay = Math.exp(-2.5 / (seconds * RATE))
  for (let harmonic = 1; harmonic <= 8 && hz * harmonic < 3600; harmonic += 1) {
    const turn = (2 * Math.PI * hz * harmonic) / RATE
    const cosine = Math.cos(turn) * decay
    const sine = Math.sin(turn) * decay
    const phase = 2 * Math.PI * chance()
    let x = (Math.cos(phase) * amplitude) / harmonic ** tilt
    let y = (Math.sin(phase) * amplitude) / harmonic ** tilt
    for (let i = 0; i < length; i += 1) {
      out[start + i] = (out[start + i] ?? 0) + y * Math.min(1, i / 80, (length - i) / 80)
      const next = x * cosine - y * sine
      y = x * sine + y * cosine
      x = next
    }
  }
}

function drum(out: Float64Array, at: number, chance: () => number): void {
  const start = Math.floor(at * RATE)
  for (let i = 0; i < 600 && start + i < out.length; i += 1)
    out[start + i] = (out[start + i] ?? 0) + 0.15 * (chance() - 0.5) * Math.exp(-i / 150)
}
