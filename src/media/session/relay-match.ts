import type { AudioCodec } from '../codec/codec.ts'
import { findCodec } from '../codec/codec.ts'
import type { NegotiatedAudio, NegotiatedCodec } from '../sdp/negotiated.ts'

/** A payload type that is not audio and has no counterpart: its packets stay here. */
export const NOT_RELAYED = -2
/** Audio that the other side cannot read as it is. */
export const UNREADABLE = -1

interface MustMatch {
  /** Parameters by which payloads differ; what a side leaves out has this value. */
  readonly [parameter: string]: string
}

/** Parameters that change what is in a payload, and not only what its sender is asked to do. */
const decisive: Readonly<Record<string, MustMatch>> = {
  // RFC 4867 §8.1
  amr: { 'octet-align': '0', crc: '0', 'robust-sorting': '0', interleaving: '', 'mode-set': '' },
  'amr-wb': { 'octet-align': '0', crc: '0', 'robust-sorting': '0', interleaving: '', 'mode-set': '' },
  // RFC 3952 §4.2: without it 30 ms
  ilbc: { mode: '30' },
  // 3GPP TS 26.445 annex A.3
  evs: { 'hf-only': '0', 'evs-mode-switch': '0' },
}

/**
 * The payload type each packet of `from` has towards `to`, by its own: `UNREADABLE` for audio that has to be transcoded, `NOT_RELAYED` for
 * what rides beside it and has no counterpart there. Only codecs of the RTP clock that `to` is sent are readable: one SSRC, one clock (RFC 7160).
 * `known`: what `from` may send, or could before: packets under way still have the former numbers (RFC 3264 §8.3.2).
 */
export function relayedTypes(
  from: NegotiatedAudio,
  to: NegotiatedAudio,
  known: ReadonlyMap<number, NegotiatedCodec> = from.receivePayloadTypes,
): Int16Array {
  const types = new Int16Array(128).fill(NOT_RELAYED)
  for (const [payloadType, codec] of known) {
    types[payloadType] = counterpart(codec, from, to)?.sendPayloadType ?? UNREADABLE
  }
  for (const [payloadType, clockRate] of from.comfortNoise ?? []) {
    for (const [theirs, rate] of to.comfortNoise ?? []) {
      if (rate === clockRate && clockRate === to.codec.clockRate) types[payloadType] = theirs
    }
  }
  const events = to.telephoneEvent
  for (const [payloadType, clockRate] of from.receiveTelephoneEvents) {
    types[payloadType] = events?.clockRate === clockRate ? events.sendPayloadType : NOT_RELAYED
  }
  return types
}

function counterpart(
  codec: NegotiatedCodec,
  from: NegotiatedAudio,
  to: NegotiatedAudio,
): NegotiatedCodec | undefined {
  if (codec.clockRate !== to.codec.clockRate) return undefined
  // The length of packets is a wish (RFC 8866 §6.4), the longest is not.
  if (to.maxptime !== undefined && from.ptime > to.maxptime) return undefined
  for (const candidate of [to.codec, ...to.receivePayloadTypes.values()]) {
    if (isAlike(codec, candidate)) return candidate
  }
  return undefined
}

function isAlike(a: NegotiatedCodec, b: NegotiatedCodec): boolean {
  const name = a.name.toLowerCase()
  if (name !== b.name.toLowerCase() || a.clockRate !== b.clockRate || a.channels !== b.channels) return false
  const rules = decisive[name]
  if (rules === undefined) return true
  const [left, right] = [parametersOf(a.fmtp), parametersOf(b.fmtp)]
  return Object.entries(rules).every(
    ([key, absent]) => (left.get(key) ?? absent) === (right.get(key) ?? absent),
  )
}

function parametersOf(fmtp: string | undefined): ReadonlyMap<string, string> {
  const parts = (fmtp ?? '').split(';').map(part => part.trim().split('='))
  return new Map(parts.map(([key = '', value = '']) => [key.toLowerCase(), value.trim().toLowerCase()]))
}

/** Whether PCM can be had of, and turned into, that codec. */
export function isDecodable(codecs: readonly AudioCodec[], codec: NegotiatedCodec): boolean {
  const found = findCodec(codecs, codec.name, codec.clockRate)
  return found !== undefined && found.passthrough !== true
}
