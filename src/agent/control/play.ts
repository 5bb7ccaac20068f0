import { until } from '../../media/audio/speech-events.ts'
import { VoiceActivityDetector } from '../../media/audio/voice-activity.ts'
import type { AudioSource } from '../../media/audio/audio-source.ts'
import type { PlaySource } from '../../media/audio/audio-sink.ts'
import type { AgentSession } from '../agent.ts'
import type { Prompt } from '../menu.ts'

/** What stops a prompt: a key that goes down, the caller's voice, either, or nothing. */
export type BargeIn = 'none' | 'keys' | 'speech' | 'any'

export interface PlayPromptOptions {
  /** Default `keys`. */
  readonly bargeIn?: BargeIn
  /** Where the caller's voice is listened for; default `session.input`. Where somebody else reads that, give one half of its `tee()`. */
  readonly listen?: AudioSource
  /** Speech shorter than this does not interrupt, milliseconds; default 100. */
  readonly minSpeechMs?: number
  readonly signal?: AbortSignal
}

/** What the caller heard: a value, never an exception, unless the source itself fails. */
export interface Heard {
  readonly heardMs: number
  /** To its end. */
  readonly complete: boolean
  /** What stopped it: a key, the caller's voice, `signal`, a `clear()` of somebody else, or the end of the call. */
  readonly by?: 'key' | 'speech' | 'signal' | 'cleared' | 'call-ended'
  /** The key, when there is one: `dtmf()` and `collect` still give it. */
  readonly digit?: string
}

/**
 * Plays a prompt to its end, or until the caller interrupts it. A key pressed before it began does not stop it: `collect` decides about those.
 * @throws what the source throws
 */
export async function playPrompt(
  session: AgentSession,
  prompt: Prompt,
  options: PlayPromptOptions = {},
): Promise<Heard> {
  const source: PlaySource = typeof prompt === 'function' ? prompt() : prompt
  const { bargeIn = 'keys', signal, listen = session.input, minSpeechMs = 100 } = options
  const stop = new AbortController()
  let by: 'key' | 'speech' | 'signal' | undefined
  let digit: string | undefined
  const interrupt = (cause: NonNullable<typeof by>): void => {
    if (stop.signal.aborted) return
    by = cause
    stop.abort()
  }
  const onAbort = (): void => interrupt('signal')
  if (signal?.aborted === true) onAbort()
  signal?.addEventListener('abort', onAbort, { once: true })
  const keys = bargeIn === 'keys' || bargeIn === 'any'
  const deaf = keys
    ? session.on?.('dtmfStart', start => {
        digit ??= start.digit
        interrupt('key')
      })
    : undefined
  const done = new AbortController()
  const hearing =
    bargeIn === 'speech' || bargeIn === 'any'
      ? untilSpeech(listen, minSpeechMs, done.signal).then(spoke => {
          if (spoke) interrupt('speech')
        })
      : undefined
  hearing?.catch(() => stop.abort())
  try {
    const { playedMs, interrupted } = await session.output.play(source, { signal: stop.signal })
    if (!interrupted) return { heardMs: playedMs, complete: true }
    const cause = session.signal.aborted ? 'call-ended' : (by ?? 'cleared')
    return {
      heardMs: playedMs,
      complete: false,
      by: cause,
      ...(cause === 'key' && digit !== undefined && { digit }),
    }
  } finally {
    signal?.removeEventListener('abort', onAbort)
    deaf?.()
    done.abort()
    await hearing
  }
}

/** Whether somebody has spoken for `minSpeechMs` before the signal aborted. */
async function untilSpeech(input: AudioSource, minSpeechMs: number, signal: AbortSignal): Promise<boolean> {
  input.clear()
  const detector = new VoiceActivityDetector({ sampleRate: input.sampleRate, hangoverMs: 60 })
  let spokenMs = 0
  for await (const { samples } of until(input, signal)) {
    spokenMs = detector.push(samples) ? spokenMs + (samples.length * 1000) / input.sampleRate : 0
    if (spokenMs >= minSpeechMs) return true
  }
  return false
}
