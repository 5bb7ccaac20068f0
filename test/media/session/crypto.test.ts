import t from 'tap'
import { writeRtpHeader } from '../../../src/media/rtp/packet.ts'
import type { NegotiatedCrypto } from '../../../src/media/sdp/crypto-negotiation.ts'
import { MediaCrypto } from '../../../src/media/session/crypto.ts'

function key(seed: number): { readonly key: Uint8Array; readonly salt: Uint8Array } {
  return { key: new Uint8Array(16).fill(seed), salt: new Uint8Array(14).fill(seed) }
}

function agreed(send: number, receive = 100): NegotiatedCrypto {
  return { suite: 'AES_CM_128_HMAC_SHA1_80', tag: '1', send: key(send), receive: [key(receive)] }
}

function packet(sequence: number, ssrc = 7): Uint8Array {
  const bytes = Buffer.alloc(172)
  writeRtpHeader(bytes, 0, false, sequence, sequence * 160, ssrc)
  return bytes
}

/** A context, and the packets that left it. */
function context(): { readonly crypto: MediaCrypto; readonly sent: Uint8Array[] } {
  const sent: Uint8Array[] = []
  return { crypto: new MediaCrypto({ send: bytes => sent.push(bytes) }), sent }
}

t.test('a key that keeps coming back never protects an index twice (RFC 3711 §9.1)', async t => {
  const { crypto, sent } = context()
  crypto.configure(agreed(1), 7, 0)
  crypto.send(packet(5), 4000, '10.0.0.2')
  // Each of them offered, agreed on and taken back.
  for (const other of [2, 3, 4, 5, 6]) {
    crypto.configure(agreed(other), 7, 0)
    crypto.configure(agreed(1), 7, 0)
  }
  crypto.send(packet(5), 4000, '10.0.0.2')
  t.equal(sent.length, 1)
  t.equal(crypto.failures['index-reuse'], 1)
  crypto.send(packet(6), 4000, '10.0.0.2')
  t.equal(sent.length, 2)
  crypto.close()
})

t.test('as many SSRCs as a long call with many changes of its RTP clock has', async t => {
  const [a, b] = [context(), context()]
  a.crypto.configure(agreed(1, 2), 7, 0)
  b.crypto.configure(agreed(2, 1), 7, 0)
  for (let ssrc = 1; ssrc <= 100; ssrc += 1) a.crypto.send(packet(5, ssrc), 4000, '10.0.0.2')
  t.equal(a.sent.length, 100)
  t.ok(a.sent.every(bytes => b.crypto.unprotectRtp(bytes, 0) === 172))
  a.crypto.close()
  b.crypto.close()
})
