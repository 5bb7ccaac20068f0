import type { TrackedCall } from './tracked-call.ts'

/** A call as Twilio's interface shows it. `wallTime` and times of the call in milliseconds since the Unix epoch. */
export function callResource(call: TrackedCall, accountSid: string, now: number): object {
  const { sid, session, startedAt, endedAt } = call
  const { direction, local, remote } = session
  const [from, to] = direction === 'inbound' ? [remote, local] : [local, remote]
  const uri = `/2010-04-01/Accounts/${accountSid}/Calls/${sid}`
  const [fromNumber, toNumber] = [numberOf(from.uriText), numberOf(to.uriText)]
  const parts = ['Events', 'Notifications', 'Payments', 'Recordings', 'Siprec', 'Streams', 'Transcriptions']
  return {
    sid,
    account_sid: accountSid,
    annotation: null,
    answered_by: null,
    api_version: '2010-04-01',
    caller_name: null,
    date_created: dateOf(startedAt),
    date_updated: dateOf(endedAt ?? now),
    direction: direction === 'inbound' ? 'inbound' : 'outbound-api',
    duration: endedAt === undefined ? null : String(Math.round((endedAt - startedAt) / 1000)),
    end_time: endedAt === undefined ? null : dateOf(endedAt),
    forwarded_from: null,
    from: fromNumber,
    from_formatted: fromNumber,
    group_sid: null,
    parent_call_sid: null,
    phone_number_sid: null,
    price: null,
    price_unit: 'USD',
    queue_time: '0',
    start_time: dateOf(startedAt),
    status: endedAt === undefined ? 'in-progress' : 'completed',
    subresource_uris: Object.fromEntries(parts.map(part => [part.toLowerCase(), `${uri}/${part}.json`])),
    to: toNumber,
    to_formatted: toNumber,
    trunk_sid: null,
    uri: `${uri}.json`,
  }
}

/** RFC 2822 §3.3, as `Tue, 10 Aug 2010 08:02:17 +0000`. */
function dateOf(wallTime: number): string {
  return new Date(wallTime).toUTCString().replace('GMT', '+0000')
}

function numberOf(uri: string): string {
  return /^(?:sips?|tel):(?<user>\+?[\d*#]+)(?:[@;?>:]|$)/i.exec(uri)?.groups?.['user'] ?? uri
}
