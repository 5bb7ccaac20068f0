import { channel } from 'node:diagnostics_channel'

/**
 * A named, typed diagnostics channel. Publishers check `hasSubscribers` before they build a payload,
 * so that a channel nobody listens to costs one property read.
 */
export interface DiagnosticsChannel<T extends object> {
  readonly name: string
  readonly hasSubscribers: boolean
  publish(message: T): void
  /**
   * Returns the function that ends the subscription. A subscriber that throws does not hurt the publisher: its first error comes out as a process
   * warning of the type `OffhookSubscriberError`, further ones are passed over, so that no peer can flood the log.
   */
  subscribe(listener: (message: T) => void): () => void
}

/** Channels are global to the process and shared by name, as `node:diagnostics_channel` makes them. */
export function diagnosticsChannel<T extends object>(name: `offhook:${string}`): DiagnosticsChannel<T> {
  const inner = channel(name)
  return {
    name,
    get hasSubscribers() {
      return inner.hasSubscribers
    },
    publish(message) {
      inner.publish(message)
    },
    subscribe(listener) {
      const guarded = guard(`a subscriber of ${name}`, listener)
      const handler = (message: unknown): void => guarded(message as T)
      inner.subscribe(handler)
      return () => {
        inner.unsubscribe(handler)
      }
    },
  }
}

/** Calls `listener` so that nothing it throws goes further than one process warning, `OffhookSubscriberError`. */
export function guard<T>(who: string, listener: (value: T) => void): (value: T) => void {
  let reported = false
  return value => {
    try {
      listener(value)
    } catch (error) {
      if (reported) return
      reported = true
      const { message, stack } = error instanceof Error ? error : { message: String(error), stack: undefined }
      process.emitWarning(`${who} threw, further errors of it are not shown: ${message}`, {
        type: 'OffhookSubscriberError',
        ...(stack === undefined ? {} : { detail: stack }),
      })
    }
  }
}
