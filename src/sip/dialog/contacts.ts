import type { Clock } from '../../runtime/runtime.ts'
import type { Destination } from '../transport/destination.ts'
import type { Flow } from '../transport/flow.ts'
import type { TransportLayer } from '../transport/transport-layer.ts'

/** How long a Contact is taken from memory, milliseconds: an address of this host may change. */
const KEPT_MS = 1000
const MAX_KEPT = 1024

/** Our Contact for each peer, as text. Calls come in crowds from few peers: finding the address and writing the URI is done once a second for each. */
export class Contacts {
  readonly #clock: Clock
  readonly #transport: TransportLayer
  readonly #kept = new Map<string, string>()
  #until = 0

  constructor(clock: Clock, transport: TransportLayer) {
    this.#clock = clock
    this.#transport = transport
  }

  /** `<sip:user@host:port>` for messages over that flow or to that destination; `secure` for a request that came for a `sips` URI. */
  for(where: Flow | Destination, user: string | undefined, secure?: boolean): string {
    if (secure === true || !('send' in where)) return this.#write(where, user, secure)
    const now = this.#clock.now()
    if (now >= this.#until || this.#kept.size >= MAX_KEPT) {
      this.#kept.clear()
      this.#until = now + KEPT_MS
    }
    const { transport, local, remote } = where
    const key = `${transport} ${local.address} ${local.port} ${remote.address} ${user ?? ''}`
    let contact = this.#kept.get(key)
    if (contact === undefined) {
      contact = this.#write(where, user)
      this.#kept.set(key, contact)
    }
    return contact
  }

  #write(where: Flow | Destination, user: string | undefined, secure?: boolean): string {
    return `<${this.#transport.contactFor(where, user, secure === true ? true : undefined).toString()}>`
  }
}
