/** Counters since the layer was made; `client` and `server` are the transactions alive now. */
export interface TransactionStats {
  client: number
  server: number
  clientStarted: number
  serverStarted: number
  /** Messages sent again by a timer or because the other party repeated itself. */
  retransmitted: number
  /** Requests received again and absorbed. */
  absorbed: number
  timeouts: number
  transportErrors: number
  /** Responses that belong to no transaction. */
  strayResponses: number
  /** ACKs that belong to no transaction: those for a 2xx, in a healthy call. */
  strayAcks: number
  /** Requests answered 503 because `limits.server` was reached. */
  refusedServer: number
  /** `request()` calls refused because `limits.client` was reached. */
  refusedClient: number
}

export function emptyStats(): TransactionStats {
  return {
    client: 0,
    server: 0,
    clientStarted: 0,
    serverStarted: 0,
    retransmitted: 0,
    absorbed: 0,
    timeouts: 0,
    transportErrors: 0,
    strayResponses: 0,
    strayAcks: 0,
    refusedServer: 0,
    refusedClient: 0,
  }
}
