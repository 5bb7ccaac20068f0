/** What the calls of a bench say and offer: every codec, plain and with SRTP. */

import { randomBytes } from 'node:crypto'
import { loadCodec } from '../../src/media/codec/catalogue.ts'
import { srtpProfiles } from '../../src/media/srtp/profiles.ts'
import { SrtpSender } from '../../src/media/srtp/sender.ts'
import { speechLike } from '../../test/media/codec/speech.ts'
import type { OfferedMedia } from './caller.ts'
import type { Voice } from './rtp-load.ts'

/** Codec by the name `createEndpoint` takes, with its line in the offer. */
const codecs: Readonly<Record<string, { readonly payloadType: number; readonly rtpmap: string }>> = {
  PCMU: { payloadType: 0, rtpmap: 'PCMU/8000' },
  G722: { payloadType: 9, rtpmap: 'G722/8000' },
  'L16/16000': { payloadType: 97, rtpmap: 'L16/16000' },
  opus: { payloadType: 111, rtpmap: 'opus/48000/2' },
}

export const voiceNames: readonly string[] = Object.keys(codecs)

/** Two seconds of something like speech in packets of 20 ms, and the offer for it; `suite` is an SDES name. */
export async function voiceOf(
  name: string,
  suite?: string,
): Promise<{ readonly voice: Voice; readonly offer: OfferedMedia }> {
  const entry = codecs[name]
  if (entry === undefined) throw new Error(`No voice for ${name}; there are ${voiceNames.join(', ')}`)
  const { payloadType, rtpmap } = entry
  const codec = await loadCodec(name)
  const encoder = codec.encoder({ ptime: 20 })
  const frame = (codec.sampleRate / 50) * codec.channels
  const speech = speechLike(codec.sampleRate * codec.channels, 2000)
  const payload = new Uint8Array(codec.maxPayloadBytes(frame))
  const payloads = Array.from({ length: 100 }, (_, index) =>
    payload.slice(0, encoder.encode(speech.subarray(index * frame, (index + 1) * frame), payload)),
  ).filter(({ length }) => length > 0)
  encoder.close?.()
  const attributes = [`a=rtpmap:${payloadType} ${rtpmap}`, 'a=ptime:20']
  const voice = { payloadType, unitsPerPacket: codec.clockRate / 50, payloads }
  if (suite === undefined) return { voice, offer: { profile: 'RTP/AVP', payloadType, attributes } }
  const profile = srtpProfiles[suite]
  if (profile === undefined) throw new Error(`No suite ${suite}`)
  // One key for all calls of the load: nobody listens, and the other side has a context for each call all the same.
  const key = randomBytes(profile.keyOctets + profile.saltOctets)
  const masterKey = key.subarray(0, profile.keyOctets)
  const masterSalt = key.subarray(profile.keyOctets)
  return {
    voice: { ...voice, srtp: () => new SrtpSender({ profile, masterKey, masterSalt }) },
    offer: {
      profile: 'RTP/SAVP',
      payloadType,
      attributes: [...attributes, `a=crypto:1 ${suite} inline:${key.toString('base64')}`],
    },
  }
}
