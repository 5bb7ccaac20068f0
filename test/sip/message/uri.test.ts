import { test } from 'tap'
import { SipParseError, SipSerialiseError } from '../../../src/sip/message/errors.ts'
import { parseUri, SipUri, telToSip } from '../../../src/sip/message/uri.ts'
import { TelUri } from '../../../src/sip/message/tel-uri.ts'

function sip(text: string): SipUri {
  const uri = parseUri(text)
  if (uri.kind !== 'sip') throw new Error('not a SIP URI')
  return uri
}

test('a SIP URI is taken apart (RFC 3261 §19.1.1)', async t => {
  const uri = sip(
    'sips:alice:se%25cret@[2001:db8::10]:5061;transport=TCP;lr;x=%61b?subject=next%20meeting&to=a%40b',
  )
  t.match(uri, { scheme: 'sips', host: '2001:db8::10', port: 5061, transport: 'tcp', looseRouting: true })
  t.same([uri.user, uri.password], ['alice', 'se%cret'])
  t.same(
    [...uri.params],
    [
      ['transport', 'TCP'],
      ['lr', true],
      ['x', 'ab'],
    ],
  )
  t.same(uri.headers, [
    ['subject', 'next meeting'],
    ['to', 'a@b'],
  ])
  t.match(sip('SIP:host'), { scheme: 'sip', rawUser: undefined, host: 'host', port: undefined })
})

test('a parsed URI is written as it came', async t => {
  for (const text of [
    'SiP:A%62c@HOST:05060;LR;a=%41?x=',
    'tel:+1-(201)-555.0123;ext=7',
    'urn:service:sos',
    'http://x/?a=b;c',
  ]) {
    t.equal(parseUri(text).toString(), text)
  }
})

test('what is no URI is refused, with the place', async t => {
  for (const [text, offset] of [
    ['', 0],
    ['alice', 0],
    ['<sip:a@b>', 0],
    ['sip:', 4],
    ['sip:@host', 4],
    ['sip:a b@host', 5],
    ['sip:a%zz@host', 5],
    ['sip:a@host:99999', 11],
    ['sip:a@host:', 11],
    ['sip:a@host;', 11],
    ['sip:a@host;x=', 13],
    ['sip:a@host?x', 12],
    ['sip:a@[::g]', 6],
    ['sip:2001:db8::10', 9],
    ['sip:a@host ', 10],
    ['tel:', 4],
    ['tel:12x4', 4],
    ['mailto:a b', 8],
  ] as const) {
    t.throws(() => parseUri(text), { name: 'SipParseError', offset, statusCode: 400 }, JSON.stringify(text))
  }
})

test('URIs that RFC 3261 §19.1.4 calls equal are equal', async t => {
  for (const [one, other] of [
    ['sip:%61lice@atlanta.com;transport=TCP', 'sip:alice@AtlanTa.CoM;Transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;newparam=5'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com;security=on'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;newparam=5'],
    [
      'sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com',
      'sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com',
    ],
    [
      'sip:alice@atlanta.com?subject=project%20x&priority=urgent',
      'sip:alice@atlanta.com?priority=urgent&subject=project%20x',
    ],
    ['sip:a@[2001:DB8::1]', 'sip:a@[2001:db8::1]'],
  ] as const) {
    t.ok(parseUri(one).equals(parseUri(other)), `${one} ${other}`)
    t.ok(parseUri(other).equals(parseUri(one)), `${other} ${one}`)
  }
})

test('URIs that RFC 3261 §19.1.4 calls different are different', async t => {
  for (const [one, other] of [
    ['SIP:ALICE@AtLanTa.CoM;Transport=udp', 'sip:alice@AtLanTa.CoM;Transport=UDP'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:5060'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com;transport=udp'],
    ['sip:bob@biloxi.com', 'sip:bob@biloxi.com:6000;transport=tcp'],
    ['sip:carol@chicago.com', 'sip:carol@chicago.com?Subject=next%20meeting'],
    ['sip:bob@phone21.boxesbybob.com', 'sip:bob@192.0.2.4'],
    ['sip:carol@chicago.com;security=on', 'sip:carol@chicago.com;security=off'],
    ['sip:a@b', 'sips:a@b'],
    ['sip:a@b;user=phone', 'sip:a@b'],
    ['sip:a:x@b', 'sip:a@b'],
    ['sip:a%40c@b', 'sip:a@b'],
    ['sip:a@b', 'tel:123'],
    ['urn:a', 'urn:b'],
  ] as const) {
    t.notOk(parseUri(one).equals(parseUri(other)), `${one} ${other}`)
  }
})

test('a URI built from meanings is escaped where it must be (RFC 3261 §19.1.2)', async t => {
  const uri = new SipUri({
    user: 'a b@c;d#',
    password: 'p:w',
    host: '[::1]',
    port: 5060,
    params: { transport: 'tcp', lr: true, x: 'ü;' },
    headers: [['Subject', 'a&b=c']],
  })
  t.equal(
    uri.toString(),
    'sip:a%20b%40c;d%23:p%3Aw@[::1]:5060;transport=tcp;lr;x=%C3%BC%3B?Subject=a%26b%3Dc',
  )
  t.equal(uri.user, 'a b@c;d#')
  t.equal(
    uri.with({ user: undefined, port: undefined, headers: undefined, password: undefined }).toString(),
    'sip:[::1];transport=tcp;lr;x=%C3%BC%3B',
  )
  t.equal(sip('sip:a%62@h;p').withParam('q', '1').withoutParam('P').toString(), 'sip:a%62@h;q=1')
  t.throws(() => new SipUri({ host: 'a\r\nb' }), SipSerialiseError)
  t.throws(() => new SipUri({ host: 'a;b' }), SipSerialiseError)
})

test('telephone numbers compare without visual separators (RFC 3966 §4)', async t => {
  const number = TelUri.parse('tel:+1-201-555-0123;ext=12')
  t.match(number, { global: true, number: '+12015550123' })
  t.ok(number.equals(parseUri('TEL:+1(201)5550123;EXT=1-2')))
  t.notOk(number.equals(parseUri('tel:+12015550123')))
  t.notOk(parseUri('tel:7042;phone-context=a.com').equals(parseUri('tel:7042;phone-context=b.com')))
  t.equal(TelUri.parse('tel:7042;phone-context=example.com').global, false)
  t.throws(() => TelUri.parse('tel:12;'), SipParseError)
  t.throws(() => TelUri.parse('tel:12;a='), SipParseError)
})

test('tel becomes sip and sip tel (RFC 3261 §19.1.6)', async t => {
  const tel = TelUri.parse('tel:+358-555-1234567;Postd=PP22;isub=1411')
  t.equal(telToSip(tel, 'foo.com').toString(), 'sip:+3585551234567;isub=1411;postd=pp22@foo.com;user=phone')
  t.equal(sip('sip:+12015550123;ext=7@h;user=phone').toTel()?.toString(), 'tel:+12015550123;ext=7')
  t.equal(sip('sip:alice@h').toTel(), undefined)
  t.equal(sip('sip:h').toTel(), undefined)
})
