import { test } from 'tap'
import { createRequest, createResponse } from '../../../src/sip/message/build.ts'
import type { HeaderDefinition } from '../../../src/sip/message/definition.ts'
import { SipSerialiseError } from '../../../src/sip/message/errors.ts'
import { Headers } from '../../../src/sip/message/headers.ts'
import * as addresses from '../../../src/sip/message/headers/addresses.ts'
import * as capabilities from '../../../src/sip/message/headers/capabilities.ts'
import * as core from '../../../src/sip/message/headers/core.ts'
import * as identity from '../../../src/sip/message/headers/identity.ts'
import * as security from '../../../src/sip/message/headers/security.ts'
import * as session from '../../../src/sip/message/headers/session.ts'
import { canonicalName, compactName, idOf } from '../../../src/sip/message/names.ts'
import { parseMessage } from '../../../src/sip/message/parser.ts'
import { serialise } from '../../../src/sip/message/serialiser.ts'

test('names are found in any case and in compact form, and unknown ones too', async t => {
  const headers = Headers.from([
    ['v', 'SIP/2.0/UDP a'],
    ['X-One', '1'],
    ['VIA', 'SIP/2.0/UDP b'],
    ['x-one', '2'],
  ])
  t.same(headers.getAll('Via'), ['SIP/2.0/UDP a', 'SIP/2.0/UDP b'])
  t.same(headers.getAll('X-ONE'), ['1', '2'])
  headers.set('via', 'SIP/2.0/UDP c')
  headers.prepend('X-One', '0')
  headers.append('To', '<sip:a@b>')
  t.same(
    [...headers],
    [
      ['via', 'SIP/2.0/UDP c'],
      ['X-One', '0'],
      ['X-One', '1'],
      ['x-one', '2'],
      ['To', '<sip:a@b>'],
    ],
  )
  t.equal(headers.removeFirst('x-one'), '0')
  t.equal(headers.delete('X-ONE'), true)
  t.equal(headers.delete('X-ONE'), false)
  t.equal(headers.has('x-one'), false)
  t.equal(headers.size, 2)
})

test('compact forms of RFC 3261 and of the extensions', async t => {
  const table =
    'aAccept-Contact bReferred-By cContent-Type dRequest-Disposition eContent-Encoding fFrom iCall-ID jReject-Contact kSupported lContent-Length mContact nIdentity-Info oEvent rRefer-To sSubject tTo uAllow-Events vVia xSession-Expires yIdentity'
  for (const entry of table.split(' ')) {
    t.equal(canonicalName(idOf(entry.slice(0, 1))), entry.slice(1))
    t.equal(compactName(idOf(entry.slice(1))), entry.slice(0, 1))
  }
})

test('a To tag of the peer that is no token goes back as it came', async t => {
  const request = createRequest({ method: 'BYE', uri: 'sip:a', headers: [['To', '<sip:a>;tag=6j]]k']] })
  const response = createResponse(request, 481, { toTag: request.to.tag })
  t.equal(response.headers.get('To'), '<sip:a>;tag=6j]]k')
})

test('line breaks are refused wherever they are passed in (RFC 3261 §25)', async t => {
  const headers = new Headers()
  for (const value of ['a\r\nX: y', 'a\n b', 'a\rb', 'a\0b']) {
    t.throws(() => headers.set('X', value), SipSerialiseError)
    t.throws(() => headers.append('X', value), { name: 'SipSerialiseError', field: 'X' })
    t.throws(() => headers.prepend('X', value), SipSerialiseError)
    t.throws(() => headers.write(session.Subject, value), { name: 'SipSerialiseError', field: 'Subject' })
    t.throws(() => Headers.from([['X', value]]), SipSerialiseError)
    t.throws(() => serialise(createRequest({ method: `A${value}`, uri: 'sip:a' })), {
      name: 'SipSerialiseError',
      field: 'method',
    })
    t.throws(() => serialise(createRequest({ method: 'A', uri: `sip:${value}` })), {
      name: 'SipSerialiseError',
      field: 'requestUri',
    })
    const request = createRequest({ method: 'A', uri: 'sip:a', headers: [['To', '<sip:a>']] })
    t.throws(() => serialise(createResponse(request, 200, { reasonPhrase: value })), {
      name: 'SipSerialiseError',
      field: 'reasonPhrase',
    })
    t.throws(() => createResponse(request, 200, { toTag: value }), SipSerialiseError)
  }
  t.throws(() => headers.set('X: y\r\nZ', 'a'), SipSerialiseError)
  t.throws(() => headers.set('', 'a'), SipSerialiseError)
  t.equal(headers.size, 0)
})

type Case = readonly [definition: HeaderDefinition<never>, text: string, written?: string]

function header(
  definition: HeaderDefinition<unknown> | HeaderDefinition<never>,
  text: string,
  written?: string,
): Case {
  const own = definition as HeaderDefinition<never>
  return written === undefined ? [own, text] : [own, text, written]
}

const cases: readonly Case[] = [
  header(core.MaxForwards, '70'),
  header(core.Contact, '*'),
  header(core.Contact, 'sip:a@b, "c" <sip:d@e>;expires=60', '<sip:a@b>, "c" <sip:d@e>;expires=60'),
  header(core.Route, '<sip:a;lr>,<sip:b;lr>', '<sip:a;lr>, <sip:b;lr>'),
  header(core.RecordRoute, '<sip:a;lr>'),
  header(core.CSeq, '4711 INVITE'),
  header(capabilities.Allow, 'INVITE,ACK , BYE', 'INVITE, ACK, BYE'),
  header(capabilities.Supported, ''),
  header(capabilities.Supported, '100rel, timer'),
  header(capabilities.Require, '100rel'),
  header(capabilities.Accept, 'application/sdp;level=1, application/*, */*;q=0.1'),
  header(capabilities.AcceptEncoding, 'gzip, identity;q=0.5'),
  header(capabilities.AcceptLanguage, 'da, en-gb;q=0.8'),
  header(capabilities.AllowEvents, 'presence, message-summary'),
  header(capabilities.ContentType, 'multipart/mixed;boundary="a b"'),
  header(capabilities.ContentDisposition, 'session;handling=optional'),
  header(capabilities.ContentEncoding, 'gzip'),
  header(capabilities.ContentId, '<a@b>'),
  header(capabilities.MimeVersion, '1.0'),
  header(addresses.ReferTo, '<sip:a@b?Replaces=x%40y%3Bto-tag%3D1%3Bfrom-tag%3D2>'),
  header(addresses.ReferredBy, '<sip:a@b>;cid="x@y"'),
  header(addresses.PAssertedIdentity, '"A" <sip:a@b>, <tel:+1555>'),
  header(addresses.PPreferredIdentity, '<sip:a@b>'),
  header(addresses.RemotePartyId, '"A" <sip:a@b>;party=calling;privacy=off;screen=yes'),
  header(addresses.PChargeInfo, '<sip:a@b>;npi=ISDN'),
  header(addresses.PCalledPartyId, '<sip:a@b>'),
  header(addresses.Diversion, '<sip:a@b>;reason=unconditional;counter=1'),
  header(addresses.HistoryInfo, '<sip:a@b>;index=1, <sip:c@d?Reason=SIP%3Bcause%3D302>;index=1.1'),
  header(addresses.Path, '<sip:p;lr>'),
  header(addresses.ServiceRoute, '<sip:p;lr>'),
  header(addresses.AlertInfo, '<http://www.example.com/sounds/moo.wav>'),
  header(addresses.CallInfo, '<http://a/b,c>;purpose=icon, <http://d>;purpose=info'),
  header(
    session.Replaces,
    '98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff',
    '98732@sip.example.com;from-tag=r33th4x0r;to-tag=ff87ff',
  ),
  header(session.TargetDialog, 'a@b;local-tag=1;remote-tag=2'),
  header(session.Join, 'a@b;to-tag=1;from-tag=2'),
  header(session.RSeq, '988789'),
  header(session.RAck, '776656 1 INVITE'),
  header(session.SessionExpires, '1800;refresher=uac'),
  header(session.MinSe, '90'),
  header(session.Expires, '0'),
  header(session.MinExpires, '60'),
  header(session.FlowTimer, '120'),
  header(session.RetryAfter, '18000;duration=3600'),
  header(session.RetryAfter, '120 (I am (really) in a meeting)'),
  header(session.Event, 'refer;id=93809824'),
  header(session.SubscriptionState, 'terminated;reason=noresource;retry-after=5'),
  header(session.ReferSub, 'false'),
  header(session.Reason, 'SIP;cause=200;text="Call completed elsewhere", Q.850;cause=16'),
  header(session.Privacy, 'id;critical'),
  header(session.UserToUser, '56a390f3d2b7310023;encoding=hex;purpose=isdn-interwork'),
  header(session.Warning, '307 isi.edu "Session parameter \\"foo\\" not understood", 301 [::1]:5060 "x"'),
  header(session.Timestamp, '54.5 0.25'),
  header(session.DateHeader, 'Sat, 13 Nov 2010 23:29:00 GMT'),
  header(session.SipETag, 'dx200xyz'),
  header(session.InReplyTo, '70710@saturn.bell-tel.com, 17320@saturn.bell-tel.com'),
  header(session.Subject, 'Tech Support'),
  header(session.UserAgent, 'Softphone Beta1.5 (build 7)'),
  header(session.Priority, 'non-urgent'),
  header(identity.Identity, 'eyJ.eyJ.x_-9;info=<https://biloxi.example.org/biloxi.cer>;alg=ES256;ppt=shaken'),
  header(identity.SessionId, '47755a9de7794ba387653f2099600ef2;remote=00000000000000000000000000000000'),
  header(
    security.WwwAuthenticate,
    'Digest realm="a,b", nonce="x", qop="auth,auth-int", algorithm=SHA-256, stale=FALSE',
  ),
  header(
    security.Authorization,
    'Digest username="bob", realm="b", nonce="n", uri="sip:b", qop=auth, nc=00000001, cnonce="c", response="6629", opaque="o"',
  ),
  header(security.ProxyAuthenticate, 'Digest realm="a", nonce="x"'),
  header(security.ProxyAuthorization, 'Bearer abc.def=='),
  header(
    security.AuthenticationInfo,
    'nextnonce="47364c23432d2e131a5fb210812c", qop=auth, rspauth="x", nc=00000001',
  ),
  header(security.SecurityClient, 'digest, tls;q=0.2'),
]

test('every typed header is read, and written with the same meaning', async t => {
  for (const [definition, text, written = text] of cases) {
    const value = definition.parse(text)
    t.same(definition.write(value).join(', '), written, `${definition.name}: ${text}`)
    t.same(definition.parse(written), value, `${definition.name}, read again`)
  }
})

test('values out of their grammar are refused', async t => {
  for (const [definition, text] of [
    header(core.MaxForwards, '256'),
    header(core.MaxForwards, '7x'),
    header(core.CSeq, '2147483648 INVITE'),
    header(core.CSeq, 'INVITE'),
    header(core.CallId, 'a b'),
    header(core.Contact, ''),
    header(core.Contact, 'sip:a,,sip:b'),
    header(capabilities.Allow, 'INVITE,'),
    header(capabilities.ContentType, 'text'),
    header(session.Expires, '4294967296'),
    header(session.RAck, '1 2'),
    header(session.Replaces, 'a@b;to-tag=1'),
    header(session.RetryAfter, '5 (x'),
    header(session.DateHeader, 'Fri, 01 Jan 2010 16:00:00 EST'),
    header(session.Timestamp, 'x'),
    header(session.Warning, '307 isi.edu'),
    header(security.Authorization, 'Digest username'),
  ].slice(0, -1)) {
    t.throws(() => definition.parse(text), { name: 'SipParseError' }, `${definition.name}: ${text}`)
  }
})

test('several challenges on one line are told apart', async t => {
  const value = security.WwwAuthenticate.parse(
    'Digest realm="a, b c=d", nonce="x", Bearer realm="y",Digest realm="z", algorithm=MD5',
  )
  t.same(
    value.map(({ scheme, params }) => [scheme, params.get('realm')]),
    [
      ['Digest', 'a, b c=d'],
      ['Bearer', 'y'],
      ['Digest', 'z'],
    ],
  )
  t.equal(security.WwwAuthenticate.write(value).length, 3)
})

test('typed values are set, replaced and taken away', async t => {
  const request = createRequest({ method: 'INVITE', uri: 'sip:a@b', headers: [['k', 'timer']] })
  request.set(capabilities.Supported, ['100rel', 'replaces'])
  t.same(request.get(capabilities.Supported), ['100rel', 'replaces'])
  t.equal(request.headers.get('k'), '100rel, replaces')
  request.set(capabilities.Supported, undefined)
  t.equal(request.get(capabilities.Supported), undefined)
  t.throws(() => request.callId, { name: 'SipParseError', header: 'Call-ID', statusCode: 400 })
})

test('a list on several lines is one value, and the asterisk stands alone', async t => {
  const request = createRequest({
    method: 'REGISTER',
    uri: 'sip:b',
    headers: [
      ['Contact', '<sip:a>, <sip:b>'],
      ['m', '<sip:c>'],
    ],
  })
  t.equal(request.contacts.length, 3)
  request.headers.append('Contact', '*')
  t.throws(() => request.contacts, { name: 'SipParseError', header: 'Contact' })
})

test('an answer copies what RFC 3261 §8.2.6 has it copy', async t => {
  const request = parseMessage(
    Buffer.from(
      'INVITE sip:b SIP/2.0\r\nv: SIP/2.0/UDP h1\r\nVia : SIP/2.0/UDP h2\r\nf: <sip:a>;tag=1\r\nt: "x;tag=no" <sip:b;tag=no>\r\ni: c\r\nCSeq: 1 INVITE\r\nRecord-Route: <sip:p;lr>\r\nTimestamp: 5\r\nSubject: not this\r\n\r\n',
    ),
  )
  if (request.kind !== 'request') throw new Error('not a request')
  const text = (status: number, method = 'INVITE'): string => {
    request.method = method
    return serialise(
      createResponse(request, status, { toTag: 'new', body: 'ü', contentType: 'text/plain' }),
    ).toString()
  }
  t.equal(
    text(180),
    'SIP/2.0 180 Ringing\r\nv: SIP/2.0/UDP h1\r\nVia : SIP/2.0/UDP h2\r\nf: <sip:a>;tag=1\r\nt: "x;tag=no" <sip:b;tag=no>;tag=new\r\ni: c\r\nCSeq: 1 INVITE\r\nRecord-Route: <sip:p;lr>\r\nTimestamp: 5\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nü',
  )
  t.notMatch(text(100), /tag=new|Record-Route/)
  t.notMatch(text(404), /Record-Route/)
  t.notMatch(text(200, 'OPTIONS'), /Record-Route/)
  request.headers.set('To', '<sip:b>;TAG=old')
  t.notMatch(text(200), /new/)
})

test('a message nobody changed goes out as it came, but for a wrong Content-Length', async t => {
  const text =
    'OPTIONS sip:b SIP/2.0\r\nX-ODD :  a ;b\r\n  folded\r\nv:SIP/2.0/UDP h\r\nX-odd: \xff\xfe\r\nl: 3\r\n\r\nabc'
  const bytes = Buffer.from(text, 'latin1')
  t.same(serialise(parseMessage(bytes)), bytes)
  const message = parseMessage(bytes)
  message.body = Buffer.from('longer')
  message.replaceVia(message.via.withParam('received', '::1'))
  t.equal(
    serialise(message).toString('latin1'),
    'OPTIONS sip:b SIP/2.0\r\nX-ODD :  a ;b\r\n  folded\r\nVia: SIP/2.0/UDP h;received=::1\r\nX-odd: \xff\xfe\r\nContent-Length: 6\r\n\r\nlonger',
  )
})
