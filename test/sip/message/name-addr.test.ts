import { test } from 'tap'
import { SipSerialiseError } from '../../../src/sip/message/errors.ts'
import { NameAddr } from '../../../src/sip/message/name-addr.ts'

test('parameters behind a bare URI belong to the header, in brackets to the URI (RFC 3261 §20)', async t => {
  const bare = NameAddr.parse('sip:a@b;x=1')
  t.same([bare.uriText, [...bare.params]], ['sip:a@b', [['x', '1']]])
  const bracketed = NameAddr.parse('<sip:a@b;x=1>;tag=t')
  t.same([bracketed.uriText, bracketed.tag], ['sip:a@b;x=1', 't'])
})

test('display names: quoted with escapes, tokens, none', async t => {
  t.equal(NameAddr.parse('"a \\"b\\" \\\\ <c>, d" <sip:a@b>').displayName, 'a "b" \\ <c>, d')
  t.equal(NameAddr.parse('The Operator<sip:a@b>').displayName, 'The Operator')
  t.equal(NameAddr.parse('Jürgen <sip:a@b>').displayName, 'Jürgen')
  t.equal(NameAddr.parse(' <sip:a@b> ; TAG = x ').tag, 'x')
  t.equal(NameAddr.parse('<sip:a@b>').displayName, undefined)
  t.equal(NameAddr.parse('"" <sip:a@b>').displayName, '')
})

test('what RFC 4475 refuses is refused', async t => {
  for (const [text, offset] of [
    ['"a <sip:a@b>', 0],
    ['Bell, A <sip:a@b>', 4],
    ['sip:a@b?Route=x', 7],
    ['sip:a,b@c', 5],
    ['<sip:a@b', 0],
    ['<>', 0],
    ['"a" sip:a@b', 4],
    ['<sip:a@b>;', 10],
    ['<sip:a@b>;;x', 10],
    ['<sip:a@b> x', 10],
    ['', 0],
  ] as const) {
    t.throws(() => NameAddr.parse(text), { name: 'SipParseError', offset }, JSON.stringify(text))
  }
})

test('the URI is looked at when it is asked for, and the place of its fault is in the header', async t => {
  const address = NameAddr.parse('<sip:a@b:x>')
  t.throws(() => address.uri, { name: 'SipParseError', offset: 9 })
  t.throws(() => address.checkUri(), { name: 'SipParseError' })
})

test('it is written with brackets and quotes, and nothing can break out of them', async t => {
  const address = new NameAddr({ displayName: 'a"b\\', uri: 'sip:a@b', params: { tag: 'x', n: 'two words' } })
  t.equal(address.toString(), '"a\\"b\\\\" <sip:a@b>;tag=x;n="two words"')
  t.equal(
    address.with({ displayName: undefined }).withoutParam('N').withParam('tag', 'y').toString(),
    '<sip:a@b>;tag=y',
  )
  t.throws(() => new NameAddr({ uri: 'sip:a@b>,<sip:c' }).toString(), SipSerialiseError)
})
