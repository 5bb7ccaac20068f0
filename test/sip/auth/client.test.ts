import t from 'tap'
import { createRequest, createResponse } from '../../../src/sip/message/build.ts'
import type { SipResponse } from '../../../src/sip/message/message.ts'
import { DigestClient, SipAuthError } from '../../../src/sip/auth/client.ts'
import type { Credentials } from '../../../src/sip/auth/client.ts'
import type { DigestChallenge } from '../../../src/sip/auth/challenge.ts'
import { digestResponse } from '../../../src/sip/auth/digest.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'

const alice = { username: 'alice', password: 'secret' }
const request = { method: 'INVITE', uri: 'sip:bob@example.com;transport=tcp' }

function client(credentials: Credentials = alice): DigestClient {
  return new DigestClient({ credentials, random: seededRandom(3) })
}

function challenge(statusCode: 401 | 407, ...values: string[]): SipResponse {
  const invite = createRequest({
    method: 'INVITE',
    uri: request.uri,
    headers: [
      ['Via', 'SIP/2.0/UDP h;branch=z9hG4bK1'],
      ['From', '<sip:a@h>;tag=1'],
      ['To', '<sip:b@h>'],
      ['Call-ID', 'c'],
      ['CSeq', '1 INVITE'],
    ],
  })
  const name = statusCode === 401 ? 'WWW-Authenticate' : 'Proxy-Authenticate'
  return createResponse(invite, statusCode, { headers: values.map(value => [name, value] as const) })
}

function param(value: string | undefined, name: string): string | undefined {
  const match = new RegExp(`[ ,]${name}=(?:"((?:[^"\\\\]|\\\\.)*)"|([^,]*))`).exec(value ?? '')
  return match?.[1] ?? match?.[2]
}

/** What a server would compute, from the credentials it received. */
function verify(
  value: string | undefined,
  parts: Partial<DigestChallenge> & { method?: string; body?: Uint8Array },
): boolean {
  const qop = param(value, 'qop')
  const computed = digestResponse({
    challenge: {
      proxy: false,
      realm: param(value, 'realm')?.replaceAll(/\\(.)/g, '$1') ?? '',
      nonce: param(value, 'nonce') ?? '',
      algorithm: param(value, 'algorithm') ?? 'MD5',
      qop: qop === undefined ? [] : [qop],
      stale: false,
      userhash: false,
      ...parts,
    },
    ...alice,
    method: parts.method ?? 'INVITE',
    uri: param(value, 'uri') ?? '',
    nonceCount: Number.parseInt(param(value, 'nc') ?? '1', 16),
    cnonce: param(value, 'cnonce') ?? '',
    ...(parts.body === undefined ? {} : { body: parts.body }),
  })
  return computed.response === param(value, 'response')
}

t.test(
  'trap 17: 401 is answered in Authorization, 407 in Proxy-Authorization, with the exact Request-URI',
  async t => {
    for (const [status, field] of [
      [401, 'Authorization'],
      [407, 'Proxy-Authorization'],
    ] as const) {
      const exchange = client().exchange()
      await exchange.challenged(
        challenge(status, 'DIGEST realm="r", nonce="n", qop="auth,auth-int", opaque="o"'),
      )
      const [header, ...others] = exchange.authorise(request)
      t.same(others, [])
      t.equal(header?.[0], field)
      t.equal(param(header?.[1], 'uri'), request.uri)
      t.equal(param(header?.[1], 'opaque'), 'o')
      t.equal(param(header?.[1], 'qop'), 'auth')
      t.ok(verify(header?.[1], {}))
    }
  },
)

t.test('trap 17: qop auth-int alone and qop absent', async t => {
  const exchange = client().exchange()
  await exchange.challenged(challenge(401, 'Digest realm="r", nonce="n", qop="auth-int"'))
  const body = Buffer.from('v=0\r\n')
  const [inner] = exchange.authorise({ ...request, body })
  t.equal(param(inner?.[1], 'qop'), 'auth-int')
  t.ok(verify(inner?.[1], { body }))

  const plain = client().exchange()
  await plain.challenged(challenge(401, 'Digest realm="r",nonce="n"'))
  const [old] = plain.authorise(request)
  t.equal(param(old?.[1], 'qop'), undefined)
  t.equal(param(old?.[1], 'nc'), undefined)
  t.ok(verify(old?.[1], {}))
})

t.test(
  'trap 17: the strongest algorithm we know of those offered, in any order and any case (RFC 8760)',
  async t => {
    const offers = ['MD5', 'sha-256', 'SHA-512-256', 'MD5-sess', 'TOKEN-9'].map(
      algorithm => `Digest realm="r", nonce="n-${algorithm}", algorithm=${algorithm}, qop="auth"`,
    )
    const exchange = client().exchange()
    await exchange.challenged(challenge(401, ...offers))
    const headers = exchange.authorise(request)
    t.equal(headers.length, 1)
    t.equal(param(headers[0]?.[1], 'algorithm'), 'SHA-512-256')
    t.equal(param(headers[0]?.[1], 'nonce'), 'n-SHA-512-256')
    t.ok(verify(headers[0]?.[1], {}))
  },
)

for (const algorithm of ['MD5-sess', 'SHA-256-sess', 'SHA-512-256-sess']) {
  t.test(`${algorithm} is answered, and its key lasts as long as the nonce`, async t => {
    const exchange = client().exchange()
    await exchange.challenged(
      challenge(401, `Digest realm="r", nonce="n", algorithm=${algorithm}, qop="auth"`),
    )
    t.ok(verify(exchange.authorise(request)[0]?.[1], {}))
    const [second] = exchange.authorise(request)
    t.equal(param(second?.[1], 'nc'), '00000002')
    t.ok(verify(second?.[1], {}))
  })
}

t.test('trap 17: a realm with quotes and a comma survives', async t => {
  const exchange = client().exchange()
  await exchange.challenged(challenge(401, 'Digest realm="a \\"b\\", c", nonce="n"'))
  const [header] = exchange.authorise(request)
  t.match(header?.[1], 'realm="a \\"b\\", c"')
  t.ok(verify(header?.[1], {}))
})

t.test('trap 17: several realms, proxies and servers, are all answered', async t => {
  const exchange = client(({ realm }) => ({ username: `user-${realm}`, password: 'p' })).exchange()
  await exchange.challenged(challenge(407, 'Digest realm="p1", nonce="1"', 'Digest realm="p2", nonce="2"'))
  await exchange.challenged(challenge(401, 'Digest realm="s", nonce="3"'))
  t.same(
    exchange
      .authorise(request)
      .map(([name, value]) => [name, param(value, 'realm'), param(value, 'username')]),
    [
      ['Proxy-Authorization', 'p1', 'user-p1'],
      ['Proxy-Authorization', 'p2', 'user-p2'],
      ['Authorization', 's', 'user-s'],
    ],
  )
})

t.test('the nonce is used again by later requests, and its count goes up (RFC 7616 §3.4)', async t => {
  const digest = client()
  await digest.exchange().challenged(challenge(407, 'Digest realm="r", nonce="n", qop="auth"'))
  const counts = [
    digest.exchange().authorise(request),
    digest.exchange().authorise({ ...request, method: 'BYE' }),
  ]
  t.same(
    counts.map(([header]) => param(header?.[1], 'nc')),
    ['00000001', '00000002'],
  )
  t.ok(verify(counts[1]?.[0]?.[1], { method: 'BYE' }))
})

t.test('trap 17: stale is answered once more without asking for the password again', async t => {
  let asked = 0
  const digest = client(async () => {
    asked++
    return alice
  })
  const exchange = digest.exchange()
  await exchange.challenged(challenge(401, 'Digest realm="r", nonce="1", qop="auth"'))
  exchange.authorise(request)
  await exchange.challenged(challenge(401, 'Digest realm="r", nonce="2", qop="auth", stale=TRUE'))
  const [header] = exchange.authorise(request)
  t.equal(param(header?.[1], 'nonce'), '2')
  t.equal(param(header?.[1], 'nc'), '00000001')
  t.equal(asked, 1)
})

t.test(
  'trap 17: the same nonce refused again ends it, with the realm and algorithm in the error',
  async t => {
    const exchange = client().exchange()
    const response = challenge(401, 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256')
    await exchange.challenged(response)
    exchange.authorise(request)
    const error = await exchange.challenged(response).catch((error: unknown) => error)
    t.type(error, SipAuthError)
    t.match(error, { code: 'SIP_AUTH', realm: 'r', algorithm: 'SHA-256', statusCode: 401, response })
    t.match((error as Error).message, /check user name and password/)
  },
)

t.test('trap 17: a server with ever new nonces, or ever stale ones, is not answered for ever', async t => {
  for (const stale of ['', ', stale=true']) {
    const exchange = client().exchange()
    let answers = 0
    const run = async (): Promise<void> => {
      for (;;) {
        await exchange.challenged(challenge(401, `Digest realm="r", nonce="n${answers}"${stale}`))
        exchange.authorise(request)
        answers++
      }
    }
    await t.rejects(run(), { code: 'SIP_AUTH' })
    t.equal(answers, stale === '' ? 2 : 3)
  }
})

t.test('a remembered nonce that has run out does not count as a refusal of the password', async t => {
  const digest = client()
  const first = digest.exchange()
  await first.challenged(challenge(401, 'Digest realm="r", nonce="1", qop="auth"'))
  first.authorise(request)
  const later = digest.exchange()
  later.authorise(request)
  await later.challenged(challenge(401, 'Digest realm="r", nonce="2", qop="auth"'))
  t.equal(param(later.authorise(request)[0]?.[1], 'nonce'), '2')
})

t.test(
  'nothing to answer with: no Digest, no known algorithm or qop, no credentials for the realm',
  async t => {
    for (const value of [
      'Basic realm="r"',
      'Digest realm="r", nonce="n", algorithm=FOO',
      'Digest realm="r", nonce="n", qop="magic"',
      'Digest nonce="n"',
      'Digest realm="unclosed',
    ]) {
      await t.rejects(client().exchange().challenged(challenge(401, value)), {
        code: 'SIP_AUTH',
        realm: undefined,
      })
    }
    await t.rejects(
      client(() => undefined)
        .exchange()
        .challenged(challenge(401, 'Digest realm="r", nonce="n"')),
      { code: 'SIP_AUTH', realm: 'r' },
    )
  },
)

t.test('a challenge that cannot be read does not hide the next', async t => {
  const exchange = client().exchange()
  await exchange.challenged(challenge(401, 'Digest realm="unclosed', 'Digest realm="r", nonce="n"'))
  t.equal(exchange.authorise(request).length, 1)
})

t.test('realms remembered are bounded', async t => {
  const digest = client()
  for (let n = 0; n < 100; n++) {
    await digest.exchange().challenged(challenge(401, `Digest realm="r${n}", nonce="n"`))
  }
  const headers = digest.exchange().authorise(request)
  t.equal(headers.length, 16)
  t.match(headers.at(-1)?.[1], 'realm="r99"')
})
