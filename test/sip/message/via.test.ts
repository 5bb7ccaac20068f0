import { test } from 'tap'
import { Via } from '../../../src/sip/message/via.ts'

test('the hop is read in every form (RFC 3261 §20.42)', async t => {
  const plain = Via.parse('SIP/2.0/UDP erlang.bell-telephone.com:5060;branch=z9hG4bK87asdks7;ttl=16')
  t.match(plain, {
    transport: 'UDP',
    host: 'erlang.bell-telephone.com',
    port: 5060,
    branch: 'z9hG4bK87asdks7',
    ttl: 16,
  })
  t.equal(plain.hasRfc3261Branch, true)
  const spaced = Via.parse(
    'SIP / 2.0 / tcp first.example.com : 4000 ; ttl=16 ; maddr=224.2.0.1 ;branch= z9hG4bKa7c6',
  )
  t.match(spaced, {
    transport: 'TCP',
    host: 'first.example.com',
    port: 4000,
    maddr: '224.2.0.1',
    branch: 'z9hG4bKa7c6',
  })
  const ipv6 = Via.parse('SIP/2.0/UDP [2001:DB8::9:1]:6050;received=[2001:db8::9:255];rport=5061')
  t.match(ipv6, { host: '2001:DB8::9:1', port: 6050, received: '2001:db8::9:255', rport: 5061 })
  t.equal(ipv6.sentBy, '[2001:db8::9:1]:6050')
})

test('rport is asked for, filled in, or neither (RFC 3581)', async t => {
  t.equal(Via.parse('SIP/2.0/UDP h;rport').rport, true)
  t.equal(Via.parse('SIP/2.0/UDP h;RPORT=9').rport, 9)
  t.equal(Via.parse('SIP/2.0/UDP h;rport=99999').rport, true)
  t.equal(Via.parse('SIP/2.0/UDP h').rport, undefined)
})

test('what is no Via is refused', async t => {
  for (const text of [
    '',
    'SIP/2.0 h',
    'SIP/3.0/UDP h',
    'HTTP/2.0/UDP h',
    'SIP/2.0/UDP',
    'SIP/2.0/UDP h:99999',
    'SIP/2.0/UDP h;;',
    'SIP/2.0/UDP h x',
    'SIP/2.0/UDP [::1',
    'SIP/2.0/UDP h;a=',
  ]) {
    t.throws(() => Via.parse(text), { name: 'SipParseError' }, JSON.stringify(text))
  }
})

test('of a broken Via as much is read as an answer needs', async t => {
  t.match(Via.recover('SIP/2.0/UDP 192.0.2.15;;,;,,'), { host: '192.0.2.15', transport: 'UDP' })
  t.match(Via.recover('SIP/7.0/UDP c.example.com;branch=x'), { host: 'c.example.com', branch: 'x' })
  t.equal(Via.recover(';;'), undefined)
})

test('a changed copy leaves the first as it was', async t => {
  const via = new Via({
    transport: 'udp',
    host: '[::1]',
    port: 5060,
    params: { branch: 'z9hG4bKx', rport: true },
  })
  const changed = via.withParam('received', '2001:db8::1').withParam('rport', '7')
  t.equal(changed.toString(), 'SIP/2.0/UDP [::1]:5060;branch=z9hG4bKx;rport=7;received=2001:db8::1')
  t.equal(via.toString(), 'SIP/2.0/UDP [::1]:5060;branch=z9hG4bKx;rport')
  t.equal(
    changed.withoutParam('received').with({ port: undefined, host: 'h' }).toString(),
    'SIP/2.0/UDP h;branch=z9hG4bKx;rport=7',
  )
})
