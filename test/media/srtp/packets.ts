import { srtpProfiles } from '../../../src/media/srtp/profiles.ts'
import type { SrtpProfile } from '../../../src/media/srtp/profiles.ts'
import type { SrtpSender } from '../../../src/media/srtp/sender.ts'

/** What the tests of senders and receivers are made of. */
export interface TestKey {
  readonly profile: SrtpProfile
  readonly masterKey: Uint8Array
  readonly masterSalt: Uint8Array
}

export const profiles: readonly SrtpProfile[] = Object.values(srtpProfiles)

export function testKey(profile: SrtpProfile = profiles[0]!, seed = 1): TestKey {
  return {
    profile,
    masterKey: Uint8Array.from({ length: profile.keyOctets }, (_, i) => i * 7 + seed),
    masterSalt: Uint8Array.from({ length: profile.saltOctets }, (_, i) => i * 11 + seed),
  }
}

export const ssrc = 0xcafebabe

/** 20 ms of G.711 that tells which packet it is. */
export function rtp(sequence: number, source: number = ssrc): Buffer {
  const packet = Buffer.alloc(172, sequence & 0xff)
  packet[0] = 0x80
  packet[1] = 0
  packet.writeUInt16BE(sequence & 0xffff, 2)
  packet.writeUInt32BE((sequence * 160) >>> 0, 4)
  packet.writeUInt32BE(source, 8)
  return packet
}

/** An empty receiver report. */
export function rtcp(source: number = ssrc): Buffer {
  const packet = Buffer.alloc(28, 0x5a)
  packet[0] = 0x80
  packet[1] = 201
  packet.writeUInt16BE(6, 2)
  packet.writeUInt32BE(source, 4)
  return packet
}

/** @throws when the sender refuses it */
export function protect(sender: SrtpSender, packet: Buffer): Buffer {
  const buffer = Buffer.alloc(packet.length + sender.rtpOverhead)
  packet.copy(buffer)
  const length = sender.protectRtp(buffer, packet.length)
  if (length !== buffer.length) throw new Error(`protectRtp returned ${length}`)
  return buffer
}

/** @throws when the sender refuses it */
export function protectControl(sender: SrtpSender, packet: Buffer): Buffer {
  const buffer = Buffer.alloc(packet.length + sender.rtcpOverhead)
  packet.copy(buffer)
  const length = sender.protectRtcp(buffer, packet.length)
  if (length !== buffer.length) throw new Error(`protectRtcp returned ${length}`)
  return buffer
}
