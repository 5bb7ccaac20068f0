import { createHash } from 'node:crypto'
import {
  assert,
  constantFrom,
  dictionary,
  oneof,
  property,
  string,
  tuple,
  uniqueArray,
  webUrl,
} from 'fast-check'
import t from 'tap'
import twilio from 'twilio'
import { SignatureError } from '../../../src/agent/signatures/signature-error.ts'
import {
  twilioSignature,
  twilioStreamSignature,
  verifyTwilioSignature,
} from '../../../src/agent/signatures/twilio.ts'

const authToken = '12345'
const FORM = 'application/x-www-form-urlencoded; charset=utf-8'

interface Sent {
  url: string
  signature?: string | undefined
  body?: string
  type?: string
  token?: string | string[]
}

function verdict({ url, signature, body, type = FORM, token = authToken }: Sent): string {
  const headers = {
    'Content-Type': type,
    ...(signature !== undefined && { 'X-Twilio-Signature': signature }),
  }
  try {
    verifyTwilioSignature({ authToken: token, url, headers, ...(body !== undefined && { body }) })
    return 'good'
  } catch (error) {
    return error instanceof SignatureError ? error.problem : String(error)
  }
}

const fields = dictionary(string({ minLength: 1 }), oneof(string(), uniqueArray(string(), { minLength: 2 })))

t.test('the reference library and we make the same signature, and take each other’s', async t => {
  assert(
    property(webUrl({ withQueryParameters: true }), fields, (url, fields) => {
      const signature = twilioSignature(authToken, url, fields)
      t.equal(signature, twilio.getExpectedTwilioSignature(authToken, url, fields))
      if (!twilio.validateRequest(authToken, signature, url, fields)) t.fail(`they refuse ${url}`)
      const body = new URLSearchParams()
      for (const [name, value] of Object.entries(fields)) {
        for (const one of typeof value === 'string' ? [value] : value) body.append(name, one)
      }
      const wellFormed = body.toString() === new URLSearchParams(body.toString()).toString()
      if (wellFormed && !/[\uD800-\uDFFF]/.test(JSON.stringify(fields))) {
        t.equal(verdict({ url, signature, body: body.toString() }), 'good')
      }
    }),
    { numRuns: 60 },
  )
})

t.test('an URL with a port is taken whether it was signed with it or not', async t => {
  const hosts = constantFrom('example.com', 'user:pass@example.com', '[2001:db8::1]')
  assert(
    property(tuple(hosts, constantFrom('', ':443', ':8443')), ([host, port]) => {
      const url = `https://${host}${port}/voice?a=1`
      const bare = twilioSignature(authToken, `https://${host}/voice?a=1`)
      t.equal(verdict({ url, signature: bare }), 'good')
      t.equal(verdict({ url, signature: twilioSignature(authToken, url) }), 'good')
      t.equal(twilio.validateRequest(authToken, bare, url, {}), true)
    }),
  )
  const withPort = twilioSignature(authToken, 'https://example.com:443/voice')
  t.equal(verdict({ url: 'https://example.com/voice', signature: withPort }), 'good')
})

t.test('a stream is signed by its URL alone, and with a slash where it has no path', async t => {
  const url = 'wss://example.com/media'
  t.equal(twilioStreamSignature(authToken, url), twilio.getExpectedTwilioSignature(authToken, url, {}))
  t.equal(verdict({ url, signature: twilioStreamSignature(authToken, url) }), 'good')
  t.equal(verdict({ url, signature: twilioStreamSignature(authToken, `${url}/`) }), 'good')
  t.equal(
    verdict({ url: 'wss://example.com', signature: twilioStreamSignature(authToken, 'wss://example.com/') }),
    'good',
  )
})

t.test('a body that is no form is signed by its hash in the URL', async t => {
  const body = '{"a":1}'
  const url = `https://example.com/e?bodySHA256=${createHash('sha256').update(body).digest('hex')}`
  const signature = twilioSignature(authToken, url)
  const type = 'application/json'
  t.equal(twilio.validateRequestWithBody(authToken, signature, url, body), true)
  t.equal(verdict({ url, signature, body, type }), 'good')
  t.equal(verdict({ url, signature, body: '{"a":2}', type }), 'wrong')
  t.equal(verdict({ url, signature: twilioSignature('other', url), body, type }), 'wrong')
})

t.test('a body that nothing signs is refused, though the URL is signed', async t => {
  const url = 'https://example.com/voice'
  // As anybody has it who saw one upgrade or GET of that URL.
  const signature = twilioSignature(authToken, url)
  t.equal(verdict({ url, signature, type: 'application/json' }), 'good')
  t.equal(verdict({ url, signature, type: 'application/json', body: '{"From":"x"}' }), 'malformed')
  t.equal(verdict({ url, signature, type: '', body: 'From=x' }), 'malformed')
  t.equal(verdict({ url, signature, body: 'From=x' }), 'wrong')
})

t.test('what was changed on the way is refused, and says why', async t => {
  const url = 'https://example.com/voice'
  const body = 'CallSid=CA1&From=%2B15550100'
  const signature = twilioSignature(authToken, url, new URLSearchParams(body))
  t.equal(verdict({ url, body, signature }), 'good')
  t.equal(verdict({ url, body, signature, token: ['new', authToken] }), 'good')
  t.equal(verdict({ url, body: `${body}1`, signature }), 'wrong')
  t.equal(verdict({ url: `${url}?x=1`, body, signature }), 'wrong')
  t.equal(verdict({ url, body, signature: signature.slice(1) }), 'wrong')
  t.equal(verdict({ url, body, signature, token: 'another' }), 'wrong')
  t.equal(verdict({ url, body }), 'missing')
  t.match(verdict({ url: '/voice', body, signature }), /url:/)
  t.match(verdict({ url, body, signature, token: '' }), /authToken:/)
})
