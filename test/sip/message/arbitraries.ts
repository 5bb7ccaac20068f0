/** Messages and their parts from the grammar of RFC 3261 §25, for property tests here and in the layers above. */
import * as fc from 'fast-check'
import { NameAddr } from '../../../src/sip/message/name-addr.ts'
import { Params } from '../../../src/sip/message/params.ts'
import { SipUri } from '../../../src/sip/message/uri.ts'
import { Via } from '../../../src/sip/message/via.ts'

const alphanum = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

function text(characters: string, minLength: number, maxLength: number): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom(...characters.split('')), minLength, maxLength })
}

export const token: fc.Arbitrary<string> = text(`${alphanum}-.!%*_+\`'~`, 1, 20)

/** Any text that may stand between quotes: no line breaks, but quotes, backslashes and letters beyond ASCII. */
export const quotable: fc.Arbitrary<string> = fc
  .string({ unit: 'grapheme', maxLength: 20 })
  .map(value => value.replace(/[\r\n\0]/g, ' '))

export const host: fc.Arbitrary<string> = fc.oneof(
  text(alphanum, 1, 12).map(name => `${name}.example`),
  fc.ipV4(),
  fc.constantFrom('::1', '2001:db8::9:1', '::ffff:192.0.2.10', '2001:db8:0:0:1:2:3:4'),
)

export const port: fc.Arbitrary<number | undefined> = fc.option(fc.integer({ min: 1, max: 65_535 }), {
  nil: undefined,
})

function distinct(pairs: readonly [string, string | true][]): [string, string | true][] {
  return [...new Map(pairs.map(pair => [pair[0].toLowerCase(), pair])).values()]
}

const pairs: fc.Arbitrary<[string, string | true][]> = fc
  .array(fc.tuple(token, fc.oneof(fc.constant(true as const), token, quotable)), { maxLength: 4 })
  .map(distinct)

export const headerParams: fc.Arbitrary<Params> = pairs.map(init => Params.of(init))

export const sipUri: fc.Arbitrary<SipUri> = fc
  .record({
    scheme: fc.constantFrom('sip' as const, 'sips' as const),
    user: fc.option(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 }), { nil: undefined }),
    host,
    port,
    params: fc
      .array(
        fc.tuple(text(alphanum, 1, 8), fc.oneof(fc.constant(true as const), text(`${alphanum}%;@ é`, 1, 8))),
        {
          maxLength: 3,
        },
      )
      .map(distinct),
    headers: fc.array(fc.tuple(text(alphanum, 1, 8), fc.string({ unit: 'grapheme', maxLength: 8 })), {
      maxLength: 2,
    }),
  })
  .map(init => new SipUri(init))

export const nameAddr: fc.Arbitrary<NameAddr> = fc
  .record({
    displayName: fc.option(
      quotable.filter(name => name !== ''),
      { nil: undefined },
    ),
    uri: sipUri,
    params: headerParams,
  })
  .map(init => new NameAddr(init))

export const via: fc.Arbitrary<Via> = fc
  .record({
    transport: fc.constantFrom('UDP', 'TCP', 'TLS', 'WS', 'SCTP'),
    host,
    port,
    params: headerParams,
  })
  .map(init => new Via(init))

/** Start line, header lines and body as a peer may write them. */
export interface MessageText {
  readonly startLine: string
  readonly headers: readonly (readonly [string, string])[]
  readonly body: Uint8Array
  readonly bytes: Buffer
}

/** Between the words of a value: a space, several, or a folded line. */
const space = fc.constantFrom(' ', ' ', ' ', '\t', '  ', '\r\n ', ' \r\n\t')
const callId = text(`${alphanum}-.!%*_+`, 1, 20)
const methodName = fc.oneof(fc.constantFrom('INVITE', 'ACK', 'BYE', 'OPTIONS', 'REGISTER', 'MESSAGE'), token)

const extension: fc.Arbitrary<[string, string]> = fc.tuple(
  token.map(name => `X-${name}`),
  quotable.map(value => value.trim()),
)

/** A message that nobody may refuse: all mandatory headers, in any order, case, form and folding. */
export const messageText: fc.Arbitrary<MessageText> = fc
  .record({
    method: methodName,
    isResponse: fc.boolean(),
    status: fc.integer({ min: 100, max: 699 }),
    reason: quotable.map(value => value.trim()),
    uri: sipUri,
    vias: fc.array(via, { minLength: 1, maxLength: 4 }),
    from: nameAddr,
    to: nameAddr,
    callId,
    sequence: fc.integer({ min: 0, max: 0x7fff_ffff }),
    contacts: fc.array(nameAddr, { maxLength: 3 }),
    others: fc.array(extension, { maxLength: 5 }),
    body: fc.uint8Array({ maxLength: 60 }),
    space,
    compact: fc.boolean(),
    upper: fc.boolean(),
    joined: fc.boolean(),
  })
  .map(parts => {
    const name = (long: string, short: string): string => {
      const chosen = parts.compact ? short : long
      return parts.upper ? chosen.toUpperCase() : chosen
    }
    const vias = parts.vias.map(String)
    const viaLines = parts.joined ? [vias.join(`,${parts.space}`)] : vias
    const contacts = parts.contacts.length === 0 ? [] : [parts.contacts.map(String).join(`${parts.space},`)]
    const uri = parts.uri.with({ headers: undefined })
    const startLine = parts.isResponse
      ? `SIP/2.0 ${parts.status} ${parts.reason}`
      : `${parts.method} ${uri.toString()} SIP/2.0`
    const headers: [string, string][] = [
      ...viaLines.map((value): [string, string] => [name('Via', 'v'), value]),
      [name('From', 'f'), parts.from.toString()],
      [name('To', 't'), parts.to.toString()],
      ...parts.others,
      [name('Call-ID', 'i'), parts.callId],
      ['CSeq', `${parts.sequence}${parts.space}${parts.method}`],
      ...contacts.map((value): [string, string] => [name('Contact', 'm'), value]),
      [name('Content-Length', 'l'), String(parts.body.length)],
    ]
    const head = headers.map(([header, value]) => `${header}:${parts.space}${value}\r\n`).join('')
    const bytes = Buffer.concat([Buffer.from(`${startLine}\r\n${head}\r\n`, 'utf8'), parts.body])
    return { startLine, headers, body: parts.body, bytes }
  })
