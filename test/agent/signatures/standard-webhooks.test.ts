import { assert, json, property, uuid } from 'fast-check'
import { Webhook } from 'standardwebhooks'
import t from 'tap'
import { SignatureError } from '../../../src/agent/signatures/signature-error.ts'
import {
  signStandardWebhook,
  verifyStandardWebhook,
} from '../../../src/agent/signatures/standard-webhooks.ts'
import type { StandardWebhook } from '../../../src/agent/signatures/standard-webhooks.ts'

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const now = 1_800_000_000_000
const body = '{"type":"realtime.call.incoming"}'
const headers = { ...signStandardWebhook({ secret, id: 'evt_1', body, now }) }

function problemOf(change: Partial<StandardWebhook>): string {
  try {
    verifyStandardWebhook({ secret, headers, body, now, ...change })
    return 'none'
  } catch (error) {
    return error instanceof SignatureError ? error.problem : String(error)
  }
}

t.test('what we sign the reference library verifies, and the other way round', async () => {
  const reference = new Webhook(secret)
  const real = Date.now()
  assert(
    property(uuid(), json(), (id, body) => {
      reference.verify(body, { ...signStandardWebhook({ secret, id, body, now: real }) })
      const theirs = {
        'Webhook-Id': id,
        'Webhook-Timestamp': String(Math.floor(real / 1000)),
        'Webhook-Signature': reference.sign(id, new Date(real), body),
      }
      verifyStandardWebhook({ secret, headers: theirs, body: Buffer.from(body), now: real })
    }),
    { numRuns: 50 },
  )
})

t.test('says what it has verified', async t => {
  t.same(verifyStandardWebhook({ secret, headers, body, now: now + 299_000 }), {
    id: 'evt_1',
    timestamp: now,
  })
})

t.test('takes headers as maps and as those of fetch', async t => {
  t.equal(problemOf({ headers: new Map(Object.entries(headers)) }), 'none')
  t.equal(problemOf({ headers: new Headers(headers) }), 'none')
})

t.test('one of several signatures, and of several secrets, is enough', async t => {
  const several = `v1a,xyz v1,AAAA ${headers['webhook-signature']}`
  t.equal(problemOf({ headers: { ...headers, 'webhook-signature': several } }), 'none')
  t.equal(problemOf({ secret: ['whsec_AAAA', secret] }), 'none')
})

t.test('a signature that does not fit is refused, and says why', async t => {
  t.equal(problemOf({ body: `${body} ` }), 'wrong')
  t.equal(problemOf({ secret: 'whsec_AAAA' }), 'wrong')
  t.equal(problemOf({ headers: { ...headers, 'webhook-id': 'evt_2' } }), 'wrong')
  t.equal(problemOf({ headers: { ...headers, 'webhook-signature': 'v2,AAAA' } }), 'malformed')
  t.equal(problemOf({ headers: { ...headers, 'webhook-timestamp': 'today' } }), 'malformed')
  t.equal(problemOf({ headers: { ...headers, 'webhook-signature': '' } }), 'missing')
  t.equal(problemOf({ headers: {} }), 'missing')
})

t.test('one that is old or early is refused though it fits', async t => {
  t.equal(problemOf({ now: now + 301_000 }), 'expired')
  t.equal(problemOf({ now: now - 301_000 }), 'future')
  t.equal(problemOf({ now: now + 301_000, toleranceMs: 400_000 }), 'none')
})

t.test('no secret, or a secret that is none, is told of before anything is read', async t => {
  t.match(problemOf({ secret: 'whsec_' }), /secret/)
  t.match(problemOf({ secret: 'sk-proj no base64' }), /secret/)
  t.match(problemOf({ secret: [] }), /secret/)
  t.throws(() => signStandardWebhook({ secret, id: 'a.b', body, now }), /id:/)
})
