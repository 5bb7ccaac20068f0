import t from 'tap'
import { hostPort, systemCode, transportError } from '../../src/runtime/transport-error.ts'

t.test('the message says what was tried, what the system said and what to do', async t => {
  const cause = Object.assign(new Error('bind EADDRINUSE'), { code: 'EADDRINUSE' })
  const error = transportError('bind udp 127.0.0.1:5060', cause)
  t.equal(error.code, 'SIP_TRANSPORT')
  t.equal(error.cause, cause)
  t.match(error.message, /^cannot bind udp 127\.0\.0\.1:5060: the port is in use: choose another/)
  t.match(error.message, /\(EADDRINUSE\)$/)
})

t.test('a cause without a code is quoted', async t => {
  t.match(transportError('bind', new Error('odd thing')).message, /odd thing/)
  t.match(transportError('bind', 'text').message, /text/)
})

t.test('the code of an error is read only where it is a string', async t => {
  t.equal(systemCode({ code: 'EPERM' }), 'EPERM')
  for (const odd of [{ code: 5 }, {}, null, undefined, 'x']) t.equal(systemCode(odd), undefined)
})

t.test('IPv6 addresses get brackets before a port', async t => {
  t.equal(hostPort('::1', 5060), '[::1]:5060')
  t.equal(hostPort('127.0.0.1', 5060), '127.0.0.1:5060')
})
