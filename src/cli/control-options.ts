import type { CallControlOptions } from '../call/control-options.ts'
import { OptionError } from '../runtime/errors.ts'
import type { readArgs } from './args.ts'

/** A day. */
export const longestSeconds = 86_400

export const sessionTimerConfig: { 'session-timer': { type: 'string' } } = {
  'session-timer': { type: 'string' },
}

export const sessionTimerHelp =
  '  --session-timer S|off  refresh the session, S seconds at the longest, 90 or more (default 1800, where the other side can)'

/** RFC 4028. @throws OptionError */
export function sessionTimerOption(
  args: ReturnType<typeof readArgs>,
): Pick<CallControlOptions, 'sessionTimer'> {
  const text = args.text('session-timer')
  if (text === undefined) return {}
  if (text === 'off') return { sessionTimer: 'off' }
  const expiresSeconds = args.number('session-timer', longestSeconds) ?? 0
  if (!Number.isInteger(expiresSeconds) || expiresSeconds < 90)
    throw new OptionError(
      '--session-timer',
      `${text} is not off, nor whole seconds, 90 or more (RFC 4028 §4)`,
    )
  return { sessionTimer: { expiresSeconds } }
}

/** Seconds above 0, as milliseconds. @throws OptionError */
export function secondsOption(args: ReturnType<typeof readArgs>, name: string): number | undefined {
  const seconds = args.number(name, longestSeconds)
  if (seconds === 0) throw new OptionError(`--${name}`, '0 leaves no time; give seconds')
  return seconds === undefined ? undefined : seconds * 1000
}
