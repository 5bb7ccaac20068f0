import { createHash, createHmac, generateKeyPairSync } from 'node:crypto'
import { assert, property, string } from 'fast-check'
import t from 'tap'
import { plivoSignature, verifyPlivoSignature } from '../../../src/agent/signatures/plivo.ts'
import { SignatureError } from '../../../src/agent/signatures/signature-error.ts'
import { signTelnyxWebhook, verifyTelnyxSignature } from '../../../src/agent/signatures/telnyx.ts'
import { signVonageToken, verifyVonageToken } from '../../../src/agent/signatures/vonage.ts'
import type { VonageRequest } from '../../../src/agent/signatures/vonage.ts'

const now = 1_800_000_000_000

function problemOf(run: () => unknown): string {
  try {
    run()
    return 'none'
  } catch (error) {
    return error instanceof SignatureError ? error.problem : String(error)
  }
}

function part(text: string): string {
  return Buffer.from(text).toString('base64url')
}

t.test('Telnyx: Ed25519 of timestamp and body', async t => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const raw = publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64')
  const pem = publicKey.export({ format: 'pem', type: 'spki' })
  const body = '{"data":{"event_type":"call.initiated"}}'
  const headers = signTelnyxWebhook({ privateKey, body, now })
  const check = (change: object): string =>
    problemOf(() => verifyTelnyxSignature({ publicKey: raw, headers, body, now, ...change }))
  t.equal(check({}), 'none')
  t.equal(check({ publicKey: pem, body: Buffer.from(body) }), 'none')
  t.equal(check({ body: `${body} ` }), 'wrong')
  t.equal(check({ headers: { ...headers, 'telnyx-timestamp': String(now / 1000 + 1) } }), 'wrong')
  t.equal(check({ headers: { ...headers, 'telnyx-signature-ed25519': 'AAAA' } }), 'malformed')
  t.equal(check({ headers: { ...headers, 'telnyx-timestamp': 'now' } }), 'malformed')
  t.equal(check({ headers: {} }), 'missing')
  t.equal(check({ now: now + 300_001 }), 'expired')
  t.equal(check({ now: now - 300_001 }), 'future')
  t.match(check({ publicKey: 'AAAA' }), /publicKey:/)
  t.match(check({ publicKey: '-----BEGIN PUBLIC KEY-----' }), /publicKey:/)
  for (const other of [
    generateKeyPairSync('x25519'),
    generateKeyPairSync('ec', { namedCurve: 'P-256' }),
    generateKeyPairSync('ed448'),
  ]) {
    const wrong = other.publicKey.export({ format: 'pem', type: 'spki' })
    t.match(check({ publicKey: wrong }), /publicKey:/)
  }
})

t.test('Vonage: a token with the hash of the body', async t => {
  const secret = 'a secret of the account'
  const body = '{"uuid":"1"}'
  const claims = { api_key: 'abc', application_id: 'app' }
  const check = (change: Partial<VonageRequest>, made: object = {}): string =>
    problemOf(() => {
      const token = signVonageToken({ secret, now, body, claims, ...made })
      return verifyVonageToken({
        secret,
        headers: { Authorization: `Bearer ${token}` },
        body,
        now,
        ...change,
      })
    })
  t.equal(check({ apiKey: 'abc', applicationId: 'app', secret: ['old', secret] }), 'none')
  t.equal(check({ now: now + 300_001 }), 'expired')
  t.equal(check({ now: now - 300_001 }), 'future')
  t.equal(check({ now: now + 600_000 }, { lifetimeMs: 900_000 }), 'none', 'it says itself how long it lives')
  t.equal(check({ now: now + 901_000 }, { lifetimeMs: 900_000 }), 'expired')
  t.equal(check({ body: '{"uuid":"2"}' }), 'wrong')
  t.equal(check({ secret: 'another' }), 'wrong')
  t.equal(check({ apiKey: 'abd' }), 'claims')
  t.equal(check({ applicationId: 'other' }), 'claims')
  t.equal(check({}, { claims: { iss: 'Somebody' } }), 'claims')
  t.equal(check({}, { claims: { payload_hash: undefined } }), 'claims')
  t.equal(check({}, { claims: { iat: undefined } }), 'claims')
  t.equal(check({}, { claims: { iat: 'today' } }), 'claims')
  t.equal(check({}, { claims: { nbf: now / 1000 + 3600 }, lifetimeMs: 7_200_000 }), 'future')
  t.equal(check({}, { claims: { nbf: now / 1000 + 200 } }), 'none', 'clocks differ')
  t.equal(check({}, { claims: { nbf: 'soon' } }), 'claims')
  t.equal(check({ headers: {} }), 'missing')
  t.equal(check({ headers: { Authorization: 'Basic abc' } }), 'malformed')
  t.equal(check({ headers: { Authorization: 'Bearer a.b.c' } }), 'malformed')
  t.match(check({ secret: '' }), /secret:/)
})

t.test('Vonage: a token that asks for no signature, or for another algorithm, is none', async t => {
  for (const alg of ['none', 'HS512', 'RS256']) {
    const token = `${part(JSON.stringify({ alg }))}.${part(JSON.stringify({ iat: now / 1000, iss: 'Vonage' }))}.`
    const headers = { authorization: `Bearer ${token}x` }
    t.equal(
      problemOf(() => verifyVonageToken({ secret: 's', headers, now })),
      'malformed',
    )
  }
})

t.test('Vonage: no octets from outside make the check throw anything but its error', async () => {
  assert(
    property(string(), string(), string(), (a, b, c) => {
      for (const token of [`${a}.${b}.${c}`, `${part(a)}.${part(b)}.${part(c)}`]) {
        const problem = problemOf(() =>
          verifyVonageToken({ secret: 's', headers: { authorization: `Bearer ${token}` }, now }),
        )
        if (problem !== 'malformed') throw new Error(problem)
      }
    }),
  )
})

t.test('Plivo: URL, fields and nonce, each in its order', async t => {
  const authToken = 'token'
  const nonce = '05429567804466091622'
  const rows: readonly (readonly [method: string, url: string, body: string, signed: string])[] = [
    ['GET', 'wss://example.com/media', '', 'wss://example.com/media'],
    ['GET', 'https://example.com/a?b=2&a=1%202', '', 'https://example.com/a?a=1 2&b=2'],
    ['GET', 'https://example.com/a?b=2&b=1', 'a=3', 'https://example.com/a?a=3&b=1&b=2'],
    ['POST', 'https://example.com/a', 'To=2&From=%2B1', 'https://example.com/a?From+1To2'],
    ['POST', 'https://example.com:8080/a?z=1', 'To=2&From=1', 'https://example.com:8080/a?z=1.From1To2'],
    ['POST', 'https://example.com/a', '', 'https://example.com/a'],
  ]
  for (const [method, url, body, signed] of rows) {
    const expected = createHmac('sha256', authToken).update(`${signed}.${nonce}`).digest('base64')
    t.equal(plivoSignature({ authToken, method, url, nonce, body }), expected)
    const check = (change: object): string =>
      problemOf(() =>
        verifyPlivoSignature({
          authToken,
          method,
          url,
          body,
          headers: { 'X-Plivo-Signature-V3-Nonce': nonce, 'X-Plivo-Signature-V3': `AAAA, ${expected}` },
          ...change,
        }),
      )
    t.equal(check({}), 'none')
    t.equal(check({ authToken: 'other' }), 'wrong')
    t.equal(check({ url: `${url}x` }), 'wrong')
    t.equal(
      check({ headers: { 'X-Plivo-Signature-V3-Nonce': '1', 'X-Plivo-Signature-V3': expected } }),
      'wrong',
    )
    t.equal(
      check({ headers: { 'X-Plivo-Signature-V3-Nonce': nonce, 'X-Plivo-Signature-Ma-V3': expected } }),
      'none',
    )
    t.equal(check({ headers: { 'X-Plivo-Signature-V3': expected } }), 'missing')
    t.equal(check({ headers: { 'X-Plivo-Signature-V3-Nonce': nonce } }), 'missing')
    t.match(check({ authToken: '' }), /authToken:/)
  }
})

t.test('a hash in capital letters is one', async t => {
  const body = 'x'
  const payload_hash = createHash('sha256').update(body).digest('hex').toUpperCase()
  const token = signVonageToken({ secret: 's', now, claims: { payload_hash } })
  t.ok(verifyVonageToken({ secret: 's', headers: { authorization: `bearer ${token}` }, body, now }))
})
