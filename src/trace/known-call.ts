import type { Call } from '../call/call.ts'
import type { CarrierId, CarrierIdHeader } from '../call/carrier-ids.ts'
import { carrierIds } from '../call/carrier-ids.ts'

/** What a record says of a call beside its messages. */
export interface KnownCall extends Pick<Call, 'id' | 'direction' | 'admission'> {
  readonly from: string
  readonly to: string
  /** From its INVITE. */
  readonly carrierIds: readonly CarrierId[]
}

/** Without the call itself: one that has ended would keep its dialog and its media in memory with it. */
export function knownCall(call: Call, carrierHeaders: readonly CarrierIdHeader[]): KnownCall {
  const { id, direction, admission, local, remote } = call
  const inbound = direction === 'inbound'
  return {
    id,
    direction,
    admission,
    from: (inbound ? remote : local).uriText,
    to: (inbound ? local : remote).uriText,
    carrierIds: carrierIds(call.headers, carrierHeaders),
  }
}
