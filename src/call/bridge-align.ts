import { SipError } from '../runtime/errors.ts'
import type { AudioCodec } from '../media/codec/codec.ts'
import { isNamed } from '../media/codec/codec.ts'
import { isDecodable, relayedTypes } from '../media/session/relay-match.ts'
import type { MediaSession } from '../media/session/media-session.ts'
import type { Call } from './call.ts'

interface Side {
  readonly call: Call
  readonly media: MediaSession
}

/**
 * Makes two calls understand each other where one speaks a codec that can only be passed on: the other is asked for the same codec, or this one
 * for another. What goes together is left alone.
 * @throws SipError SIP_MEDIA when nothing does
 */
export async function align(a: Side, b: Side): Promise<void> {
  if (fits(a.media, b.media)) return
  for (const [one, other] of [
    [a, b],
    [b, a],
  ] as const) {
    if (!one.media.passthrough) continue
    const { name, clockRate } = one.media.codec
    const same = other.media.codecs.find(codec => isNamed(codec, `${name}/${clockRate}`))
    if (same !== undefined && (await change(other, [same])) && fits(a.media, b.media)) return
    const decodable = one.media.codecs.filter(codec => codec.passthrough !== true)
    if (decodable.length > 0 && (await change(one, decodable)) && fits(a.media, b.media)) return
  }
  throw new SipError(
    'SIP_MEDIA',
    `${a.media.codec.name} and ${b.media.codec.name} cannot be bridged: what is only passed on must be the same on both sides; ` +
      'place the second call with codecs: bridgeCodecs(first), or give both a codec that can be decoded',
  )
}

/** Both directions go, one way or the other. */
function fits(a: MediaSession, b: MediaSession): boolean {
  return carries(a, b) && carries(b, a)
}

function carries(from: MediaSession, to: MediaSession): boolean {
  const [heard, said] = [from.negotiated, to.negotiated]
  if (heard === undefined || said === undefined) return false
  const { receivePayloadType } = heard.codec
  if ((relayedTypes(heard, said)[receivePayloadType] as number) >= 0) return true
  return isDecodable(from.codecs, heard.codec) && isDecodable(to.codecs, said.codec)
}

async function change({ call }: Side, codecs: readonly AudioCodec[]): Promise<boolean> {
  try {
    await call.renegotiate({ codecs: codecs.map(({ name, clockRate }) => `${name}/${clockRate}`) })
    return true
  } catch (error) {
    if (call.endedValue !== undefined) throw error
    return false
  }
}
