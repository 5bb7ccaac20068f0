/** How a carrier names a call in the headers it sends: what joins our trace to theirs. Only headers seen in public sources stand here. */
export interface CarrierIdHeader {
  readonly carrier: string
  readonly header: string
  /** The field of the carrier's own records that holds the same value. */
  readonly field: string
}

export const carrierIdHeaders: readonly CarrierIdHeader[] = [
  { carrier: 'twilio', header: 'X-Twilio-CallSid', field: 'callSid' },
  { carrier: 'twilio', header: 'X-Twilio-AccountSid', field: 'accountSid' },
  { carrier: 'telnyx', header: 'X-call_leg_id', field: 'callLegId' },
  { carrier: 'telnyx', header: 'X-call_session_id', field: 'callSessionId' },
]

/** Headers in which carriers tell the result of a verification, where they do not use the URI parameter. */
export const verstatHeaders: readonly string[] = ['X-Twilio-VerStat']

export interface CarrierId {
  readonly carrier: string
  readonly field: string
  readonly value: string
}

/** The carrier ids present in a message, in the order of the table.  */
export function carrierIds(
  headers: { get(name: string): string | undefined },
  table: readonly CarrierIdHeader[] = carrierIdHeaders,
): CarrierId[] {
  const found: CarrierId[] = []
  for (const { carrier, header, field } of table) {
    const value = headers.get(header)?.trim()
    if (value && !found.some(id => id.carrier === carrier && id.field === field))
      found.push({ carrier, field, value })
  }
  return found
}
