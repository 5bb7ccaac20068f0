import { createCipheriv, createHmac } from 'node:crypto'
import {
  ProtectionProfileAeadAes128Gcm,
  ProtectionProfileAes128CmHmacSha1_80,
  RtpHeader,
  SrtpSession,
} from 'werift-rtp'
import { writeRtpHeader } from '../src/media/rtp/packet.ts'
import { srtpProfiles } from '../src/media/srtp/profiles.ts'
import type { SrtpProfile } from '../src/media/srtp/profiles.ts'
import { SrtpReceiver } from '../src/media/srtp/receiver.ts'
import { SrtpSender } from '../src/media/srtp/sender.ts'
import { benchLine, measure } from './harness.ts'
import type { BenchLine, BenchOptions, Measurement, Subject } from './harness.ts'

/** 20 ms of G.711 with its header: what nearly every packet of a telephone call looks like. */
const packetOctets = 172
const headerOctets = 12
const ssrc = 0x13572468
const firstSequence = 65_000

/** The profile that calls use unless the far end insists on another. */
const usual = 'AES_CM_128_HMAC_SHA1_80'
const mostMicros = 4
/** At least three times as fast. */
const mostOfReference = 0.33

const weriftProfiles: Readonly<Record<string, number>> = {
  AES_CM_128_HMAC_SHA1_80: ProtectionProfileAes128CmHmacSha1_80,
  AEAD_AES_128_GCM: ProtectionProfileAeadAes128Gcm,
}

const octets = (length: number, seed: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, i) => (i * 167 + seed * 59) & 0xff))

interface Key {
  readonly profile: SrtpProfile
  readonly masterKey: Buffer
  readonly masterSalt: Buffer
}

function keyOf(profile: SrtpProfile): Key {
  return { profile, masterKey: octets(profile.keyOctets, 1), masterSalt: octets(profile.saltOctets, 2) }
}

const payload = octets(packetOctets - headerOctets, 3)

/** A stream of packets that never repeats an index. */
class Packets {
  readonly buffer: Buffer
  #sequence = firstSequence
  #timestamp = 0

  constructor(room: number) {
    this.buffer = Buffer.alloc(packetOctets + room)
  }

  next(): Buffer {
    writeRtpHeader(this.buffer, 0, false, this.#sequence, this.#timestamp, ssrc)
    payload.copy(this.buffer, headerOctets)
    this.#sequence = (this.#sequence + 1) & 0xffff
    this.#timestamp = (this.#timestamp + 160) >>> 0
    return this.buffer
  }
}

function protectOurs(key: Key): Subject {
  const sender = new SrtpSender(key)
  const packets = new Packets(sender.rtpOverhead)
  return {
    name: 'offhook',
    run: count => {
      for (let i = 0; i < count; i += 1) {
        if (sender.protectRtp(packets.next(), packetOctets) < 0) throw new Error('not protected')
      }
    },
  }
}

/** Protected packets, one after the other in one piece of memory, so that taking the next costs no more than a copy. */
function protectedPackets(key: Key, total: number): Buffer {
  const sender = new SrtpSender(key)
  const packets = new Packets(sender.rtpOverhead)
  const length = packetOctets + sender.rtpOverhead
  const all = Buffer.allocUnsafe(total * length)
  for (let i = 0; i < total; i += 1) {
    const packet = packets.next()
    sender.protectRtp(packet, packetOctets)
    packet.copy(all, i * length)
  }
  return all
}

function unprotectOurs(key: Key, all: Buffer): Subject {
  const receiver = new SrtpReceiver(key)
  const datagram = Buffer.alloc(packetOctets + key.profile.rtpOverhead)
  let at = 0
  return {
    name: 'offhook',
    run: count => {
      for (let i = 0; i < count; i += 1) {
        all.copy(datagram, 0, at, at + datagram.length)
        at += datagram.length
        if (receiver.unprotectRtp(datagram) !== packetOctets) throw new Error('not unprotected')
      }
    },
  }
}

function werift({ profile, masterKey, masterSalt }: Key): SrtpSession | undefined {
  const number = weriftProfiles[profile.name]
  if (number === undefined) return undefined
  return new SrtpSession({
    profile: number,
    keys: {
      localMasterKey: masterKey,
      localMasterSalt: masterSalt,
      remoteMasterKey: masterKey,
      remoteMasterSalt: masterSalt,
    },
  })
}

function protectWerift(session: SrtpSession): Subject {
  const header = new RtpHeader({ payloadType: 0, sequenceNumber: firstSequence, timestamp: 0, ssrc })
  return {
    name: 'werift-rtp',
    run: count => {
      for (let i = 0; i < count; i += 1) {
        session.encrypt(payload, header)
        header.sequenceNumber = (header.sequenceNumber + 1) & 0xffff
        header.timestamp = (header.timestamp + 160) >>> 0
      }
    },
  }
}

function unprotectWerift(session: SrtpSession, all: Buffer, length: number): Subject {
  const datagram = Buffer.alloc(length)
  let at = 0
  return {
    name: 'werift-rtp',
    run: count => {
      for (let i = 0; i < count; i += 1) {
        all.copy(datagram, 0, at, at + length)
        at += length
        if (session.decrypt(datagram).length !== packetOctets) throw new Error('not unprotected')
      }
    },
  }
}

/** What anyone writes first: a cipher and an HMAC of `node:crypto` for every packet. */
function protectPlainly({ masterKey }: Key): Subject {
  const packets = new Packets(10)
  const iv = Buffer.alloc(16)
  const authenticationKey = octets(20, 4)
  return {
    name: 'createCipheriv and createHmac',
    run: count => {
      for (let i = 0; i < count; i += 1) {
        const packet = packets.next()
        packet.copy(iv, 12, 2, 4)
        const cipher = createCipheriv('aes-128-ctr', masterKey, iv)
        cipher.update(packet.subarray(headerOctets, packetOctets)).copy(packet, headerOctets)
        const tag = createHmac('sha1', authenticationKey).update(packet.subarray(0, packetOctets)).digest()
        tag.copy(packet, packetOctets, 0, 10)
      }
    },
  }
}

/** @throws when one does not read what the other writes: then the figures would mean nothing */
function agree(key: Key): void {
  const session = werift(key)
  if (session === undefined) return
  const protectedPacket = protectedPackets(key, 1)
  const plain = Buffer.from(new Packets(0).next())
  if (!session.decrypt(Buffer.from(protectedPacket)).equals(plain)) {
    throw new Error(`werift-rtp does not read what we protect with ${key.profile.name}`)
  }
  const header = new RtpHeader({ payloadType: 0, sequenceNumber: firstSequence, timestamp: 0, ssrc })
  const theirs = Buffer.from(session.encrypt(payload, header))
  const length = new SrtpReceiver(key).unprotectRtp(theirs)
  if (length !== packetOctets || !theirs.subarray(0, length).equals(plain)) {
    throw new Error(`we do not read what werift-rtp protects with ${key.profile.name}`)
  }
}

export async function run({ short }: BenchOptions): Promise<readonly BenchLine[]> {
  const operations = short ? 200 : 20_000
  const rounds = short ? 3 : 7
  const lines: BenchLine[] = []
  for (const profile of Object.values(srtpProfiles)) {
    const key = keyOf(profile)
    agree(key)
    const all = protectedPackets(key, operations * (rounds + 1))
    const length = packetOctets + profile.rtpOverhead
    const other = werift(key)
    const another = werift(key)
    const pairs: readonly (readonly [string, Subject[]])[] = [
      ['protect', [protectOurs(key), ...(other === undefined ? [] : [protectWerift(other)])]],
      [
        'unprotect',
        [unprotectOurs(key, all), ...(another === undefined ? [] : [unprotectWerift(another, all, length)])],
      ],
    ]
    for (const [what, subjects] of pairs) {
      if (profile.name === usual && what === 'protect') subjects.push(protectPlainly(key))
      lines.push(...linesOf(what, profile, await measure(subjects, { operations, rounds })))
    }
  }
  return lines
}

function linesOf(
  what: string,
  profile: SrtpProfile,
  [ours, ...others]: readonly Measurement[],
): readonly BenchLine[] {
  if (ours === undefined) return []
  const name = `${what} ${packetOctets} octets, ${profile.name}`
  const line = { name, figure: ours.cpuMicros, unit: 'µs/packet' }
  const isUsual = profile.name === usual
  const againstLimit = benchLine({
    ...line,
    reference: { name: 'µs allowed', figure: mostMicros },
    ...(isUsual && { limit: { maxRatio: 1 } }),
  })
  const againstOthers = others.map(other =>
    benchLine({
      ...line,
      reference: { name: other.name, figure: other.cpuMicros },
      ...(isUsual && other.name === 'werift-rtp' && { limit: { maxRatio: mostOfReference } }),
    }),
  )
  return [againstLimit, ...againstOthers]
}
