import { single, list } from '../definition.ts'
import type { HeaderDefinition } from '../definition.ts'
import { SipParseError } from '../errors.ts'
import { isToken, skip, WORD } from '../chars.ts'
import { NameAddr } from '../name-addr.ts'
import { Scanner } from '../scanner.ts'
import { Via as ViaValue } from '../via.ts'

export interface CSeqValue {
  sequence: number
  method: string
}

function parseCSeq(text: string): CSeqValue {
  const scanner = new Scanner(text)
  const sequence = scanner.integer('a sequence number', 0x7fff_ffff)
  const code = scanner.peek()
  if (code !== 32 && code !== 9) throw scanner.fail('expected a space and a method')
  scanner.space()
  const method = scanner.token('a method')
  scanner.finish()
  return { sequence, method }
}

function parseCallId(text: string): string {
  // RFC 3261 asks for word [ "@" word ]; nothing depends on where the at signs are.
  if (text === '' || skip(text, 0, text.length, WORD) !== text.length)
    throw new SipParseError('not a Call-ID')
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
