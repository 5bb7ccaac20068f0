import { EventEmitter } from 'node:events'

type EventMap = Record<string, unknown[]>

/**
 * A typed `EventEmitter` for rare events (state, hold, media). A listener that throws does not reach
 * the code that emitted: the phone call goes on, and the error is reported as a process warning.
 */
export class SafeEmitter<Events extends EventMap> extends EventEmitter<Events> {
  /** Calls every listener in order; returns whether there were any. */
  protected safeEmit<Name extends keyof Events & string>(name: Name, ...args: Events[Name]): boolean {
    const listeners = this.rawListeners(name)
    for (const listener of listeners) {
      try {
        const result: unknown = Reflect.apply(listener, this, args)
        if (result instanceof Promise) result.catch((error: unknown) => reportListenerError(name, error))
      } catch (error) {
        reportListenerError(name, error)
      }
    }
    return listeners.length > 0
  }
}

/** A callback of the user's threw where nobody can catch it. */
export function reportListenerError(event: string, error: unknown): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.emitWarning(`what listens to '${event}' threw; the call goes on. ${text}`, {
    type: 'OffhookListenerError',
  })
}
