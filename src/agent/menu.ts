import type { PlaySource } from '../media/audio/audio-sink.ts'
import type { DtmfDigit } from '../media/session/types.ts'
import { OptionError } from '../runtime/errors.ts'
import type { Agent, AgentSession } from './agent.ts'

/**
 * Something to say: read anew each time, so give a function where the source can be read only once. A `WavReader` can be
 * read any number of times.
 */
export type Prompt = PlaySource | (() => PlaySource)

/** What a key does. Returning `'again'` plays the menu once more, `'hangup'` ends the call. */
export type MenuAction = (session: AgentSession) => Promise<'again' | 'hangup'>

export interface MenuOptions {
  /** Played first; a key pressed during it stops it at once (barge-in). */
  readonly prompt: Prompt
  readonly keys: Readonly<Record<string, MenuAction>>
  /** Played for a key without an action. */
  readonly unknown?: Prompt
  /** Played before the agent hangs up. */
  readonly goodbye?: Prompt
  /** How long to wait for a key after the prompt, in milliseconds. Default 5,000. */
  readonly timeoutMs?: number
  /** How often the prompt is played to a caller who presses nothing, in all. Default 3. */
  readonly tries?: number
}

/** Plays a prompt and does what the caller's key says. */
export function menuAgent(options: MenuOptions): Agent {
  const timeoutMs = options.timeoutMs ?? 5_000
  const tries = options.tries ?? 3
  if (!(timeoutMs > 0))
    throw new OptionError(
      'timeoutMs',
      `${timeoutMs} leaves no time to press a key; give milliseconds above 0`,
    )
  if (!(tries >= 1)) throw new OptionError('tries', `${tries} plays no prompt; give 1 or more`)
  return {
    async run(session) {
      let left = tries
      let next = 'again'
      while (next === 'again' && left > 0 && !session.signal.aborted) {
        const digit = await askForKey(session, options.prompt, timeoutMs)
        if (digit === undefined) {
          left -= 1
          continue
        }
        left = tries
        const action = options.keys[digit]
        if (action !== undefined) next = await action(session)
        else if (options.unknown !== undefined) await say(session, options.unknown)
      }
      if (options.goodbye !== undefined && !session.signal.aborted) await say(session, options.goodbye)
    },
  }
}

/** Says something to its end. */
export async function say(session: Pick<AgentSession, 'output' | 'signal'>, prompt: Prompt): Promise<void> {
  await session.output.play(typeof prompt === 'function' ? prompt() : prompt, { signal: session.signal })
}

/** The key pressed before the prompt (while nobody listened), during it, or within `timeoutMs` after it. */
async function askForKey(
  session: AgentSession,
  prompt: Prompt,
  timeoutMs: number,
): Promise<string | undefined> {
  const keys = session.dtmf()[Symbol.asyncIterator]()
  const pressed = keys.next()
  try {
    const played = say(session, prompt)
    const during = await Promise.race([pressed, played])
    if (during !== undefined) {
      session.output.clear()
      await played
      return digitOf(during)
    }
    const after = await Promise.race([pressed, session.sleep(timeoutMs)])
    return after === undefined ? undefined : digitOf(after)
  } finally {
    await keys.return?.()
  }
}

function digitOf(result: IteratorResult<DtmfDigit>): string | undefined {
  return result.done === true ? undefined : result.value.digit
}
