import type { DtmfDigit } from '../../media/session/types.ts'
import { OptionError } from '../../runtime/errors.ts'
import type { AgentSession } from '../agent.ts'
import type { Prompt } from '../menu.ts'
import { playPrompt } from './play.ts'
import { untilAborted } from './until-aborted.ts'

export interface CollectOptions {
  /** How many digits there are: exactly so many, or from `min` to `max`. */
  readonly digits: number | { readonly min: number; readonly max: number }
  /** How long to wait for the first digit once the prompt is over, milliseconds. Default 5,000. */
  readonly timeoutMs?: number
  /** How long after a digit the next may take, milliseconds. Default 3,000. A key that is held down is waited for. */
  readonly interDigitMs?: number
  /** Keys that end the input and are no part of it. Default `#`; `''` for none. */
  readonly terminators?: string
  /** Played first, and again at each try; a key stops it as it goes down. */
  readonly prompt?: Prompt
  /** How often the caller is asked, in all. Default 1. */
  readonly tries?: number
  /** What becomes of digits pressed before: `use` (default) takes them as input, so that who knows the menu need not listen; `flush` forgets them. */
  readonly pressedBefore?: 'use' | 'flush'
  readonly signal?: AbortSignal
}

/** What was pressed: a value, never an exception, whatever the caller did. */
export interface Collected {
  /** Without the terminator; of the last try. */
  readonly digits: string
  /** As many as were asked for. */
  readonly complete: boolean
  /**
   * - `full`: as many as there may be
   * - `terminator`: one of those keys
   * - `pause`: nothing came for `interDigitMs`
   * - `silent`: nothing was pressed at all
   * - `call-ended`, `aborted`
   */
  readonly by: 'full' | 'terminator' | 'pause' | 'silent' | 'call-ended' | 'aborted'
  readonly terminator?: string
  /** How often the caller was asked. */
  readonly tries: number
  /** How much of the prompt was heard in the last try, milliseconds; 0 without one, or when digits were there before it. */
  readonly heardMs: number
}

/**
 * Asks the caller for digits. What is pressed beyond the last stays for the next reader.
 * @throws OptionError; what the prompt throws
 */
export async function collect(session: AgentSession, options: CollectOptions): Promise<Collected> {
  const rules = rulesOf(options)
  if (options.pressedBefore === 'flush') await flushDigits(session)
  let result: Collected | undefined
  for (let tries = 1; tries <= rules.tries; tries += 1) {
    result = { ...(await attempt(session, rules, options)), tries }
    if (result.complete || result.by === 'call-ended' || result.by === 'aborted') break
  }
  return result as Collected
}

/** Forgets the digits that were pressed and that nobody has read. */
export async function flushDigits(session: Pick<AgentSession, 'dtmf'>): Promise<void> {
  await session.dtmf({ fresh: true })[Symbol.asyncIterator]().return?.()
}

interface Rules {
  readonly min: number
  readonly max: number
  readonly timeoutMs: number
  readonly interDigitMs: number
  readonly terminators: string
  readonly tries: number
}

async function attempt(
  session: AgentSession,
  rules: Rules,
  { prompt, signal }: CollectOptions,
): Promise<Omit<Collected, 'tries'>> {
  const over = new AbortController()
  const keys = session.dtmf()[Symbol.asyncIterator]()
  let digits = ''
  let heardMs = 0
  let down = false
  const deaf = session.on?.('dtmfStart', () => {
    down = true
  })
  const aborted = untilAborted(signal, over.signal)
  const end = (by: Collected['by'], terminator?: string): Omit<Collected, 'tries'> => ({
    digits,
    complete: digits.length >= rules.min && (by === 'full' || by === 'terminator' || by === 'pause'),
    by: by === 'silent' && session.signal.aborted ? 'call-ended' : by,
    ...(terminator !== undefined && { terminator }),
    heardMs,
  })
  try {
    let pressed = keys.next()
    let next: IteratorResult<DtmfDigit> | undefined
    if (prompt !== undefined) {
      const quiet = new AbortController()
      // Digits that are there already are answered without a word.
      const before = await Promise.race([pressed, settledLater()])
      if (before === undefined) {
        const playing = playPrompt(session, prompt, { signal: quiet.signal })
        const during = await Promise.race([pressed, aborted, playing.then(() => undefined)])
        quiet.abort()
        heardMs = (await playing).heardMs
        if (during !== undefined && during !== 'aborted') next = during
      } else next = before
    }
    for (let waitMs = rules.timeoutMs; ; waitMs = rules.interDigitMs) {
      if (signal?.aborted === true) return end('aborted')
      while (next === undefined) {
        const news: IteratorResult<DtmfDigit> | 'aborted' | undefined = await Promise.race([
          pressed,
          aborted,
          // A key that is down will be let go.
          down ? aborted : session.sleep(waitMs).then(() => undefined),
        ])
        if (news === 'aborted') return end('aborted')
        if (news === undefined && session.signal.aborted) return end('call-ended')
        if (news === undefined && !down) return end(digits === '' ? 'silent' : 'pause')
        next = news
      }
      if (next.done === true) return end('call-ended')
      down = false
      const { digit } = next.value
      if (rules.terminators.includes(digit)) return end('terminator', digit)
      digits += digit
      if (digits.length >= rules.max) return end('full')
      next = undefined
      pressed = keys.next()
    }
  } finally {
    deaf?.()
    over.abort()
    await keys.return?.()
  }
}

/** After whatever is settled already has been told. */
async function settledLater(): Promise<undefined> {
  for (let turn = 0; turn < 8; turn += 1) await Promise.resolve()
  return undefined
}

function rulesOf(options: CollectOptions): Rules {
  const { digits, timeoutMs = 5_000, interDigitMs = 3_000, terminators = '#', tries = 1 } = options
  const { min, max } = typeof digits === 'number' ? { min: digits, max: digits } : digits
  if (!(Number.isInteger(min) && Number.isInteger(max) && min >= 0 && max >= 1 && max >= min)) {
    throw new OptionError(
      'digits',
      `${min} to ${max} is no number of digits; give 1 or more, or { min, max }`,
    )
  }
  for (const [field, ms] of Object.entries({ timeoutMs, interDigitMs })) {
    if (!(ms > 0))
      throw new OptionError(field, `${ms} leaves no time to press a key; give milliseconds above 0`)
  }
  if (!/^[0-9*#A-D]*$/.test(terminators)) {
    throw new OptionError('terminators', `${JSON.stringify(terminators)} are no keys; give some of 0-9*#A-D`)
  }
  if (!(Number.isInteger(tries) && tries >= 1))
    throw new OptionError('tries', `${tries} asks nobody; give 1 or more`)
  return { min, max, timeoutMs, interDigitMs, terminators, tries }
}
