import type { AudioSource } from '../../media/audio/audio-source.ts'
import { speechEvents } from '../../media/audio/speech-events.ts'
import { OptionError } from '../../runtime/errors.ts'
import type { AgentSession } from '../agent.ts'

export interface ListenOptions {
  /** How long nobody may say anything, milliseconds. Default 5,000. */
  readonly noInputMs?: number
  /** The silence behind speech that ends it, milliseconds, up to 10,000. Default 700. */
  readonly silenceMs?: number
  /** How long somebody may speak, milliseconds. Default 60,000. */
  readonly maxMs?: number
  /** Where to listen; default `session.input`. Where a recogniser reads that, give one half of its `tee()`. */
  readonly listen?: AudioSource
  readonly signal?: AbortSignal
}

/** What the caller did: a value, never an exception. */
export interface Listened {
  /**
   * - `spoke`: said something, and has been silent for `silenceMs`
   * - `no-input`: said nothing for `noInputMs`
   * - `too-long`: still speaks after `maxMs`
   * - `call-ended`, `aborted`
   */
  readonly outcome: 'spoke' | 'no-input' | 'too-long' | 'call-ended' | 'aborted'
  /** When the speech began, and how long it took, on the clock of `AudioFrame.timestampMs`; absent when there was none. */
  readonly speech?: { readonly atMs: number; readonly durationMs: number }
}

/** Waits for what the caller says, from now on, and for its end. @throws OptionError; SipError SIP_STATE the input is being read already */
export async function listenForSpeech(session: AgentSession, options: ListenOptions = {}): Promise<Listened> {
  const { noInputMs = 5_000, silenceMs = 700, maxMs = 60_000, listen = session.input, signal } = options
  for (const [field, ms] of Object.entries({ noInputMs, silenceMs, maxMs })) {
    if (!(ms > 0)) throw new OptionError(field, `${ms} is not usable; give milliseconds above 0`)
  }
  const stop = new AbortController()
  const abort = (): void => stop.abort()
  if (signal?.aborted === true) abort()
  signal?.addEventListener('abort', abort, { once: true })
  listen.clear()
  let speech: Listened['speech']
  let tooLong = false
  try {
    const events = speechEvents(listen, { silenceMs: noInputMs, hangoverMs: silenceMs, signal: stop.signal })
    for await (const event of events) {
      if (event.kind === 'silence') return { outcome: 'no-input' }
      if (event.kind === 'speech-start') {
        speech = { atMs: event.atMs, durationMs: 0 }
        void session.sleep(maxMs).then(() => {
          tooLong = !stop.signal.aborted
          abort()
        })
        continue
      }
      speech = { atMs: event.atMs - event.durationMs, durationMs: event.durationMs }
      if (!stop.signal.aborted && !session.signal.aborted) return { outcome: 'spoke', speech }
    }
  } finally {
    signal?.removeEventListener('abort', abort)
    stop.abort()
  }
  const outcome = session.signal.aborted ? 'call-ended' : tooLong ? 'too-long' : 'aborted'
  return { outcome, ...(speech !== undefined && { speech }) }
}
