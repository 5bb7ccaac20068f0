/** The NOTIFYs of a REFER (RFC 3515 §2.4.4, §2.4.5): read on one side, written on the other. */
import { Event } from '../message/headers/session.ts'
import type { SipRequest } from '../message/message.ts'
import { reasonPhrases } from '../message/status.ts'
import type { ReferEvent } from './refer-table.ts'
import type { HeaderList, SessionBody } from './session-types.ts'

export interface ReferNews {
  readonly event: Extract<ReferEvent, 'trying' | 'success' | 'failure' | 'fell-silent'>
  /** `Event: refer;id=`: the CSeq of the REFER it is about (§2.4.6). */
  readonly id: string | undefined
  /** From the body, when there was one that can be read. */
  readonly statusCode: number | undefined
  readonly reasonPhrase: string | undefined
}

/** The start of a message/sipfrag body is all that counts (§2.4.5). */
const statusLine = /^\s*SIP\/2\.0[ \t]+([1-6]\d\d)(?:[ \t]+([^\r\n]{0,200}))?/i

/** What a NOTIFY says of a REFER; undefined when it is about something else, or cannot be read. */
export function readReferNotify(notify: SipRequest): ReferNews | undefined {
  try {
    const event = notify.get(Event)
    if (event?.value.toLowerCase() !== 'refer') return undefined
    // Only the state counts, and some phones write parameters that cannot be read.
    const state = /^\s*[^\s;]+/
      .exec(notify.headers.get('Subscription-State') ?? '')?.[0]
      .trim()
      .toLowerCase()
    const match = statusLine.exec(Buffer.from(notify.body).toString('utf8', 0, 512))
    const statusCode = match === null ? undefined : Number(match[1])
    return {
      event: meaning(statusCode, state === 'terminated'),
      id: event.params.value('id'),
      statusCode,
      reasonPhrase: match?.[2]?.trim(),
    }
  } catch {
    return undefined
  }
}

/** A final status decides even if the sender forgot to terminate; without one only `terminated` ends it. */
function meaning(statusCode: number | undefined, terminated: boolean): ReferNews['event'] {
  if (statusCode === undefined || statusCode < 200) return terminated ? 'fell-silent' : 'trying'
  return statusCode < 300 ? 'success' : 'failure'
}

export interface ReferNotify {
  readonly headers: HeaderList
  readonly body: SessionBody
}

/**
 * The NOTIFY for a status of the call that a REFER led to. A final status ends the subscription (§2.4.7); `id` is the CSeq of the REFER, and
 * `remainingSeconds` what is left of the subscription.
 */
export function referNotify(
  id: number,
  statusCode: number,
  reasonPhrase: string | undefined,
  remainingSeconds: number,
): ReferNotify {
  const phrase = (reasonPhrase ?? reasonPhrases.get(statusCode) ?? '').replace(/[\r\n\0]+/g, ' ')
  return {
    headers: [
      ['Event', `refer;id=${id}`],
      [
        'Subscription-State',
        statusCode < 200
          ? `active;expires=${Math.max(1, Math.round(remainingSeconds))}`
          : 'terminated;reason=noresource',
      ],
    ],
    body: {
      contentType: 'message/sipfrag;version=2.0',
      body: Buffer.from(`SIP/2.0 ${statusCode} ${phrase}\r\n`),
    },
  }
}
