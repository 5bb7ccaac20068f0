import { SipError } from '../../runtime/errors.ts'

/**
 * - `unreachable`: it could not be dialled, or refused
 * - `silent`: no audio came in time
 * - `broken`: the connection broke, or the engine closed it with an error
 * - `malformed`: too much of what it sent was not of the dialect
 */
export type EngineProblem = 'unreachable' | 'silent' | 'broken' | 'malformed'

/** A conversation engine failed, and there was none to fall back to. `cause` is what the network said. */
export class EngineError extends SipError {
  override readonly name: string = 'EngineError'
  /** What kind of engine: `twilio`, `offhook` … */
  readonly engine: string
  readonly problem: EngineProblem

  constructor(engine: string, problem: EngineProblem, message: string, options?: ErrorOptions) {
    super('SIP_ENGINE', message, options)
    this.engine = engine
    this.problem = problem
  }
}
