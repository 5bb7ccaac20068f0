import t from 'tap'
import type { SessionReason } from '../../../src/sip/dialog/session-types.ts'
import {
  causeByStatus,
  causeOfReasons,
  causeOfStatus,
  isCause,
  statusByCause,
  statusOfCause,
} from '../../../src/sip/dialog/q850.ts'

function reason(protocol: string, cause: number | undefined): SessionReason {
  return { protocol, cause, text: undefined }
}

t.test('every row of RFC 3398 §7.2.4.1 is a refusal of a Q.850 cause', async t => {
  for (const [cause, status] of Object.entries(statusByCause)) {
    t.ok(isCause(Number(cause)), cause)
    t.ok(status >= 400 && status <= 699, `${cause}: ${status}`)
    t.equal(statusOfCause(Number(cause)), status)
  }
  t.equal(Object.keys(statusByCause).length, 31)
})

t.test('every row of RFC 3398 §8.2.6.1 is a Q.850 cause', async t => {
  for (const [status, cause] of Object.entries(causeByStatus)) {
    t.ok(isCause(cause), status)
    t.equal(causeOfStatus(Number(status)), cause)
  }
  t.equal(Object.keys(causeByStatus).length, 36)
})

t.test('the pairs that trunks live by', async t => {
  for (const [cause, status] of [
    [1, 404],
    [17, 486],
    [18, 408],
    [19, 480],
    [21, 403],
    [22, 410],
    [28, 484],
    [34, 503],
    [127, 500],
  ] as const) {
    t.equal(statusOfCause(cause), status, `cause ${cause}`)
  }
  for (const [status, cause] of [
    [404, 1],
    [408, 102],
    [480, 18],
    [484, 28],
    [486, 17],
    [503, 41],
    [603, 21],
  ] as const) {
    t.equal(causeOfStatus(status), cause, `status ${status}`)
  }
})

t.test('what has no row', async t => {
  t.equal(statusOfCause(16), 480, 'normal clearing of a call nobody took')
  t.equal(statusOfCause(99), 500)
  t.equal(causeOfStatus(499), 127, 'interworking')
  t.equal(causeOfStatus(487), undefined, 'the caller gave up')
  for (const status of [100, 200, 302, 700]) t.equal(causeOfStatus(status), undefined, String(status))
  for (const cause of [0, 128, 1.5, '16', undefined]) t.notOk(isCause(cause), String(cause))
})

t.test('the cause a Reason tells, Q.850 before SIP (RFC 3326 §2)', async t => {
  t.equal(causeOfReasons([]), undefined)
  t.equal(causeOfReasons([reason('SIP', 486)]), 17)
  t.equal(causeOfReasons([reason('SIP', 200)]), 26, 'answered elsewhere')
  t.equal(causeOfReasons([reason('SIP', 480), reason('q.850', 19)]), 19)
  t.equal(causeOfReasons([reason('Q.850', 200), reason('SIP', 404)]), 1, 'no cause of Q.850')
  t.equal(causeOfReasons([reason('Preemption', 1)]), undefined)
  t.equal(causeOfReasons([reason('SIP', undefined)]), undefined)
})
