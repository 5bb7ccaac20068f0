import { list, single } from '../definition.ts'
import type { HeaderDefinition } from '../definition.ts'
import { SipParseError } from '../errors.ts'
import { scanParams } from '../params.ts'
import type { Params } from '../params.ts'
import { quote } from '../scanner.ts'
import type { CSeqValue } from './core.ts'
import { writeNumber } from './core.ts'
import {
  integer,
  parseToken,
  parseWord,
  readToken,
  readWord,
  text,
  whole,
  withParams,
  writeParameterised,
} from './parts.ts'
import type { Parameterised } from './parts.ts'

type Text = HeaderDefinition<string>
type Seconds = HeaderDefinition<number>
type WithParams = HeaderDefinition<Parameterised>
type SecondsWithParams = HeaderDefinition<Parameterised<number>>

function seconds(name: string): Seconds {
  return single(name, integer('a number of seconds'), writeNumber)
}

function secondsWithParams(name: string): SecondsWithParams {
  return single(
    name,
    withParams(scanner => scanner.integer('a number of seconds')),
    writeParameterised,
  )
}

/** Refers to a dialog: Replaces, Join, Target-Dialog. */
export interface DialogReference {
  callId: string
  toTag: string
  fromTag: string
  /** RFC 3891: replace only what is not answered yet. */
  earlyOnly: boolean
  params: Params
}

function dialogReference(name: string, ours: [to: string, from: string]): HeaderDefinition<DialogReference> {
  return single(
    name,
    whole(scanner => {
      const semicolon = scanner.text.indexOf(';', scanner.at)
      const callId = parseWord(
        semicolon < 0 ? scanner.text : scanner.text.slice(scanner.at, semicolon).trim(),
      )
      scanner.at = semicolon < 0 ? scanner.end : semicolon
      const params = scanParams(scanner)
      const toTag = params.value(ours[0])
      const fromTag = params.value(ours[1])
      if (toTag === undefined || fromTag === undefined) {
        throw new SipParseError(`${ours.join(' or ')} is missing`, { offset: scanner.end })
      }
      return { callId, toTag, fromTag, earlyOnly: params.has('early-only'), params }
    }),
    value => {
      let params = value.params.with(ours[0], value.toTag).with(ours[1], value.fromTag)
      if (value.earlyOnly) params = params.with('early-only', true)
      return `${value.callId}${params.toString()}`
    },
  )
}

export const Replaces: HeaderDefinition<DialogReference> = dialogReference('Replaces', ['to-tag', 'from-tag'])
export const Join: HeaderDefinition<DialogReference> = dialogReference('Join', ['to-tag', 'from-tag'])
export const TargetDialog: HeaderDefinition<DialogReference> = dialogReference('Target-Dialog', [
  'remote-tag',
  'local-tag',
])

export interface RAckValue extends CSeqValue {
  responseSequence: number
}

export const RSeq: HeaderDefinition<number> = single('RSeq', integer('a sequence number'), writeNumber)
export const RAck: HeaderDefinition<RAckValue> = single(
  'RAck',
  whole(scanner => {
    const responseSequence = scanner.integer('a response number')
    scanner.space()
    const sequence = scanner.integer('a sequence number', 0x7fff_ffff)
    scanner.space()
    return { responseSequence, sequence, method: scanner.token('a method') }
  }),
  value => `${value.responseSequence} ${value.sequence} ${value.method}`,
)

export const Expires: Seconds = seconds('Expires')
export const MinExpires: Seconds = seconds('Min-Expires')
export const FlowTimer: Seconds = seconds('Flow-Timer')
export const MaxBreadth: HeaderDefinition<number> = single('Max-Breadth', integer('a number'), writeNumber)
export const MinSe: SecondsWithParams = secondsWithParams('Min-SE')

export interface SessionExpiresValue {
  seconds: number
  refresher: 'uac' | 'uas' | undefined
  params: Params
}

export const SessionExpires: HeaderDefinition<SessionExpiresValue> = single(
  'Session-Expires',
  whole(scanner => {
    const value = scanner.integer('a number of seconds')
    const params = scanParams(scanner)
    const refresher = params.value('refresher')?.toLowerCase()
    return {
      seconds: value,
      refresher: refresher === 'uac' || refresher === 'uas' ? refresher : undefined,
      params,
    }
  }),
  value => {
    const params =
      value.refresher === undefined ? value.params : value.params.with('refresher', value.refresher)
    return `${value.seconds}${params.toString()}`
  },
)

export interface RetryAfterValue {
  seconds: number
  comment: string | undefined
  params: Params
}

export const RetryAfter: HeaderDefinition<RetryAfterValue> = single(
  'Retry-After',
  whole(scanner => {
    const value = scanner.integer('a number of seconds')
    scanner.space()
    const comment = scanner.peek() === 40 ? scanner.comment() : undefined
    return { seconds: value, comment, params: scanParams(scanner) }
  }),
  value =>
    `${value.seconds}${value.comment === undefined ? '' : ` (${value.comment})`}${value.params.toString()}`,
)

export const Event: WithParams = single('Event', withParams(readToken), writeParameterised)
export const SubscriptionState: WithParams = single(
  'Subscription-State',
  withParams(readToken),
  writeParameterised,
)
export const ReferSub: WithParams = single('Refer-Sub', withParams(readToken), writeParameterised)
/** The protocol (`SIP`, `Q.850`) with `cause` and `text` as parameters (RFC 3326). */
export const Reason: HeaderDefinition<readonly Parameterised[]> = list(
  'Reason',
  withParams(readToken),
  value => {
    const text = value.params.value('text')
    // RFC 3326 has text always quoted.
    const params = text === undefined ? value.params : value.params.without('text')
    return `${value.value}${params.toString()}${text === undefined ? '' : `;text=${quote(text)}`}`
  },
)
export const AnswerMode: WithParams = single('Answer-Mode', withParams(readToken), writeParameterised)
export const UserToUser: HeaderDefinition<readonly Parameterised[]> = list(
  'User-to-User',
  withParams(scanner => (scanner.peek() === 34 ? scanner.rawQuoted() : scanner.token())),
  writeParameterised,
)
export const PEarlyMedia: HeaderDefinition<readonly string[]> = list('P-Early-Media', parseToken)
/** `id`, `header`, `session`, `user`, `critical`, `none`: separated by semicolons (RFC 3323). */
export const Privacy: HeaderDefinition<readonly string[]> = single(
  'Privacy',
  // Some peers put commas where the RFC has semicolons.
  value => value.split(/[;,]/).map(part => parseToken(part.trim())),
  values => values.join(';'),
)

export const SipETag: Text = single('SIP-ETag', parseToken)
export const SipIfMatch: Text = single('SIP-If-Match', parseToken)
export const SuppressIfMatch: Text = single('Suppress-If-Match', parseToken)
export const InReplyTo: HeaderDefinition<readonly string[]> = list('In-Reply-To', parseWord)
export const Subject: Text = single('Subject', text)
export const Organization: Text = single('Organization', text)
export const Priority: Text = single('Priority', parseToken)
export const Server: Text = single('Server', text)
export const UserAgent: Text = single('User-Agent', text)
export const PChargingVector: Text = single('P-Charging-Vector', text)
export const PAccessNetworkInfo: HeaderDefinition<readonly string[]> = list('P-Access-Network-Info', text)
export const GeolocationRouting: WithParams = single(
  'Geolocation-Routing',
  withParams(readToken),
  writeParameterised,
)
export const GeolocationError: WithParams = single(
  'Geolocation-Error',
  withParams(readToken),
  writeParameterised,
)

export interface WarningValue {
  code: number
  agent: string
  text: string
}

export const Warning: HeaderDefinition<readonly WarningValue[]> = list(
  'Warning',
  whole(scanner => {
    const code = scanner.integer('a warning code', 999)
    scanner.space()
    const agent = readWord(scanner)
    scanner.space()
    return { code, agent, text: scanner.quoted() }
  }),
  value => `${String(value.code).padStart(3, '0')} ${value.agent} ${quote(value.text)}`,
)

export interface TimestampValue {
  /** Seconds, as the sender wrote them. */
  timestamp: string
  delay: string | undefined
}

export const Timestamp: HeaderDefinition<TimestampValue> = single(
  'Timestamp',
  value => {
    const match = /^(\d+(?:\.\d*)?|\.\d+)(?:[ \t]+(\d+(?:\.\d*)?|\.\d+))?$/.exec(value)
    if (match === null) throw new SipParseError('not a timestamp')
    return { timestamp: match[1] as string, delay: match[2] }
  },
  value => (value.delay === undefined ? value.timestamp : `${value.timestamp} ${value.delay}`),
)

const days = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']

function parseDate(value: string): Date {
  const match = /^([A-Z][a-z]{2}), +(\d{2}) ([A-Z][a-z]{2}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) GMT$/i.exec(value)
  const month = months.findIndex(name => name.toLowerCase() === match?.[3]?.toLowerCase())
  if (match === null || month < 0) throw new SipParseError('not an RFC 1123 date in GMT')
  const part = (index: number): number => Number(match[index])
  return new Date(Date.UTC(part(4), month, part(2), part(5), part(6), part(7)))
}

function two(part: number): string {
  return String(part).padStart(2, '0')
}

function writeDate(value: Date): string {
  const day = `${days[value.getUTCDay()] as string}, ${two(value.getUTCDate())}`
  const time = [value.getUTCHours(), value.getUTCMinutes(), value.getUTCSeconds()].map(two).join(':')
  return `${day} ${months[value.getUTCMonth()] as string} ${value.getUTCFullYear()} ${time} GMT`
}

export const DateHeader: HeaderDefinition<Date> = single('Date', parseDate, writeDate)
