import { OptionError } from '../runtime/errors.ts'
import type { Clock } from '../runtime/runtime.ts'

/** Waits so many milliseconds, or until `signal` aborts; never rejects for that. @throws OptionError */
export function sleep(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (!(ms >= 0)) throw new OptionError('ms', `${ms} is not a time to wait; give milliseconds, 0 or more`)
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => {
    const done = (): void => {
      timer.cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = clock.setTimer(clock.now() + ms, done)
    signal.addEventListener('abort', done, { once: true })
  })
}
