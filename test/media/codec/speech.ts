/**
 * Something that codecs take for speech, always the same: a pitch that moves, three formants, syllables four times a second
 * and pauses between words.
 */
export function speechLike(sampleRate: number, durationMs: number): Int16Array {
  const out = new Int16Array((sampleRate * durationMs) / 1000)
  let phase = 0
  for (let i = 0; i < out.length; i += 1) {
    const t = i / sampleRate
    const pitch = 130 + 30 * Math.sin(2 * Math.PI * 0.7 * t)
    phase += pitch / sampleRate
    const syllable = Math.max(0, Math.sin(2 * Math.PI * 4 * t)) * (t % 1.6 < 1.2 ? 1 : 0)
    const opening = 0.5 + 0.5 * Math.sin(2 * Math.PI * 2.3 * t)
    const formants = [500 + 300 * opening, 1500 + 500 * opening, 2500]
    let value = 0
    for (let harmonic = 1; harmonic * pitch < Math.min(3600, sampleRate / 2); harmonic += 1) {
      const hz = harmonic * pitch
      let gain = 0
      for (const [k, centre] of formants.entries()) gain += 1 / (1 + ((hz - centre) / 120) ** 2) / (k + 1)
      value += gain * Math.sin(2 * Math.PI * harmonic * phase + harmonic)
    }
    out[i] = Math.round(value * syllable * 5000)
  }
  return out
}

/** Signal to noise in dB of `got` against `wanted`, between two samples. */
export function snr(wanted: Int16Array, got: Int16Array, from = 0, to: number = wanted.length): number {
  let signal = 0
  let noise = 0
  for (let i = from; i < to; i += 1) {
    signal += wanted[i]! ** 2
    noise += (wanted[i]! - got[i]!) ** 2
  }
  return 10 * Math.log10((signal + 1) / (noise + 1))
}
