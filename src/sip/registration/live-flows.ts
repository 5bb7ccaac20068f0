import type { Flow } from '../transport/flow.ts'

/** Open connections that registered something, by their id. There are never more than the transport layer allows connections. */
export class LiveFlows {
  readonly #flows = new Map<string, Flow>()

  /** Datagram flows are not kept: they are found by their address. */
  note(flow: Flow): void {
    if (!flow.reliable || flow.closed || this.#flows.get(flow.id) === flow) return
    this.#flows.set(flow.id, flow)
    // Calls must find the connection open; keeping it alive is the client's part (RFC 5626 §4.4), and a dead one is closed by the system.
    const release = flow.hold()
    flow.onClose(() => {
      release()
      if (this.#flows.get(flow.id) === flow) this.#flows.delete(flow.id)
    })
  }

  get(id: string): Flow | undefined {
    return this.#flows.get(id)
  }
}
