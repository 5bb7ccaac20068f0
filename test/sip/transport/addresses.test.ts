import t from 'tap'
import {
  addressBits,
  familyOf,
  interfaceTowards,
  isLoopback,
  isWildcard,
  sameAddress,
  unmapped,
} from '../../../src/sip/transport/addresses.ts'

t.test('numeric addresses and names are told apart', async t => {
  for (const host of ['10.0.0.1', '255.255.255.255', '0.0.0.0']) t.equal(familyOf(host), 4, host)
  for (const host of ['::', '::1', '2001:db8::1', '::ffff:10.0.0.1']) t.equal(familyOf(host), 6, host)
  for (const host of ['', 'example.test', '10.0.0', '10.0.0.256', '1.2.3.4.5', ':::', '1:2', '10.0.0.a']) {
    t.equal(familyOf(host), 0, host)
  }
})

t.test('one address in several spellings is the same', async t => {
  for (const [a, b] of [
    ['2001:db8::1', '2001:DB8:0:0::0001'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['::ffff:10.0.0.1', '10.0.0.1'],
    ['::', '0:0:0:0:0:0:0:0'],
    ['64:ff9b::10.0.0.1', '64:ff9b::a00:1'],
  ] as const) {
    t.equal(sameAddress(a, b), true, `${a} ${b}`)
  }
  for (const [a, b] of [
    ['2001:db8::1', '2001:db8::2'],
    ['10.0.0.1', '10.0.0.2'],
    ['pc.test', '10.0.0.1'],
    ['10.0.0.1', '::1'],
  ] as const) {
    t.equal(sameAddress(a, b), false, `${a} ${b}`)
  }
  t.equal(addressBits('pc.test'), undefined)
  t.equal(unmapped('::ffff:192.0.2.1'), '192.0.2.1')
  t.equal(unmapped('::ffff:1'), '::ffff:1')
  t.equal(isWildcard('::') && isWildcard('0.0.0.0'), true)
  t.equal(isLoopback('::1') && isLoopback('127.9.9.9') && isLoopback('::ffff:127.0.0.1'), true)
})

t.test('the interface towards a peer: loopback for loopback, else the longest common prefix', async t => {
  const interfaces = [
    { address: '192.168.1.5', port: 0, family: 4 as const },
    { address: '10.1.2.3', port: 0, family: 4 as const },
    { address: '2001:db8::5', port: 0, family: 6 as const },
    { address: '127.0.0.1', port: 0, family: 4 as const },
    { address: '::1', port: 0, family: 6 as const },
  ]
  t.equal(interfaceTowards(interfaces, '127.0.0.1', 4), '127.0.0.1')
  t.equal(interfaceTowards(interfaces, '::1', 6), '::1')
  t.equal(interfaceTowards(interfaces, '10.1.9.9', 4), '10.1.2.3')
  t.equal(interfaceTowards(interfaces, '192.168.1.77', 4), '192.168.1.5')
  t.equal(interfaceTowards(interfaces, '::ffff:10.1.9.9', 4), '10.1.2.3')
  t.equal(interfaceTowards(interfaces, '2001:db8::99', 6), '2001:db8::5')
  t.equal(interfaceTowards(interfaces, undefined, 4), '192.168.1.5')
  t.equal(interfaceTowards(interfaces.slice(3), '10.0.0.1', 4), '127.0.0.1', 'nothing else is there')
  t.equal(interfaceTowards([], '10.0.0.1', 4), undefined)
})
