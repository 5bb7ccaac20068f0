import type { WebSocketConnection } from '../../../runtime/web.ts'

export interface SdkSocketListener {
  /** The other side closed, or the connection broke: before the SDK hears of it. */
  onClose(code: number, reason: string): void
  /** A message that the SDK, or a listener of its events, threw at. */
  onFault(error: unknown): void
}

interface Listeners {
  message: (event: { readonly data: string }) => void
  close: (event: { readonly code: number; readonly reason: string }) => void
}

/** A connection of ours, which is open already, with the few members of the browsers' WebSocket that the SDK uses. */
export class SdkSocket {
  readonly #connection: WebSocketConnection
  readonly #tell: SdkSocketListener

  constructor(connection: WebSocketConnection, tell: SdkSocketListener) {
    this.#connection = connection
    this.#tell = tell
  }

  /** Octets that the other side has not taken yet. */
  get bufferedBytes(): number {
    return this.#connection.bufferedBytes
  }

  /** One listener for each; events of other names do not come. */
  addEventListener<Name extends string>(
    name: Name,
    listener: Name extends keyof Listeners ? Listeners[Name] : unknown,
  ): void {
    const connection = this.#connection
    if (name === 'message') {
      connection.onMessage = data => {
        if (typeof data !== 'string') return
        try {
          ;(listener as Listeners['message'])({ data })
        } catch (error) {
          // One odd message of the model must not end the process.
          this.#tell.onFault(error)
        }
      }
    } else if (name === 'close') {
      connection.onClose = (code, reason) => {
        this.#tell.onClose(code, reason)
        ;(listener as Listeners['close'])({ code, reason })
      }
    }
  }

  send(text: string): void {
    this.#connection.send(text)
  }

  close(): void {
    this.#connection.close()
  }
}
