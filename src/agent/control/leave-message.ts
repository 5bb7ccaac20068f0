import { detectAnsweringMachine } from '../../media/audio/answering-machine.ts'
import type { AnsweringMachineOptions, AnsweringMachineResult } from '../../media/audio/answering-machine.ts'
import type { AgentSession } from '../agent.ts'
import type { Prompt } from '../menu.ts'

export interface LeaveMessageOptions extends AnsweringMachineOptions {
  /** What is said to a machine. */
  readonly message: Prompt
  /** When no beep came within `waitForBeepMs` (default 20,000): `speak` (default) says it all the same, `give-up` says nothing. */
  readonly withoutBeep?: 'speak' | 'give-up'
}

/** Who has answered, and what it was told. */
export interface MessageLeft {
  readonly answeredBy: AnsweringMachineResult['kind']
  /** The message was sent to its end. */
  readonly left: boolean
  /** How much of it was sent, milliseconds. */
  readonly heardMs: number
}

/**
 * Finds out who has answered an outgoing call; to a machine it says the message, after the beep. To a person, and to all else, it says nothing: go on as
 * `answeredBy` tells. The guess is that of `detectAnsweringMachine`. @throws OptionError; what the message throws; the reason of `signal`
 */
export async function leaveMessage(
  session: AgentSession,
  options: LeaveMessageOptions,
): Promise<MessageLeft> {
  const { message, withoutBeep = 'speak', waitForBeepMs = 20_000, ...rest } = options
  const { kind } = await detectAnsweringMachine(session.input, { ...rest, waitForBeepMs })
  const speaks = kind === 'beep' || (kind === 'machine' && withoutBeep === 'speak')
  if (!speaks || session.signal.aborted) return { answeredBy: kind, left: false, heardMs: 0 }
  const { playedMs, interrupted } = await session.output.play(
    typeof message === 'function' ? message() : message,
    rest.signal === undefined ? {} : { signal: rest.signal },
  )
  return { answeredBy: kind, left: !interrupted, heardMs: playedMs }
}
