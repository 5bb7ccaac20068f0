import type { Clock } from '../../runtime/runtime.ts'
import { SipParseError } from '../message/errors.ts'
import type { SipRequest, SipResponse } from '../message/message.ts'
import { parseMessage } from '../message/parser.ts'
import { messageChannel } from './diagnostics.ts'
import type { Flow } from './flow.ts'
import type { TransportStats } from './stats.ts'

/** What every flow of one layer shares: counting and showing the messages that pass. */
export interface Wire {
  readonly clock: Clock
  readonly endpoint: object
  readonly stats: TransportStats
}

export function noteSent(
  wire: Wire,
  flow: Flow,
  bytes: Uint8Array,
  message: SipRequest | SipResponse | undefined,
): void {
  wire.stats.sent++
  if (messageChannel.hasSubscribers) note(wire, 'out', flow, bytes, message)
}

export function noteReceived(
  wire: Wire,
  flow: Flow,
  bytes: Uint8Array,
  message: SipRequest | SipResponse | undefined,
): void {
  wire.stats.received++
  if (messageChannel.hasSubscribers) note(wire, 'in', flow, bytes, message)
}

function note(
  { clock, endpoint }: Wire,
  direction: 'in' | 'out',
  { transport, local, remote }: Flow,
  bytes: Uint8Array,
  message: SipRequest | SipResponse | undefined,
): void {
  const shown = message ?? (direction === 'out' ? parsed(bytes) : undefined)
  messageChannel.publish({
    endpoint,
    direction,
    at: clock.now(),
    transport,
    local,
    remote,
    bytes,
    message: shown,
  })
}

/** A repeated message whose object has been let go: only its octets were kept. */
function parsed(bytes: Uint8Array): SipRequest | SipResponse | undefined {
  try {
    return parseMessage(bytes)
  } catch (error) {
    if (error instanceof SipParseError) return undefined
    throw error
  }
}
