import type { CarrierId } from '../../call/carrier-ids.ts'
import { carrierIdHeaders } from '../../call/carrier-ids.ts'
import { Headers } from '../../sip/message/headers.ts'
import { parseUri } from '../../sip/message/uri.ts'
import type { DialectName, StreamStart } from '../streams/dialect.ts'
import type { StreamCall } from './options.ts'

/** Where carriers and the samples of their users put the two parties, where the protocol has no field for them. */
const FROM = ['from', 'from_number', 'From', 'caller']
const TO = ['to', 'to_number', 'To', 'called']

/** Numbers of the two parties as the start says them; empty where it does not. */
export function partiesOf({ from, to, parameters }: StreamStart): {
  readonly from: string
  readonly to: string
} {
  const first = (names: readonly string[]): string =>
    names.map(name => parameters[name]).find(value => value !== undefined && value !== '') ?? ''
  return { from: from || first(FROM), to: to || first(TO) }
}

/** A number or URI as a URI; `sip:anonymous@anonymous.invalid` for what is none (RFC 3323 §4.1.1.3). */
export function uriOf(party: string): string {
  if (/^(?:sips?|tel):[^\s<>"]{1,256}$/i.test(party) && isUri(party)) return party
  const digits = party.replaceAll(/[\s().-]/g, '')
  if (/^\+\d{3,32}$/.test(digits)) return `tel:${digits}`
  // A national number is one of no country (RFC 3966 §5.1.5).
  if (/^[0-9*#]{1,32}$/.test(digits)) return `sip:${digits.replaceAll('#', '%23')}@anonymous.invalid`
  return 'sip:anonymous@anonymous.invalid'
}

/** Callers choose theirs, and an agent that takes it apart must not stumble. */
function isUri(text: string): boolean {
  try {
    parseUri(text)
    return true
  } catch {
    return false
  }
}

/** The ids of the start, under the names the carrier's own records have for them. */
export function carrierIdsOf(
  dialect: DialectName,
  { callId, streamId, accountId }: StreamStart,
): CarrierId[] {
  const fields: Partial<Record<DialectName, readonly [call: string, stream: string, account: string]>> = {
    twilio: ['callSid', 'streamSid', 'accountSid'],
    telnyx: ['callControlId', 'streamId', 'userId'],
    plivo: ['callUuid', 'streamId', 'accountId'],
  }
  const [call, stream, account] = fields[dialect] ?? ['callId', 'streamId', 'accountId']
  return [
    { carrier: dialect, field: call, value: callId },
    { carrier: dialect, field: stream, value: streamId },
    { carrier: dialect, field: account, value: accountId },
  ].filter(({ value }) => value !== '')
}

/** The ids as the carrier sends them over SIP, and parameters that are named like headers: an agent finds them where it looks on any call. */
export function headersOf({
  carrierIds,
  parameters,
}: Pick<StreamCall, 'carrierIds' | 'parameters'>): Headers {
  const fields: [string, string][] = []
  for (const { carrier, header, field } of carrierIdHeaders) {
    const id = carrierIds.find(known => known.carrier === carrier && known.field === field)
    if (id !== undefined && VALUE.test(id.value)) fields.push([header, id.value])
  }
  for (const [name, value] of Object.entries(parameters)) {
    if (/^X-[\w-]{1,64}$/i.test(name) && VALUE.test(value)) fields.push([name, value])
  }
  return Headers.from(fields)
}

const VALUE = /^[\x20-\x7e]{1,1024}$/
