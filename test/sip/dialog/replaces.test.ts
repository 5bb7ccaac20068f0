import t from 'tap'
import type { ReplaceableDialog } from '../../../src/sip/dialog/replaces.ts'
import { judgeReplaces, readReplaces, refersTo, replacesFor } from '../../../src/sip/dialog/replaces.ts'
import { createRequest } from '../../../src/sip/message/build.ts'

const dialog: ReplaceableDialog = {
  callId: 'c1',
  localTag: 'ours',
  remoteTags: ['theirs', 'fork'],
  role: 'client',
  state: 'confirmed',
}

/** As the peer of that dialog writes it: what is ours is remote to it. */
const reference = replacesFor({ callId: 'c1', localTag: 'theirs', remoteTag: 'ours' })

t.test('the tags are seen from the side that gets the INVITE (RFC 3891 §4)', async t => {
  t.match(reference, { toTag: 'ours', fromTag: 'theirs' })
  t.ok(refersTo(reference, dialog))
  t.ok(refersTo({ ...reference, fromTag: 'fork' }, dialog))
  t.notOk(refersTo({ ...reference, toTag: 'theirs', fromTag: 'ours' }, dialog))
  t.notOk(refersTo({ ...reference, callId: 'c2' }, dialog))
  t.ok(refersTo({ ...reference, fromTag: '0' }, { ...dialog, remoteTags: [''] }), 'RFC 2543 peers, §3')
})

t.test('every situation of RFC 3891 §3', async t => {
  const early = { ...reference, earlyOnly: true }
  t.same(judgeReplaces(reference, undefined), { statusCode: 481 })
  t.same(judgeReplaces(reference, { role: 'server', state: 'terminated' }), { statusCode: 603 })
  t.equal(judgeReplaces(reference, { role: 'server', state: 'confirmed' }), 'replace')
  t.same(judgeReplaces(early, { role: 'client', state: 'confirmed' }), { statusCode: 486 })
  t.equal(judgeReplaces(early, { role: 'client', state: 'early' }), 'replace')
  t.equal(judgeReplaces(reference, { role: 'client', state: 'early' }), 'replace')
  t.same(judgeReplaces(reference, { role: 'server', state: 'early' }), { statusCode: 481 })
})

function read(method: string, headers: readonly (readonly [string, string])[]): unknown {
  return readReplaces(createRequest({ method, uri: 'sip:a@b', headers }))
}

t.test('a Replaces that cannot be used is answered 400 (RFC 3891 §3)', async t => {
  const good = ['Replaces', 'c1;to-tag=a;from-tag=b'] as const
  t.equal(read('INVITE', []), undefined)
  t.match(read('INVITE', [good]), { reference: { callId: 'c1', toTag: 'a', fromTag: 'b' } })
  t.match(read('INVITE', [good, good]), { statusCode: 400 })
  t.match(read('INVITE', [good, ['Join', 'c1;to-tag=a;from-tag=b']]), { statusCode: 400 })
  t.match(read('OPTIONS', [good]), { statusCode: 400 })
  t.match(read('INVITE', [['Replaces', 'c1;to-tag=a']]), { statusCode: 400 })
})
