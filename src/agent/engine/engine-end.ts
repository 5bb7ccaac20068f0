import type { Agent, AgentSession } from '../agent.ts'
import type { EngineProblem } from './engine-error.ts'
import { EngineError } from './engine-error.ts'

/** Why an engine no longer has the call; `asked` when it asked to hang up. */
export type EngineEnd =
  | { readonly kind: 'call' | 'engine' | 'asked'; readonly detail: string }
  | {
      readonly kind: 'failed'
      readonly problem: EngineProblem
      readonly detail: string
      readonly cause?: unknown
    }

/** What becomes of a call that its engine leaves; the options of every agent that hands calls to an engine. */
export interface AfterEngine {
  /**
   * When the engine ends its session: hang up at once, as the carriers do (default); `finish` plays first what it has sent; or another agent
   * takes over, which ends the call when it returns as agents do.
   */
  readonly onEngineEnd?: 'hangup' | 'finish' | Agent
  /** Takes over when the engine cannot be reached, fails or stays silent. Without it the call ends with an `EngineError`. */
  readonly fallback?: Agent
}

/** Hands the call on as configured, or hangs up. @throws EngineError when it failed and there is no `fallback` */
export async function afterEngine(
  call: AgentSession,
  engine: string,
  end: EngineEnd,
  { onEngineEnd = 'hangup', fallback }: AfterEngine,
): Promise<void> {
  if (end.kind === 'call') return
  if (end.kind === 'failed') {
    if (fallback === undefined) throw new EngineError(engine, end.problem, end.detail, { cause: end.cause })
    return takeOver(call, fallback)
  }
  if (end.kind === 'engine' && typeof onEngineEnd === 'object') return takeOver(call, onEngineEnd)
  if (end.kind === 'engine' && onEngineEnd === 'finish') await call.output.flush()
  await call.hangup()
}

function takeOver(call: AgentSession, agent: Agent): Promise<void> | void {
  if (call.signal.aborted) return
  // What the engine has not said will not be heard in the middle of what the other one says.
  call.output.clear()
  return agent.run(call)
}
