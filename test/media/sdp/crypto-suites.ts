import type { CryptoSuite } from '../../../src/media/sdp/crypto.ts'

export const CM128: CryptoSuite = { name: 'AES_CM_128_HMAC_SHA1_80', keyOctets: 16, saltOctets: 14 }
export const CM128_32: CryptoSuite = { name: 'AES_CM_128_HMAC_SHA1_32', keyOctets: 16, saltOctets: 14 }
export const CM256: CryptoSuite = {
  name: 'AES_256_CM_HMAC_SHA1_80',
  aliases: ['AES_CM_256_HMAC_SHA1_80'],
  keyOctets: 32,
  saltOctets: 14,
}
export const GCM256: CryptoSuite = { name: 'AEAD_AES_256_GCM', keyOctets: 32, saltOctets: 12 }

export const suites: readonly CryptoSuite[] = [CM128, CM128_32, CM256, GCM256]

/** Key and salt of one repeated octet, as a line has them. */
export function inline({ keyOctets, saltOctets }: CryptoSuite, octet: number): string {
  return Buffer.alloc(keyOctets + saltOctets, octet).toString('base64')
}
