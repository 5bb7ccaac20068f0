/** RMS level in dBFS, 0 for a full-scale square, -3.01 for a full-scale sine, -Infinity for silence. */
export function levelDbfs(samples: Int16Array): number {
  if (samples.length === 0) return -Infinity
  let sum = 0
  for (const sample of samples) sum += sample * sample
  return 10 * Math.log10(sum / samples.length / FULL_SCALE_POWER)
}

/** The largest magnitude, 0 to 32768. */
export function peak(samples: Int16Array): number {
  let most = 0
  for (const sample of samples) {
    const size = sample < 0 ? -sample : sample
    if (size > most) most = size
  }
  return most
}

const FULL_SCALE_POWER = 32_768 * 32_768
