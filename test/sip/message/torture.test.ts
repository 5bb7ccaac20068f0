import { test } from 'tap'
import { createResponse } from '../../../src/sip/message/build.ts'
import { SipParseError } from '../../../src/sip/message/errors.ts'
import type { SipMessage } from '../../../src/sip/message/message.ts'
import { parseMessage } from '../../../src/sip/message/parser.ts'
import { serialise } from '../../../src/sip/message/serialiser.ts'
import { checkMessage } from '../../../src/sip/message/validate.ts'
import { answers as rfc4475Answers } from '../../../conformance/rfc4475/answers.ts'
import { torture } from '../../../conformance/rfc4475/messages.ts'
import { answers as rfc5118Answers } from '../../../conformance/rfc5118/answers.ts'
import { tortureIpv6 } from '../../../conformance/rfc5118/messages.ts'

function judge(bytes: Buffer): { message?: SipMessage; error?: SipParseError } {
  try {
    const message = parseMessage(bytes)
    const error = checkMessage(message)
    return error === undefined ? { message } : { error }
  } catch (error) {
    if (!(error instanceof SipParseError)) throw error
    return { error }
  }
}

function parsed(name: string): SipMessage {
  const { message } = judge(torture.find(item => item.name === name)?.bytes as Buffer)
  return message as SipMessage
}

test('RFC 4475: there are 49 messages, each with a verdict', async t => {
  t.equal(torture.length, 49)
  t.equal(new Set(torture.map(({ name }) => name)).size, 49)
  for (const { section, name, bytes, verdict } of torture) {
    const { message, error } = judge(bytes)
    const title = `${section} ${name}: ${verdict}`
    if (verdict === 'accept') t.match(message, { headers: Object }, title)
    else if (verdict === 'discard') t.match(error, { partial: undefined }, title)
    else {
      t.equal(error?.statusCode, verdict, title)
      const partial = error?.partial
      t.ok(partial?.via.host, `${name} can be answered`)
      if (partial) {
        const answer = serialise(createResponse(partial, verdict)).toString()
        t.ok(answer.startsWith(`SIP/2.0 ${verdict} `))
        t.match(answer, /\r\nVia/)
      }
    }
  }
})

test('every torture message has the answer of a server written down, and no other has', async t => {
  t.same(
    Object.keys(rfc4475Answers),
    torture.map(({ name }) => name),
  )
  t.same(
    Object.keys(rfc5118Answers),
    tortureIpv6.map(({ name }) => name),
  )
})

test('RFC 4475: what is accepted survives being written and read again', async t => {
  for (const { name, bytes, verdict } of torture) {
    if (verdict !== 'accept') continue
    const first = parseMessage(bytes)
    const second = parseMessage(serialise(first))
    t.same([...second.headers].filter(isNoLength), [...first.headers].filter(isNoLength), name)
    t.same(Buffer.from(second.body), Buffer.from(first.body), `${name}: body`)
  }
})

function isNoLength([name]: [string, string]): boolean {
  return !['content-length', 'l'].includes(name.toLowerCase())
}

test('RFC 5118: every message has its verdict', async t => {
  for (const { section, name, bytes, verdict } of tortureIpv6) {
    const { error } = judge(bytes)
    t.equal(error?.statusCode ?? 'accept', verdict, `${section} ${name}`)
  }
})

test('3.1.1.1 wsinv: folding, spaces and compact forms change nothing', async t => {
  const message = parsed('wsinv')
  t.equal(message.to.tag, '1918181833n')
  t.equal(message.from.displayName, 'J Rosenberg \\"')
  t.equal(message.from.tag, '98asjd8')
  t.same(message.cseq, { sequence: 9, method: 'INVITE' })
  t.same(
    message.vias.map(via => [via.transport, via.host, via.branch]),
    [
      ['UDP', '192.0.2.2', '390skdjuw'],
      ['TCP', 'spindle.example.com', 'z9hG4bK9ikj8'],
      ['UDP', '192.168.255.111', 'z9hG4bK30239'],
    ],
  )
  const [contact] = message.contacts
  t.equal(typeof contact === 'object' && contact.displayName, 'Quoted string ""')
  t.equal(typeof contact === 'object' && contact.params.get('newparam'), 'newvalue')
  t.equal(typeof contact === 'object' && contact.params.get('secondparam'), true)
  t.equal(message.headers.get('Subject'), '')
  t.equal(message.headers.get('newfangledheader'), 'newfangled value continued newfangled value')
  t.equal(message.headers.get('UnknownHeaderWithUnusualValue'), ';;,,;;,;')
  t.equal(message.body.length, 150)
})

test('3.1.1.2 intmeth: unusual characters are what they are', async t => {
  const message = parsed('intmeth')
  t.equal(message.kind === 'request' && message.method, "!interesting-Method0123456789_*+`.%indeed'~")
  t.equal(message.to.displayName, 'BEL:\u0007 NUL:\u0000 DEL:\u007F')
  t.equal(message.from.displayName, "token1~` token2'+_ token3*%!.-")
  t.equal(message.from.params.get("fromParam''~+*_!.-%"), 'работающий')
  t.equal(message.callId, 'intmeth.word%ZK-!.*_+\'@word`~)(><:\\/"][?}{')
  t.equal(message.headers.get("extensionHeader-!.%*+_`'~"), '\ufeff大停電')
})

test('3.1.1.3 esc01: escapes are undone where they are escapes', async t => {
  const message = parsed('esc01')
  const uri = message.kind === 'request' ? message.uri : undefined
  t.equal(uri?.kind === 'sip' && uri.user, 'sips:user@example.com')
  t.equal(uri?.kind === 'sip' && uri.host, 'example.net')
  const [contact] = message.contacts
  const target = typeof contact === 'object' ? contact.uri : undefined
  t.equal(target?.kind === 'sip' && target.looseRouting, true)
  t.equal(target?.kind === 'sip' && target.params.get('name'), 'value%41')
})

test('3.1.1.4 escnull: an escaped NUL does not end a string', async t => {
  const { contacts, to } = parsed('escnull')
  t.equal(to.uri.kind === 'sip' && to.uri.user, 'null-\0-null')
  t.equal(contacts.length, 2)
})

test('3.1.1.5 esc02: a percent sign in a method or a header name escapes nothing', async t => {
  const message = parsed('esc02')
  t.equal(message.kind === 'request' && message.method, 'RE%47IST%45R')
  t.equal(message.to.displayName, '%Z%45')
  t.equal(message.contacts.length, 2)
  t.equal(message.headers.get('C%6Fntact'), '<sip:alias2@host2.example.com>')
})

test('3.1.1.8 dblreq: what follows the body in a datagram is ignored', async t => {
  const message = parsed('dblreq')
  t.equal(message.kind === 'request' && message.method, 'REGISTER')
  t.equal(message.body.length, 0)
})

test('3.1.1.9 semiuri: semicolons in the user part belong to it', async t => {
  const message = parsed('semiuri')
  const uri = message.kind === 'request' ? message.uri : undefined
  t.equal(uri?.kind === 'sip' && uri.user, 'user;par=u@example.net')
  t.equal(uri?.kind === 'sip' && uri.params.size, 0)
})

test('3.1.1.12, 3.1.1.13: the reason phrase may be UTF-8, or empty', async t => {
  const unusual = parsed('unreason')
  t.equal(
    unusual.kind === 'response' && unusual.reasonPhrase,
    '= 2**3 * 5**2 но сто девяносто девять - простое',
  )
  const empty = parsed('noreason')
  t.equal(empty.kind === 'response' && empty.reasonPhrase, '')
})

test('3.2.1 badbranch, 3.4.1 inv2543: no branch of RFC 3261 is seen in them', async t => {
  t.equal(parsed('badbranch').via.hasRfc3261Branch, false)
  t.equal(parsed('inv2543').via.hasRfc3261Branch, false)
})

test('3.3.1 insuf: the answer has what the request had', async t => {
  const { error } = judge(torture.find(({ name }) => name === 'insuf')?.bytes as Buffer)
  const text = serialise(createResponse(error?.partial as never, 400)).toString()
  t.match(text, /CSeq: 193942 INVITE/)
  t.notMatch(text, /undefined|From/)
})

function firstContact(name: string): { header: number; uri: number; headers: readonly unknown[] } {
  const [contact] = parsed(name).contacts
  if (typeof contact !== 'object' || contact.uri.kind !== 'sip') throw new Error('no SIP contact')
  return { header: contact.params.size, uri: contact.uri.params.size, headers: contact.uri.headers }
}

test('3.3.12-14: parameters of the Contact and of its URI are kept apart', async t => {
  t.same(firstContact('cparam01'), { header: 1, uri: 0, headers: [] })
  t.same(firstContact('cparam02'), { header: 0, uri: 1, headers: [] })
  t.same(firstContact('regescrt').headers, [['Route', '<sip:sip.example.com>']])
})

function readIpv6(name: string): SipMessage {
  return judge(tortureIpv6.find(item => item.name === name)?.bytes as Buffer).message as SipMessage
}

test('RFC 5118 4.3, 4.4, 4.5: ports and received with and without brackets', async t => {
  const target = (name: string): unknown[] => {
    const message = readIpv6(name)
    const uri = message.kind === 'request' ? message.uri : undefined
    return uri?.kind === 'sip' ? [uri.host, uri.port] : []
  }
  t.same(target('port-ambiguous'), ['2001:db8::10:5070', undefined])
  t.same(target('port-unambiguous'), ['2001:db8::10', 5070])
  t.equal(readIpv6('via-received-param-with-delim').via.received, '2001:db8::9:255')
  t.equal(readIpv6('via-received-param-no-delim').via.received, '2001:db8::9:255')
  t.same(target('ipv6-bug-abnf-3-colons'), target('ipv6-correct-abnf-2-colons'))
})
