import * as fc from 'fast-check'
import t from 'tap'
import {
  formatListen,
  keepAliveTimer,
  parseAdvertise,
  parseListen,
  resolveRtpOptions,
} from '../../src/call/options.ts'

t.test('listen addresses', async t => {
  t.same(parseListen('udp://0.0.0.0:5060'), { transport: 'udp', host: '0.0.0.0', port: 5060 })
  t.same(parseListen('tcp://[::1]:0'), { transport: 'tcp', host: '::1', port: 0 })
  t.same(parseListen('udp://pbx.example'), { transport: 'udp', host: 'pbx.example', port: 5060 })
  t.same(parseListen('tls://0.0.0.0'), { transport: 'tls', host: '0.0.0.0', port: 5061 })
  t.same(parseListen('wss://[::]'), { transport: 'wss', host: '::', port: 443 })
  for (const bad of [
    '',
    '5060',
    'udp:127.0.0.1',
    'sctp://0.0.0.0:5060',
    'udp://1.2.3.4:99999',
    'udp://::1:5060',
  ]) {
    t.throws(() => parseListen(bad, 'listen[0]'), { code: 'SIP_OPTION', field: 'listen[0]' }, bad)
  }
})

t.test('what is formatted reads back', async t => {
  const address = fc.record({
    transport: fc.constantFrom('udp' as const, 'tcp' as const, 'tls' as const, 'ws' as const, 'wss' as const),
    host: fc.oneof(
      fc.ipV4(),
      fc.ipV6().filter(host => !host.includes('.')),
      fc.constant('sbc.example'),
    ),
    port: fc.integer({ min: 0, max: 65_535 }),
  })
  fc.assert(
    fc.property(address, options => {
      const read = parseListen(formatListen(options))
      return read.transport === options.transport && read.host === options.host && read.port === options.port
    }),
  )
  t.pass('for every address tried')
})

t.test('keep-alive: 0 is never, less is refused', async t => {
  t.same(keepAliveTimer(undefined), {})
  t.same(keepAliveTimer(30_000), { keepAlive: 30_000 })
  t.same(keepAliveTimer(0), { keepAlive: Infinity })
  t.throws(() => keepAliveTimer(-1), { code: 'SIP_OPTION', field: 'keepAliveMs' })
})

t.test('an advertised address', async t => {
  t.same(parseAdvertise('203.0.113.7'), { host: '203.0.113.7' })
  t.same(parseAdvertise('[2001:db8::1]:5080'), { host: '2001:db8::1', port: 5080 })
  t.same(parseAdvertise({ host: 'sip.example' }), { host: 'sip.example' })
  t.throws(() => parseAdvertise('a b'), { code: 'SIP_OPTION', field: 'advertise' })
})

t.test('RTP options name the field that is wrong', async t => {
  t.match(resolveRtpOptions(undefined), { minPort: 10_000, maxPort: 20_000, symmetric: true })
  t.throws(() => resolveRtpOptions({ minPort: 20_000, maxPort: 10_000 }), {
    code: 'SIP_OPTION',
    field: 'rtp.maxPort',
  })
  t.throws(() => resolveRtpOptions({ timeoutMs: -1 }), { code: 'SIP_OPTION', field: 'rtp.timeoutMs' })
})
