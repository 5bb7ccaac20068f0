/** Published vectors, each named for its source. */

import { createHmac } from 'node:crypto'
import t from 'tap'
import { AesCmTransform } from '../../../src/media/srtp/aes-cm.ts'
import { AesGcmTransform } from '../../../src/media/srtp/aes-gcm.ts'
import { deriveKey, deriveSessionKeys } from '../../../src/media/srtp/key-derivation.ts'
import { KeyStream } from '../../../src/media/srtp/key-stream.ts'
import { srtpProfiles } from '../../../src/media/srtp/profiles.ts'
import { SrtpReceiver } from '../../../src/media/srtp/receiver.ts'
import { SrtpSender } from '../../../src/media/srtp/sender.ts'
import { digestOctet, HmacSha1, SHA1_OCTETS } from '../../../src/media/srtp/sha1.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(/\s/g, ''), 'hex')
const none = new Uint8Array(0)

t.test('AES-CM key stream (RFC 3711 B.2)', async t => {
  const keyStream = new KeyStream(
    hex('2B7E151628AED2A6ABF7158809CF4F3C'),
    hex('F0F1F2F3F4F5F6F7F8F9FAFBFCFD'),
    'cm',
    false,
  )
  const blocks = 65_282
  const offset = keyStream.seek(0, 0, 0, blocks)
  const bytes = Buffer.from(keyStream.bytes).subarray(offset)
  t.equal(
    bytes.subarray(0, 48).toString('hex'),
    'e03ead0935c95e80e166b16dd92b4eb4d23513162b02d0f72a43a2fe4a5f97ab41e95b3bb0a2e8dd477901e4fca894c0',
  )
  t.equal(
    bytes.subarray((blocks - 3) * 16, blocks * 16).toString('hex'),
    'ec8cdf7398607cb0f2d21675ea9ea1e4362b7c3c6773516318a077d7fc5073ae6a2cc3787889374fbeb4c81b17ba6c44',
  )
})

t.test('key derivation with AES-128 (RFC 3711 B.3)', async t => {
  const masterKey = hex('E1F97A0D3E018BE0D64FA32C06DE4139')
  const masterSalt = hex('0EC675AD498AFEEBB6960B3AABE6')
  const derived = (label: number, octets: number): string =>
    Buffer.from(deriveKey(masterKey, masterSalt, label, octets)).toString('hex')
  t.equal(derived(0, 16), 'c61e7a93744f39ee10734afe3ff7a087')
  t.equal(derived(2, 14), '30cbbc08863d8c85d49db34a9ae1')
  t.equal(
    derived(1, 94),
    'cebe321f6ff7716b6fd4ab49af256a156d38baa48f0a0acf3c34e2359e6cdbce' +
      'e049646c43d9327ad175578ef72270986371c10c9a369ac2f94a8c5fbcdddc25' +
      '6d6e919a48b610ef17c2041e474035766b68642c59bbfc2f34db60dbdfb2',
  )
})

t.test('key derivation with AES-256 (RFC 6188 §7.2)', async t => {
  const keys = deriveSessionKeys(
    srtpProfiles['AES_256_CM_HMAC_SHA1_80']!,
    hex('f0f04914b513f2763a1b1fa130f10e2998f6f6e43e4309d1e622a0e332b9f1b6'),
    hex('3b04803de51ee7c96423ab5b78d2'),
    'rtp',
  )
  t.equal(
    Buffer.from(keys.key).toString('hex'),
    '5ba1064e30ec51613cad926c5a28ef731ec7fb397f70a960653caf06554cd8c4',
  )
  t.equal(Buffer.from(keys.salt).toString('hex'), 'fa31791685ca444a9e07c6c64e93')
  t.equal(Buffer.from(keys.authenticationKey).toString('hex'), 'fd9c32d39ed5fbb5a9dc96b30818454d1313dc05')
})

t.test('a packet from master key to tag (libsrtp, test/srtp_driver.c)', async t => {
  const key = {
    profile: srtpProfiles['AES_CM_128_HMAC_SHA1_80']!,
    masterKey: hex('e1f97a0d3e018be0d64fa32c06de4139'),
    masterSalt: hex('0ec675ad498afeebb6960b3aabe6'),
  }
  const plain = hex('800f1234decafbadcafebabeabababababababababababababababab')
  const sealed = '800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb'
  const buffer = Buffer.alloc(plain.length + 10)
  plain.copy(buffer)
  t.equal(new SrtpSender(key).protectRtp(buffer, plain.length), buffer.length)
  t.equal(buffer.toString('hex'), sealed)
  t.equal(new SrtpReceiver(key).unprotectRtp(buffer), plain.length)
  t.same(buffer.subarray(0, plain.length), plain)
})

const gcmSalt = hex('517569642070726f2071756f')
const gcmKeys = {
  128: hex('000102030405060708090a0b0c0d0e0f'),
  256: hex('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f'),
}
const gcmTransform = (bits: 128 | 256): AesGcmTransform =>
  new AesGcmTransform({ key: gcmKeys[bits], salt: gcmSalt, authenticationKey: none }, true)

const galliaPlain = hex(
  '8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573',
)
const galliaSealed = {
  128: '8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833899d7f27beb16a9152cf765ee4390cce',
  256: '8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b7aa3db36dfffd6b0f9bb7878d7a76c13',
}

for (const [bits, section] of [
  [128, '§16.1'],
  [256, '§16.2'],
] as const) {
  t.test(`AEAD_AES_${bits}_GCM protects an RTP packet and reads it (RFC 7714 ${section})`, async t => {
    const packet = Buffer.alloc(galliaPlain.length + 16)
    galliaPlain.copy(packet)
    const { length } = galliaPlain
    gcmTransform(bits).sealRtp(packet, 12, length, length, 0x5501a0b2, 0, 0xf17b)
    t.equal(packet.toString('hex'), galliaSealed[bits])
    t.ok(gcmTransform(bits).openRtp(packet, 12, length, length, 0x5501a0b2, 0, 0xf17b))
    t.same(packet.subarray(0, length), galliaPlain)
  })
}

const marsPlain = hex(
  '81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef',
)
const marsSealed = {
  128: '81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4',
  256: '81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4',
}

for (const [bits, section] of [
  [128, '§17.1'],
  [256, '§17.2'],
] as const) {
  t.test(`AEAD_AES_${bits}_GCM protects an RTCP packet and reads it (RFC 7714 ${section})`, async t => {
    const { length } = marsPlain
    const packet = Buffer.alloc(length + 20)
    marsPlain.copy(packet)
    packet.writeUInt32BE(0x800005d4, length + 16)
    gcmTransform(bits).sealRtcp(packet, length, length + 16, length, 0x4d617273, 0x5d4)
    t.equal(packet.toString('hex'), marsSealed[bits])
    t.ok(gcmTransform(bits).openRtcp(packet, length, length + 16, length, 0x4d617273, 0x5d4))
    t.same(packet.subarray(0, length), marsPlain)
  })
}

const digest = (): string =>
  Array.from({ length: SHA1_OCTETS }, (_, i) => digestOctet(i).toString(16).padStart(2, '0')).join('')

t.test('HMAC-SHA1 (RFC 2202 §3, and node:crypto at every length)', async t => {
  const jefe = new HmacSha1(Buffer.from('Jefe'))
  const text = Buffer.from('what do ya want for nothing?')
  jefe.compute(text, text.length)
  t.equal(digest(), 'effcdf6ae5eb2fa2d27416d5f184df9c259a7c79')

  const random = seededRandom(2104)
  const key = random.bytes(20)
  const hmac = new HmacSha1(key)
  for (let length = 0; length < 300; length += 1) {
    const message = random.bytes(length)
    const suffix = Buffer.alloc(4)
    suffix.writeUInt32BE(random.uint32())
    hmac.compute(message, length)
    const plain = createHmac('sha1', key).update(message).digest('hex')
    hmac.computeWithSuffix(message, length, suffix.readUInt32BE())
    const suffixed = createHmac('sha1', key).update(message).update(suffix).digest('hex')
    if (digest() !== suffixed) t.fail(`${length} octets and a suffix`)
    hmac.compute(message, length)
    if (digest() !== plain) t.fail(`${length} octets`)
  }
  t.throws(() => new HmacSha1(new Uint8Array(65)), RangeError)
})

t.test('nothing of a key is left after close()', async t => {
  const transform = new AesCmTransform(
    { key: new Uint8Array(16), salt: new Uint8Array(14), authenticationKey: new Uint8Array(20).fill(1) },
    10,
    true,
  )
  const before = Buffer.alloc(40)
  before[0] = 0x80
  transform.sealRtp(before, 12, 30, 30, 1, 0, 1)
  transform.close()
  const after = Buffer.alloc(40)
  after[0] = 0x80
  transform.sealRtp(after, 12, 30, 30, 1, 0, 1)
  t.notSame(before.subarray(30), after.subarray(30), 'the authentication key is gone')
})
