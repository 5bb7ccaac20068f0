import { channel } from 'node:diagnostics_channel'

/**
 * A named, typed diagnostics channel. Publishers check `hasSubscribers` before they build a payload,
 * so that a channel nobody listens to costs one property read.
 */
export interface DiagnosticsChannel<T extends object> {
  readonly name: string
  readonly hasSubscribers: boolean
  publish(message: T): void
  /** Returns the function that ends the subscription. A subscriber that throws does not hurt the publisher. */
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
      const handler = (message: unknown): void => listener(message as T)
      inner.subscribe(handler)
      return () => {
        inner.unsubscribe(handler)
      }
    },
  }
}
