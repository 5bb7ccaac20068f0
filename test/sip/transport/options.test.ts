import t from 'tap'
import { OptionError } from '../../../src/runtime/errors.ts'
import { checkAdvertise, checkListen } from '../../../src/sip/transport/options.ts'

const udp = { transport: 'udp', host: '0.0.0.0' } as const

t.test('an advertised host that cannot stand in a Via or Contact is refused, with its field', async t => {
  for (const host of [
    '',
    'a b',
    'sip.example.test\r\nX-Evil: 1',
    'sip:example.test',
    'example.test:5060',
    '::g',
    '[::1',
    'a;lr',
    'a>',
  ]) {
    const advertise = { host }
    t.throws(() => checkAdvertise('advertise', advertise), OptionError, JSON.stringify(host))
    t.throws(() => checkListen([udp, { ...udp, advertise }]), {
      code: 'SIP_OPTION',
      message: /^listen\[1\]\.advertise\.host: /,
    })
  }
  for (const port of [-1, 0, 1.5, 65_536]) {
    t.throws(() => checkAdvertise('advertise', { host: 'a.test', port }), { message: /^advertise\.port: / })
  }
})

t.test('names and addresses may be advertised', async t => {
  for (const host of ['203.0.113.5', 'sip.example.test', '2001:db8::1', '[2001:db8::1]', 'sip_1.example']) {
    checkAdvertise('advertise', { host, port: 5060 })
    checkListen([{ ...udp, advertise: { host } }])
  }
  checkAdvertise('advertise', undefined)
  t.pass()
})
