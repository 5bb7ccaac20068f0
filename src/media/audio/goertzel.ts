/**
 * RMS level in dBFS of one frequency in `samples`, on the scale of `levelDbfs`: a pure sine reads the same in both.
 * Resolution is about `sampleRate / samples.length` Hz; a Hann window keeps neighbours apart.
 */
export function goertzelDbfs(samples: Int16Array, sampleRate: number, hz: number): number {
  const length = samples.length
  if (length < 2) return -Infinity
  const coefficient = 2 * Math.cos((2 * Math.PI * hz) / sampleRate)
  const turn = (2 * Math.PI) / length
  let before = 0
  let last = 0
  for (let i = 0; i < length; i += 1) {
    const window = 1 - Math.cos(turn * (i + 0.5))
    const next = (samples[i] as number) * window + coefficient * last - before
    before = last
    last = next
  }
  const power = before * before + last * last - coefficient * before * last
  // The window's mean is 1, so a sine of amplitude A gives (A * length / 2)^2; its RMS power is A^2 / 2.
  return 10 * Math.log10((2 * power) / (length * length) / FULL_SCALE_POWER)
}

/** The strongest of `candidatesHz` in `samples`, with its level. */
export function strongestHz(
  samples: Int16Array,
  sampleRate: number,
  candidatesHz: readonly number[],
): { readonly hz: number; readonly levelDbfs: number } {
  let best = { hz: 0, levelDbfs: -Infinity }
  for (const hz of candidatesHz) {
    const level = goertzelDbfs(samples, sampleRate, hz)
    if (level > best.levelDbfs) best = { hz, levelDbfs: level }
  }
  return best
}

const FULL_SCALE_POWER = 32_768 * 32_768
