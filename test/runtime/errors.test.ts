import t from 'tap'
import { OptionError, SipError } from '../../src/runtime/errors.ts'

t.test('an option error names the field and is a SipError', async t => {
  const error = new OptionError('listen', 'give at least one address')
  t.type(error, SipError)
  t.equal(error.code, 'SIP_OPTION')
  t.equal(error.field, 'listen')
  t.match(error.message, /^listen: /)
})
