import { isNamed } from '../media/codec/codec.ts'
import type { AudioCodec } from '../media/codec/codec.ts'
import { PASSTHROUGH_PREFIX, canPassThrough } from '../media/codec/passthrough.ts'
import { parseSdp } from '../media/sdp/parse.ts'
import type { MediaSession } from '../media/session/media-session.ts'
import type { SessionBody } from '../sip/dialog/session-types.ts'
import { SipError } from '../runtime/errors.ts'
import type { Call } from './call.ts'
import type { CodecName } from './options.ts'
import { sdpText } from './sdp-body.ts'

/** What a bridge has to know of a call. */
export interface Bridgeable {
  /** Undefined before there is audio. */
  readonly media: MediaSession | undefined
  readonly confirmed: boolean
  /** What the INVITE of an incoming call offers. */
  readonly offered: SessionBody | undefined
  readonly endpointCodecs: readonly CodecName[]
}

/**
 * Codecs for a call that is to be bridged to this one, so that as much as can be goes through untouched: the codec in use first, then what
 * else was agreed on, then what the call could change to. Of a call that has no audio yet: what its offer has of the endpoint's codecs, and those
 * that can only be passed on, in the order of the offer. Pass it as `codecs` to `endpoint.call()` or `answer()`.
 * @throws SipError SIP_STATE the call has neither audio nor an offer
 */
export function bridgeCodecs(call: Call): readonly CodecName[] {
  const { media, offered, endpointCodecs } = call.bridgeable
  const audio = media?.negotiated
  if (media !== undefined && audio !== undefined) {
    const used = [audio.codec, ...audio.receivePayloadTypes.values()]
    const agreed = used.map(({ name, clockRate, fmtp }) => {
      const codec = media.codecs.find(known => isNamed(known, `${name}/${clockRate}`))
      return codec && nameOf(codec, fmtp)
    })
    const known = media.codecs.map(codec => nameOf(codec, codec.fmtp))
    return distinct([...agreed.filter(name => name !== undefined), ...known])
  }
  if (offered === undefined) {
    throw new SipError('SIP_STATE', 'the call has neither audio nor an offer yet; answer it first')
  }
  const names = parseSdp(sdpText(offered))
    .media.filter(line => line.kind === 'audio')
    .flatMap(line => line.payloads)
    .map(({ name, clockRate, fmtp }) => {
      const own = endpointCodecs.find(candidate => isNameOf(candidate, name, clockRate))
      return own ?? (canPassThrough(name, clockRate) ? marked(name, fmtp) : undefined)
    })
  const found = distinct(names.filter(name => name !== undefined))
  return found.length > 0 ? found : endpointCodecs
}

/** The name by which `codecs` takes it. */
function nameOf(codec: AudioCodec, fmtp: string | undefined): CodecName {
  if (codec.passthrough === true) return marked(codec.name, fmtp)
  return codec.name === 'L16' ? `L16/${codec.clockRate}` : codec.name
}

function marked(name: string, fmtp: string | undefined): CodecName {
  return `${PASSTHROUGH_PREFIX}${name}${fmtp === undefined || fmtp === '' ? '' : `;${fmtp}`}`
}

function isNameOf(candidate: CodecName, name: string, clockRate: number): boolean {
  const wanted = candidate.toLowerCase()
  return wanted === name.toLowerCase() || wanted === `${name}/${clockRate}`.toLowerCase()
}

/** Each codec once, whatever its parameters. */
function distinct(names: readonly CodecName[]): CodecName[] {
  const seen = new Set<string>()
  return names.filter(name => {
    const key = (name.split(';')[0] ?? '').toLowerCase()
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}
