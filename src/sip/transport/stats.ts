/** Why something received was thrown away. */
export type DropCause =
  /** Keep-alives on UDP and other datagrams too short to be SIP. */
  | 'keepAlive'
  /** Not SIP, or not readable enough to answer. */
  | 'malformed'
  /** A response whose top Via is not ours (RFC 3261 §18.1.2). */
  | 'foreignResponse'
  /** Nobody is attached above, or the layer is closing. */
  | 'unattended'

/** Counters since the layer was made; `connections.open` is a gauge. */
export interface TransportStats {
  received: number
  sent: number
  /** Messages that did not parse, answered or not. */
  parseErrors: number
  /** Messages at which the parser itself failed: always 0, or a defect to report. */
  parserFaults: number
  /** Messages at whose handling something threw, a callback of the application's or a defect: see the channel `offhook:sip:fault`. */
  faults: number
  /** Malformed requests that got their 4xx or 505. */
  rejected: number
  dropped: Record<DropCause, number>
  connections: {
    open: number
    opened: number
    accepted: number
    /** Accepted sockets closed at once because of a limit, and attempts not made for the same reason. */
    refused: number
    failed: number
    closedIdle: number
    /** Closed because a ping got no pong. */
    closedDead: number
    /** Closed because the peer did not read fast enough. */
    closedSlow: number
    /** Closed because framing was lost. */
    closedBroken: number
  }
  /** Requests too large for UDP: sent by TCP, and sent by UDP after all because TCP was refused. */
  largeByTcp: number
  largeByUdp: number
  socketErrors: number
}

export function emptyStats(): TransportStats {
  return {
    received: 0,
    sent: 0,
    parseErrors: 0,
    parserFaults: 0,
    faults: 0,
    rejected: 0,
    dropped: { keepAlive: 0, malformed: 0, foreignResponse: 0, unattended: 0 },
    connections: {
      open: 0,
      opened: 0,
      accepted: 0,
      refused: 0,
      failed: 0,
      closedIdle: 0,
      closedDead: 0,
      closedSlow: 0,
      closedBroken: 0,
    },
    largeByTcp: 0,
    largeByUdp: 0,
    socketErrors: 0,
  }
}
