import t from 'tap'
import {
  admitInvite,
  admitUpdate,
  mayInvite,
  retryAfterSeconds,
} from '../../../src/sip/dialog/offer-answer.ts'
import type { NegotiationState } from '../../../src/sip/dialog/offer-answer.ts'

const refuse = (statusCode: number): object => ({ verdict: 'refuse', statusCode })
const go = { verdict: 'process' }

t.test('who may change the session when (RFC 3261 §14, RFC 3311 §5.2)', async t => {
  const rows: readonly [NegotiationState, invite: object, update: object, ours: boolean][] = [
    [{ offer: 'stable', invite: 'none' }, go, go, true],
    [{ offer: 'local-offer', invite: 'none' }, refuse(491), refuse(491), false],
    [{ offer: 'remote-offer', invite: 'none' }, refuse(500), refuse(500), false],
    [{ offer: 'stable', invite: 'client' }, refuse(491), go, false],
    [{ offer: 'local-offer', invite: 'client' }, refuse(491), refuse(491), false],
    [{ offer: 'stable', invite: 'server' }, refuse(500), go, false],
    [{ offer: 'remote-offer', invite: 'server' }, refuse(500), refuse(500), false],
  ]
  for (const [state, invite, update, ours] of rows) {
    t.same(admitInvite(state), invite)
    t.same(admitUpdate(state, true), update)
    t.same(admitUpdate(state, false), go, 'an UPDATE without offer is always fine')
    t.equal(mayInvite(state), ours)
  }
})

t.test('Retry-After is 0 to 10 seconds', async t => {
  const seen = new Set(Array.from({ length: 500 }, (_, n) => retryAfterSeconds(n * 7)))
  t.same(
    [...seen].toSorted((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
  )
})
