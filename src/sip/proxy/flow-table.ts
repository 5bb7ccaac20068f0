import type { Flow } from '../transport/flow.ts'

/**
 * Connections that calls were set up over, to be found by what stands in a Route (RFC 5626 §5.3). Each goes as it closes, so there are never
 * more than the transport layer allows connections.
 */
export class FlowTable {
  readonly #flows = new Map<string, Flow>()

  get size(): number {
    return this.#flows.size
  }

  /** The key to find the connection by, fit for the user part of a URI; `undefined` for datagrams, which are found by their address. */
  note(flow: Flow): string | undefined {
    if (!flow.reliable || flow.closed) return undefined
    const key = Buffer.from(flow.id).toString('base64url')
    if (this.#flows.get(key) !== flow) {
      this.#flows.set(key, flow)
      // Nobody here knows when the call ends: while its client keeps the connection, it must not be closed for being idle.
      const release = flow.hold()
      flow.onClose(() => {
        release()
        if (this.#flows.get(key) === flow) this.#flows.delete(key)
      })
    }
    return key
  }

  get(key: string): Flow | undefined {
    return this.#flows.get(key)
  }
}
