import t from 'tap'
import { reasonParts, reasonsOf, reasonValue } from '../../../src/sip/dialog/reason.ts'
import { createRequest } from '../../../src/sip/message/build.ts'

function bye(...values: string[]): ReturnType<typeof createRequest> {
  return createRequest({
    method: 'BYE',
    uri: 'sip:x',
    headers: values.map(value => ['Reason', value] as const),
  })
}

t.test('Reason values, on one line or several (RFC 3326)', async t => {
  t.same(reasonsOf(bye('SIP ;cause=200 ;text="Call, completed"', 'Q.850;cause=16, Q.850;text=x')), [
    { protocol: 'SIP', cause: 200, text: 'Call, completed' },
    { protocol: 'Q.850', cause: 16, text: undefined },
    { protocol: 'Q.850', cause: undefined, text: 'x' },
  ])
  t.same(reasonsOf(bye()), [])
  t.same(reasonsOf(bye('"broken')), [])
  t.same(reasonsOf(bye('Q.850;cause=abc'))[0]?.cause, undefined)
})

t.test('what is written is read back', async t => {
  const reason = { protocol: 'SIP', cause: 487, text: 'say "no"' }
  t.same(reasonsOf(bye(reasonValue(reason))), [reason])
  t.same(reasonParts(['Q.850;cause=17;text="busy"', reason]), [
    { protocol: 'Q.850', cause: 17, text: 'busy' },
    reason,
  ])
  t.same(reasonParts(['"broken']), [])
})
