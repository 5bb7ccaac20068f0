import { OptionError } from '../../runtime/errors.ts'
import type { AgentSession } from '../agent.ts'
import type { Heard, PlayPromptOptions } from './play.ts'
import { playPrompt } from './play.ts'
import { untilAborted } from './until-aborted.ts'

/** A piece of speech: 16-bit mono PCM, and how many characters of the text have been said when it is over, where the TTS can tell. */
export type SpokenChunk = Int16Array | { readonly samples: Int16Array; readonly characters?: number }

/** What a TTS gives: its audio as it comes, at `sampleRate`. */
export type SpokenAudio = AsyncIterable<SpokenChunk> & { readonly sampleRate?: number }

/** Any TTS: text in, audio out. `signal` aborts when nobody wants to hear more; audio without a rate of its own is at `sampleRate`. */
export type Synthesise = (
  text: string,
  options: { readonly sampleRate: number; readonly signal: AbortSignal },
) => SpokenAudio | Promise<SpokenAudio>

export interface SpeakOptions extends PlayPromptOptions {
  readonly tts: Synthesise
}

/** What the caller heard of a text. */
export interface Spoken extends Heard {
  /** What a model must be told it has said: up to the last word the caller heard to its end. Absent when cut off and the TTS does not tell. */
  readonly heardText?: string
}

/** Chunks whose place in the text is known, for each text; between them it is reckoned. */
const MAX_PLACES = 10_000

/**
 * Says a text, and how much of it the caller heard.
 * @throws OptionError no TTS; what the TTS throws
 */
export async function speak(session: AgentSession, text: string, options: SpeakOptions): Promise<Spoken> {
  const { tts, ...rest } = options
  if (typeof tts !== 'function')
    throw new OptionError('tts', 'it says nothing; give a function of text to audio')
  const stop = new AbortController()
  const abort = (): void => stop.abort()
  session.signal.addEventListener('abort', abort, { once: true })
  const places: Place[] = []
  try {
    const { sampleRate } = session.output
    const pending = Promise.resolve(tts(text, { sampleRate, signal: stop.signal }))
    const audio = await Promise.race([
      pending,
      session.ended.then(() => undefined),
      untilAborted(rest.signal, stop.signal).then(() => undefined),
    ])
    if (audio === undefined) {
      pending.catch(() => undefined)
      return {
        heardMs: 0,
        complete: false,
        by: rest.signal?.aborted === true ? 'signal' : 'call-ended',
        heardText: '',
      }
    }
    const rate = audio.sampleRate ?? sampleRate
    const heard = await playPrompt(
      session,
      Object.assign(noted(audio, rate, places), { sampleRate: rate }),
      rest,
    )
    if (heard.complete) return { ...heard, heardText: text }
    const characters = charactersAt(places, heard.heardMs)
    return { ...heard, ...(characters !== undefined && { heardText: wholeWords(text, characters) }) }
  } finally {
    session.signal.removeEventListener('abort', abort)
    stop.abort()
  }
}

/** `characters` of the text have been said after `ms`. */
interface Place {
  readonly ms: number
  readonly characters: number
}

async function* noted(
  audio: SpokenAudio,
  sampleRate: number,
  places: Place[],
): AsyncGenerator<Int16Array, void, undefined> {
  let ms = 0
  for await (const chunk of audio) {
    const samples = 'samples' in chunk ? chunk.samples : chunk
    ms += (samples.length * 1000) / sampleRate
    const characters = 'samples' in chunk ? chunk.characters : undefined
    if (characters !== undefined && places.length < MAX_PLACES) places.push({ ms, characters })
    yield samples
  }
}

function charactersAt(places: readonly Place[], ms: number): number | undefined {
  if (places.length === 0) return undefined
  let before: Place = { ms: 0, characters: 0 }
  for (const place of places) {
    if (place.ms > ms) {
      const share = (ms - before.ms) / (place.ms - before.ms)
      return before.characters + share * (place.characters - before.characters)
    }
    before = place
  }
  return before.characters
}

function wholeWords(text: string, characters: number): string {
  const end = Math.floor(characters)
  if (end >= text.length) return text
  const heard = text.slice(0, end)
  return /\s/.test(text[end] ?? ' ') ? heard : heard.replace(/\S*$/, '').trimEnd()
}
