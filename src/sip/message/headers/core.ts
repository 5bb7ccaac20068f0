import { single, list } from '../definition.ts'
import type { HeaderDefinition } from '../definition.ts'
import { SipParseError } from '../errors.ts'
import { isToken, skipBlank } from '../chars.ts'
import { NameAddr } from '../name-addr.ts'
import { Scanner } from '../scanner.ts'
import { Via as ViaValue } from '../via.ts'

export interface CSeqValue {
  sequence: number
  method: string
}

function parseCSeq(text: string): CSeqValue {
  let at = 0
  let sequence = 0
  for (let code = text.charCodeAt(0); code >= 48 && code <= 57; code = text.charCodeAt(++at)) {
    sequence = sequence * 10 + code - 48
  }
  const start = skipBlank(text, at, text.length)
  const method = text.slice(start)
  if (at === 0 || start === at || !isToken(method)) {
    throw new SipParseError('not a number and a method', { offset: at })
  }
  if (sequence > 0x7fff_ffff) throw new SipParseError('the sequence number is above 2147483647')
  return { sequence, method }
}

function parseCallId(text: string): string {
  // It is only ever compared: peers that put more into it than word [ "@" word ] do no harm.
  if (text === '' || text.includes(' ') || text.includes('\t')) throw new SipParseError('not a Call-ID')
  return text
}

export function writeNumber(value: number): string {
  return String(value)
}

export const Via: HeaderDefinition<readonly ViaValue[]> = list('Via', ViaValue.parse, String, {
  nonEmpty: true,
})
export const From: HeaderDefinition<NameAddr> = single('From', NameAddr.parse)
export const To: HeaderDefinition<NameAddr> = single('To', NameAddr.parse)
export const CallId: HeaderDefinition<string> = single('Call-ID', parseCallId)
export const CSeq: HeaderDefinition<CSeqValue> = single(
  'CSeq',
  parseCSeq,
  value => `${value.sequence} ${value.method}`,
)
export const MaxForwards: HeaderDefinition<number> = single(
  'Max-Forwards',
  text => {
    const scanner = new Scanner(text)
    const value = scanner.integer('a number of hops', 255)
    scanner.finish()
    return value
  },
  writeNumber,
)

const contactList = list('Contact', NameAddr.parse, String, { nonEmpty: true })

/** The addresses, or `*` (REGISTER only, RFC 3261 §10.2.2). */
export const Contact: HeaderDefinition<readonly NameAddr[] | '*'> = {
  ...contactList,
  parse: text => (text === '*' ? '*' : contactList.parse(text)),
  write: value => (value === '*' ? ['*'] : contactList.write(value)),
  join: values => {
    if (values.includes('*'))
      throw new SipParseError('"*" stands beside other contacts', { header: 'Contact' })
    return values.flat(1) as NameAddr[]
  },
}
export const Route: HeaderDefinition<readonly NameAddr[]> = list('Route', NameAddr.parse, String, {
  nonEmpty: true,
})
export const RecordRoute: HeaderDefinition<readonly NameAddr[]> = list(
  'Record-Route',
  NameAddr.parse,
  String,
  {
    nonEmpty: true,
  },
)

/** Method names, as Allow and CSeq have them. */
export function parseToken(text: string): string {
  if (!isToken(text)) throw new SipParseError('not a token')
  return text
}
