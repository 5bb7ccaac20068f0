import type { AudioSource } from './audio-source.ts'
import { until } from './speech-events.ts'
import { ANALYSIS_RATE, ToneAnalyser } from './tone-analyser.ts'
import type { ToneReading } from './tone-analyser.ts'
import { ToneJudge } from './tone-judge.ts'
import type { ToneEvent } from './tone-judge.ts'
import { VoiceActivityDetector } from './voice-activity.ts'

/** Times are on the clock of the frames: milliseconds since the media of the call was opened. */
export type CallSound =
  | ToneEvent
  | { readonly kind: 'speech-start'; readonly atMs: number }
  | { readonly kind: 'speech-end'; readonly atMs: number; readonly durationMs: number }

/** Shorter than this is a click or the edge of a tone. */
const MIN_SPEECH_MS = 100

/** Pure: told of 20 ms of audio at 8000 samples a second, it says what that completes. */
export class CallSoundDetector {
  readonly #analyser = new ToneAnalyser()
  readonly #voice = new VoiceActivityDetector({ sampleRate: ANALYSIS_RATE })
  readonly #judge = new ToneJudge()
  #speechMs = 0
  #startMs = 0
  #lastMs = 0
  #told = false

  /** Speech is under way, pauses of up to 200 ms within. */
  get speaking(): boolean {
    return this.#told
  }

  /** A tone is under way, or may turn out to have been a beep. */
  get tonal(): boolean {
    return this.#judge.undecided
  }

  push(samples: Int16Array, atMs: number): readonly CallSound[] {
    const reading: ToneReading = this.#analyser.push(samples)
    const endMs = atMs + (samples.length * 1000) / ANALYSIS_RATE
    const judged = this.#judge.push(reading, atMs, endMs, this.#told)
    const active = this.#voice.push(samples, this.#judge.tonal)
    const speech = this.#speech(active, atMs, endMs)
    if (speech === undefined) return judged
    this.#judge.spoke(endMs)
    return [...judged, speech]
  }

  #speech(active: boolean, atMs: number, endMs: number): CallSound | undefined {
    if (active) {
      if (this.#speechMs === 0) this.#startMs = atMs
      this.#speechMs = endMs - this.#startMs
      if (this.#voice.voiced) this.#lastMs = endMs
      if (this.#told) this.#judge.spoke(endMs)
      if (this.#told || this.#lastMs - this.#startMs < MIN_SPEECH_MS) return undefined
      this.#told = true
      return { kind: 'speech-start', atMs: this.#startMs }
    }
    this.#speechMs = 0
    if (!this.#told) return undefined
    this.#told = false
    return { kind: 'speech-end', atMs: this.#lastMs, durationMs: this.#lastMs - this.#startMs }
  }
}

/**
 * What is heard of the network and of machines while a call is set up and after: call progress tones, beeps, fax, speech. Reading it
 * is reading the source: `tee()` one that is read elsewhere. `signal` ends the iteration.
 */
export async function* callSounds(
  input: AudioSource,
  options: { readonly signal?: AbortSignal } = {},
): AsyncGenerator<CallSound, void, undefined> {
  const detector = new CallSoundDetector()
  for await (const frame of until(input.at(ANALYSIS_RATE), options.signal)) {
    yield* detector.push(frame.samples, frame.timestampMs)
  }
}
