import * as fc from 'fast-check'
import { test } from 'tap'
import type { Admission, AdmissionHost } from '../../../src/sip/auth/admission.ts'
import { DigestClient } from '../../../src/sip/auth/client.ts'
import { digestAlgorithm, passwordHash, requestDigest } from '../../../src/sip/auth/digest.ts'
import { issueOf, makeNonce, NonceUses } from '../../../src/sip/auth/nonce.ts'
import { admitDigest } from '../../../src/sip/auth/server-digest.ts'
import type { DigestServerOptions } from '../../../src/sip/auth/server-digest.ts'
import { createRequest, createResponse } from '../../../src/sip/message/build.ts'
import type { SipRequest } from '../../../src/sip/message/message.ts'
import type { Flow } from '../../../src/sip/transport/flow.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

const uri = 'sip:conference@example.com'
const flow = { remote: { address: '192.0.2.1', port: 5060 }, secure: false } as Flow
const alice = { username: 'alice', password: 'wonderland' }

interface World {
  readonly clock: VirtualClock
  readonly host: AdmissionHost
  readonly ask: (
    headers?: readonly (readonly [string, string])[],
    to?: string,
  ) => Promise<Admission | undefined>
}

function world(options: Partial<DigestServerOptions> = {}): World {
  const clock = new VirtualClock()
  const host = { clock, random: seededRandom(7) }
  const policy = admitDigest({
    realm: 'atlanta',
    secretOf: user => (user === 'alice' ? { password: 'wonderland' } : undefined),
    ...options,
  })
  return { clock, host, ask: async (headers = [], to = uri) => policy(invite(headers, to), flow, host) }
}

function invite(headers: readonly (readonly [string, string])[] = [], to = uri): SipRequest {
  return createRequest({
    method: 'INVITE',
    uri: to,
    headers: [
      ['Via', 'SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1'],
      ['From', '<sip:alice@example.com>;tag=1'],
      ['To', '<sip:conference@example.com>'],
      ['Call-ID', 'one'],
      ['CSeq', '1 INVITE'],
      ...headers,
    ],
  })
}

/** A client that has taken in the challenge. */
async function challenged(refusal: Admission | undefined, credentials = alice): Promise<DigestClient> {
  if (refusal?.kind !== 'refused') throw new Error('no challenge')
  const client = new DigestClient({ credentials, random: seededRandom(8) })
  const response = createResponse(invite(), refusal.statusCode, { headers: refusal.headers ?? [] })
  await client.exchange().challenged(response)
  return client
}

const answerOf = (client: DigestClient): (readonly [string, string])[] =>
  client.authorise({ method: 'INVITE', uri })

test('the digests of RFC 7616 §3.9.1: MD5, SHA-256, and those a server computes from HA1', async t => {
  const input = {
    method: 'GET',
    uri: '/dir/index.html',
    nonce: '7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v',
    nc: '00000001',
    cnonce: 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ',
    qop: 'auth' as const,
  }
  const expected = {
    MD5: '8ca523f5e9506fed4657c9700eebdbec',
    'SHA-256': '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1',
  }
  for (const [name, digest] of Object.entries(expected)) {
    const algorithm = digestAlgorithm(name)
    if (algorithm === undefined) throw new Error(name)
    const ha1 = passwordHash(algorithm, 'Mufasa', 'http-auth@example.org', 'Circle of Life')
    t.equal(requestDigest(algorithm, ha1, input), digest, name)
  }
})

test('a stranger is challenged once for each algorithm, in order, and MD5 only when asked for (RFC 8760 §2.4)', async t => {
  const refusal = await world({ opaque: 'o' }).ask()
  if (refusal?.kind !== 'refused') throw new Error('not refused')
  t.equal(refusal.statusCode, 401)
  const values = (refusal.headers ?? []).map(([name, value]) => `${name}: ${value}`)
  t.equal(values.length, 2)
  t.match(
    values[0],
    /^WWW-Authenticate: Digest realm="atlanta", nonce="[\w-]{40}", opaque="o", qop="auth,auth-int", algorithm=SHA-256$/,
  )
  t.match(values[1], /algorithm=SHA-512-256$/)
  const proxy = await world({ proxy: true, algorithms: ['MD5'] }).ask()
  if (proxy?.kind !== 'refused') throw new Error('not refused')
  t.equal(proxy.statusCode, 407)
  t.match(proxy.headers?.[0], ['Proxy-Authenticate', /algorithm=MD5$/])
})

for (const algorithm of ['SHA-512-256', 'SHA-256', 'MD5'] as const) {
  for (const qop of ['auth', 'auth-int'] as const) {
    test(`our client answers our challenge: ${algorithm}, ${qop}, by password and by HA1`, async t => {
      const ha1 = passwordHash(digestAlgorithm(algorithm)!, 'alice', 'atlanta', 'wonderland')
      for (const secret of [{ password: 'wonderland' }, { ha1: { [algorithm]: ha1 } }]) {
        const { ask } = world({ algorithms: [algorithm], qop: [qop], secretOf: async () => secret })
        const client = await challenged(await ask())
        t.match(await ask(answerOf(client)), {
          kind: 'admitted',
          by: 'digest',
          user: 'alice',
          realm: 'atlanta',
        })
      }
    })
  }
}

test('a wrong password and an unknown user get the same 403; the next request of who knew it goes through', async t => {
  const { ask } = world()
  const wrong = await challenged(await ask(), { username: 'alice', password: 'mirror' })
  t.same(await ask(answerOf(wrong)), { kind: 'refused', statusCode: 403 })
  const unknown = await challenged(await ask(), { username: 'hatter', password: '' })
  t.same(await ask(answerOf(unknown)), { kind: 'refused', statusCode: 403 })
  const right = await challenged(await ask())
  for (const _ of [1, 2, 3]) t.match(await ask(answerOf(right)), { kind: 'admitted' })
})

test('an old nonce is stale, and so is one used twice with one count (RFC 7616 §3.4)', async t => {
  const { ask, clock } = world({ nonceLifetimeMs: 60_000 })
  const client = await challenged(await ask())
  const first = answerOf(client)
  t.match(await ask(first), { kind: 'admitted' })
  t.match(await ask(first), { statusCode: 401, headers: [['WWW-Authenticate', /stale=true/]] }, 'replayed')
  const late = answerOf(client)
  await clock.advance(60_001)
  t.match(await ask(late), { statusCode: 401, headers: [['WWW-Authenticate', /stale=true/]] })
  const wrong = await challenged(await ask(), { username: 'alice', password: 'mirror' })
  const old = answerOf(wrong)
  await clock.advance(60_001)
  t.match(await ask(old), { statusCode: 403 }, 'stale is said to nobody who does not know the password')
})

test('what cannot be checked is asked for again; a foreign uri and unreadable credentials are 400', async t => {
  const { ask } = world()
  const client = await challenged(await ask())
  const [[name, value] = ['', '']] = answerOf(client)
  const changed = (from: RegExp, to: string): Promise<Admission | undefined> =>
    ask([[name, value.replace(from, to)]])
  for (const [from, to] of [
    [/qop=auth, /, ''],
    [/qop=auth/, 'qop=none'],
    [/nc=\d+/, 'nc=1'],
    [/algorithm=[\w-]+/, 'algorithm=MD5'],
    [/nonce="./, 'nonce="'],
    [/realm="atlanta"/, 'realm="biloxi"'],
  ] as const) {
    t.match(await changed(from, to), { statusCode: 401 }, String(from))
  }
  t.match(
    await ask([[name, 'Basic YTpi']]),
    { statusCode: 401 },
    'another scheme counts as none (RFC 4475 §3.3.7)',
  )
  t.match(await ask([[name, 'Digest "']]), { statusCode: 400 })
  t.match(await ask([[name, value]], 'sip:other@example.com'), { statusCode: 400 })
  const lenient = world({ anyUri: true })
  const theirs = await challenged(await lenient.ask())
  t.match(await lenient.ask(answerOf(theirs), 'sip:other@example.com'), { kind: 'admitted' })
})

test('processes with one key take the nonces of each other; others do not', async t => {
  const key = new Uint8Array(32).fill(5)
  const [one, other, stranger] = [world({ key }), world({ key }), world({ key: new Uint8Array(32) })]
  const client = await challenged(await one.ask())
  t.match(await other.ask(answerOf(client)), { kind: 'admitted' })
  t.match(await stranger.ask(answerOf(client)), { statusCode: 401 })
})

const secretOf = (): undefined => undefined

test('bad options are named', t => {
  t.throws(() => admitDigest({ realm: '', secretOf }), { message: /realm/ })
  t.throws(() => admitDigest({ realm: 'a', secretOf, key: new Uint8Array(8) }), { message: /key/ })
  t.throws(() => admitDigest({ realm: 'a', secretOf, algorithms: [] }), { message: /algorithms/ })
  t.throws(() => admitDigest({ realm: 'a', secretOf, nonceLifetimeMs: 0 }), { message: /nonceLifetimeMs/ })
  t.end()
})

const octets = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length })

test('no nonce but ours is one: any octet changed, another realm, another key', t => {
  fc.assert(
    fc.property(
      octets(32),
      octets(8),
      fc.integer({ min: 0, max: 2 ** 47 }),
      fc.nat(39),
      fc.nat(63),
      (key, salt, at, place, digit) => {
        const nonce = makeNonce(key, 'realm', at, salt)
        if (issueOf(key, 'realm', nonce) !== at) return false
        const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
        const forged = nonce.slice(0, place) + alphabet[digit] + nonce.slice(place + 1)
        return (
          (forged === nonce || issueOf(key, 'realm', forged) === undefined) &&
          issueOf(key, 'other', nonce) === undefined &&
          issueOf(new Uint8Array(31), 'realm', nonce) === undefined
        )
      },
    ),
  )
  fc.assert(fc.property(fc.string(), text => issueOf(new Uint8Array(32), 'realm', text) === undefined))
  t.end()
})

test('no count is taken twice, whatever the order, and none within the window is lost', t => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 100 }), { maxLength: 200 }), counts => {
      const uses = new NonceUses(10)
      const taken = new Set<number>()
      let highest = 0
      return counts.every(count => {
        const expected = !taken.has(count) && count > highest - 32
        highest = Math.max(highest, count)
        const got = uses.take('n', 1, count) === 'taken'
        if (got) taken.add(count)
        return got === expected
      })
    }),
  )
  t.end()
})

test('the table of counts is bounded, and forgetting lets no replay through', t => {
  fc.assert(
    fc.property(fc.array(fc.nat(30), { maxLength: 200 }), order => {
      const uses = new NonceUses(5)
      const taken = new Set<number>()
      return order.every(nonce => {
        const result = uses.take(`n${nonce}`, nonce, 1)
        if (result === 'taken' && taken.has(nonce)) return false
        taken.add(nonce)
        return uses.size <= 5
      })
    }),
  )
  const uses = new NonceUses(5)
  uses.take('a', 10, 1)
  uses.expire(11)
  t.equal(uses.size, 0)
  t.end()
})
