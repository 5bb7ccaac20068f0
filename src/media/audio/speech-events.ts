import { OptionError } from '../../runtime/errors.ts'
import type { AudioFrame, AudioSource } from './audio-source.ts'
import { VoiceActivityDetector } from './voice-activity.ts'
import type { VoiceActivityOptions } from './voice-activity.ts'

/** Times are on the clock of the frames: milliseconds since the media of the call was opened. */
export type SpeechEvent =
  | { readonly kind: 'speech-start'; readonly atMs: number; readonly levelDbfs: number }
  /** `atMs` is when the speech ended, one hangover ago; `levelDbfs` the loudest of it. */
  | {
      readonly kind: 'speech-end'
      readonly atMs: number
      readonly durationMs: number
      readonly levelDbfs: number
    }
  /** Once for each silence: nobody has spoken for `silenceMs`. */
  | { readonly kind: 'silence'; readonly atMs: number; readonly silenceMs: number }

export interface SpeechEventOptions extends Omit<VoiceActivityOptions, 'sampleRate'> {
  /** Tell of silence this long, milliseconds; without it none is told of. */
  readonly silenceMs?: number
  /** Ends the iteration. */
  readonly signal?: AbortSignal
}

/** Who speaks and who pauses in `input`, as it comes in. Reading it is reading the source: `tee()` one that is read elsewhere. */
export async function* speechEvents(
  input: AudioSource,
  options: SpeechEventOptions = {},
): AsyncGenerator<SpeechEvent, void, undefined> {
  const { silenceMs, signal, ...rest } = options
  if (silenceMs !== undefined && !(silenceMs > 0)) {
    throw new OptionError('silenceMs', `${silenceMs} is not usable; give milliseconds, more than 0`)
  }
  const detector = new VoiceActivityDetector({ ...rest, sampleRate: input.sampleRate })
  let quietSince: number | undefined
  let told = false
  let startMs: number | undefined
  let lastMs = 0
  let loudest = -Infinity
  let endMs = 0
  for await (const frame of until(input, signal)) {
    endMs = frame.timestampMs + (frame.samples.length * 1000) / input.sampleRate
    quietSince ??= frame.timestampMs
    const active = detector.push(frame.samples)
    if (active) {
      loudest = Math.max(loudest, detector.levelDbfs)
      if (detector.voiced) lastMs = endMs
      if (startMs !== undefined) continue
      startMs = frame.timestampMs
      yield { kind: 'speech-start', atMs: startMs, levelDbfs: detector.levelDbfs }
      continue
    }
    if (startMs !== undefined) {
      yield { kind: 'speech-end', atMs: lastMs, durationMs: lastMs - startMs, levelDbfs: loudest }
      startMs = undefined
      loudest = -Infinity
      quietSince = lastMs
      told = false
    }
    if (silenceMs !== undefined && !told && endMs - quietSince >= silenceMs) {
      told = true
      yield { kind: 'silence', atMs: endMs, silenceMs: endMs - quietSince }
    }
  }
  if (startMs !== undefined) {
    yield { kind: 'speech-end', atMs: endMs, durationMs: endMs - startMs, levelDbfs: loudest }
  }
}

/** The frames of `input` until the signal aborts, even while it waits for one; the source can be read by others then. */
export async function* until(
  input: AudioSource,
  signal: AbortSignal | undefined,
): AsyncGenerator<AudioFrame, void, undefined> {
  if (signal?.aborted === true) return
  const iterator = input[Symbol.asyncIterator]()
  const stop = (): void => void iterator.return?.()
  signal?.addEventListener('abort', stop, { once: true })
  try {
    for (;;) {
      const result = await iterator.next()
      if (result.done === true) return
      yield result.value
    }
  } finally {
    signal?.removeEventListener('abort', stop)
    await iterator.return?.()
  }
}
