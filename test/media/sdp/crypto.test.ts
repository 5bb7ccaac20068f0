import {
  array,
  assert,
  constant,
  constantFrom,
  integer,
  oneof,
  property,
  string,
  tuple,
  uint8Array,
} from 'fast-check'
import t from 'tap'
import { type CryptoProblem, readCrypto, usableCrypto, writeCrypto } from '../../../src/media/sdp/crypto.ts'
import { CM128, GCM256, inline, suites } from './crypto-suites.ts'

const KEY = inline(CM128, 7)

interface Sound {
  readonly name: string
  readonly line: string
  readonly suite?: string
  readonly lifetime?: number
  readonly mki?: readonly number[]
  readonly keys?: number
}

const sound: readonly Sound[] = [
  { name: 'the plain form', line: `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}` },
  {
    name: 'lifetime as a power (RFC 4568 §6.1)',
    line: `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|2^20`,
    lifetime: 1_048_576,
  },
  {
    name: 'lifetime in decimal',
    line: `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1048576`,
    lifetime: 1_048_576,
  },
  {
    name: 'lifetime and MKI',
    line: `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|2^31|1:4`,
    lifetime: 2 ** 31,
    mki: [0, 0, 0, 1],
  },
  {
    name: 'MKI without lifetime',
    line: `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1066:2`,
    mki: [4, 42],
  },
  {
    name: 'an empty lifetime before the MKI',
    line: `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}||1:1`,
    mki: [1],
  },
  {
    name: 'the longest MKI, 128 octets',
    line: `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|5:128`,
    mki: [...Buffer.alloc(127), 5],
  },
  {
    name: 'two keys, each with its MKI',
    line: `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|2^20|1:4;inline:${inline(CM128, 8)}|2^20|2:4`,
    lifetime: 1_048_576,
    mki: [0, 0, 0, 1],
    keys: 2,
  },
  { name: 'small letters', line: `1 aes_cm_128_hmac_sha1_80 INLINE:${KEY}` },
  { name: 'several spaces, and a tab', line: `  1   AES_CM_128_HMAC_SHA1_80\t inline:${KEY}  ` },
  {
    name: 'the padding left out',
    line: `1 AEAD_AES_256_GCM inline:${inline(GCM256, 3).replace(/=+$/, '')}`,
    suite: 'AEAD_AES_256_GCM',
  },
  {
    name: 'AES-256 by the name of the drafts',
    line: `1 AES_CM_256_HMAC_SHA1_80 inline:${Buffer.alloc(46, 9).toString('base64')}`,
    suite: 'AES_256_CM_HMAC_SHA1_80',
  },
  { name: 'defaults spelled out, and a hint', line: `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} KDR=0 WSH=128` },
  {
    name: 'a parameter that may be ignored (RFC 4568 §6.3.7)',
    line: `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} -foo`,
  },
]

for (const { name, line, suite = CM128.name, lifetime, mki, keys = 1 } of sound) {
  t.test(`a line can be used: ${name}`, async t => {
    const read = readCrypto(line, suites)
    if (typeof read === 'string') throw new Error(read)
    t.equal(read.tag, '1')
    t.equal(read.suite.name, suite)
    t.equal(read.keys.length, keys)
    t.equal(read.keys[0]?.key.length, read.suite.keyOctets)
    t.equal(read.keys[0]?.salt.length, read.suite.saltOctets)
    t.equal(read.keys[0]?.lifetime, lifetime)
    t.same(read.keys[0]?.mki && [...read.keys[0].mki], mki)
  })
}

const unsound: readonly (readonly [name: string, line: string, problem: CryptoProblem])[] = [
  ['nothing', '', 'malformed'],
  ['no key', '1 AES_CM_128_HMAC_SHA1_80', 'malformed'],
  ['an empty key', '1 AES_CM_128_HMAC_SHA1_80 inline:', 'malformed'],
  ['a tag that is no number', `a AES_CM_128_HMAC_SHA1_80 inline:${KEY}`, 'malformed'],
  ['a tag of ten digits', `1234567890 AES_CM_128_HMAC_SHA1_80 inline:${KEY}`, 'malformed'],
  ['a suite nobody has', `1 F8_128_HMAC_SHA1_80 inline:${KEY}`, 'unknown suite'],
  ['another key method', `1 AES_CM_128_HMAC_SHA1_80 uri:${KEY}`, 'unknown key method'],
  ['no key method', `1 AES_CM_128_HMAC_SHA1_80 ${KEY}`, 'malformed'],
  [
    'a key too short',
    `1 AES_CM_128_HMAC_SHA1_80 inline:${Buffer.alloc(29).toString('base64')}`,
    'key of the wrong length',
  ],
  [
    'a key too long',
    `1 AES_CM_128_HMAC_SHA1_80 inline:${Buffer.alloc(46).toString('base64')}`,
    'key of the wrong length',
  ],
  ['a key of AES-128 for AES-256', `1 AES_256_CM_HMAC_SHA1_80 inline:${KEY}`, 'key of the wrong length'],
  ['no Base64', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY.slice(0, 39)}*`, 'malformed'],
  [
    'padding in the middle',
    `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY.slice(0, 20)}=${KEY.slice(21)}`,
    'malformed',
  ],
  ['a lifetime beyond 2^48', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|2^49`, 'unusable lifetime'],
  ['a lifetime of nothing', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|0`, 'unusable lifetime'],
  ['a lifetime that is no number', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|long`, 'unusable lifetime'],
  ['an MKI of no octets', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1:0`, 'unusable master key identifier'],
  ['an MKI of 129 octets', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1:129`, 'unusable master key identifier'],
  [
    'an MKI that does not fit',
    `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|256:1`,
    'unusable master key identifier',
  ],
  [
    'two keys without an MKI (RFC 4568 §6.1)',
    `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY};inline:${inline(CM128, 8)}`,
    'unusable master key identifier',
  ],
  [
    'two keys with MKIs of two lengths',
    `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|1:1;inline:${inline(CM128, 8)}|2:2`,
    'unusable master key identifier',
  ],
  ['three fields behind the key', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY}|2^20|2^20|1:4`, 'malformed'],
  [
    'keys derived anew now and then',
    `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} KDR=1`,
    'unsupported session parameter',
  ],
  [
    'no encryption',
    `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} UNENCRYPTED_SRTP`,
    'unsupported session parameter',
  ],
  [
    'RTCP in the clear',
    `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} UNENCRYPTED_SRTCP`,
    'unsupported session parameter',
  ],
  [
    'no authentication',
    `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} UNAUTHENTICATED_SRTP`,
    'unsupported session parameter',
  ],
  ['FEC', `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} FEC_ORDER=FEC_SRTP`, 'unsupported session parameter'],
  [
    'a parameter nobody knows (RFC 4568 §6.3.7)',
    `1 AES_CM_128_HMAC_SHA1_80 inline:${KEY} FOO=1`,
    'unsupported session parameter',
  ],
]

for (const [name, line, problem] of unsound) {
  t.test(`a line cannot be used: ${name}`, async t => t.equal(readCrypto(line, suites), problem))
}

t.test('lines that cannot be used leave the others; of two with one tag the first counts', async t => {
  const lines = usableCrypto(
    [
      `1 F8_128_HMAC_SHA1_80 inline:${KEY}`,
      `2 AES_CM_128_HMAC_SHA1_80 inline:${KEY} UNENCRYPTED_SRTP`,
      `3 AES_CM_128_HMAC_SHA1_80 inline:${KEY}`,
      `03 AEAD_AES_256_GCM inline:${inline(GCM256, 1)}`,
      `4 AEAD_AES_256_GCM inline:${inline(GCM256, 1)}`,
    ],
    suites,
  )
  t.same(
    lines.map(line => [line.tag, line.suite.name]),
    [
      ['3', 'AES_CM_128_HMAC_SHA1_80'],
      ['4', 'AEAD_AES_256_GCM'],
    ],
  )
})

t.test('what we write is read back, whatever the key', async t => {
  const suite = constantFrom(...suites)
  const cases = suite.chain(({ name, keyOctets, saltOctets }) => {
    const length = keyOctets + saltOctets
    return tuple(constant(name), uint8Array({ minLength: length, maxLength: length }))
  })
  assert(
    property(integer({ min: 1, max: 999_999_999 }), cases, (tag, [name, material]) => {
      const read = readCrypto(writeCrypto(String(tag), name, material), suites)
      if (typeof read === 'string') throw new Error(read)
      const [key] = read.keys
      t.same(Buffer.concat([key!.key, key!.salt]), Buffer.from(material))
      return read.tag === String(tag) && read.suite.name === name
    }),
    { numRuns: 200 },
  )
})

t.test('any text is read without an error', async () => {
  const word = oneof(
    string(),
    constantFrom('1', 'AES_CM_128_HMAC_SHA1_80', 'inline:', `inline:${KEY}`, '|', '2^', ':', ';', 'KDR='),
  )
  assert(
    property(array(word, { maxLength: 12 }), words => {
      readCrypto(words.join(' '), suites)
      readCrypto(words.join(''), suites)
    }),
    { numRuns: 500 },
  )
})
