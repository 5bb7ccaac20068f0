import { OptionError } from '../../runtime/errors.ts'
import type { AudioCodec } from '../codec/codec.ts'
import { isNamed } from '../codec/codec.ts'
import type { CodecCapability } from '../sdp/capabilities.ts'
import { comfortNoiseBeside } from '../sdp/comfort-noise.ts'

/** What an offer is to change; what is not named stays as it is. */
export interface OfferWishes {
  /** Puts the peer on hold or takes it off once the answer came. */
  readonly hold?: boolean
  /** Codecs by their SDP name, in order of preference, of those the session was opened with. */
  readonly codecs?: readonly string[]
  /** Where the peer is to send its audio from now on: an address or a name that leads to our port. */
  readonly address?: string
  /** New keys for SRTP in place of those in use; without SRTP it changes nothing. */
  readonly rekey?: boolean
}

/** @throws OptionError */
export function checkAddress(address: string): string {
  if (/^[\w.:-]+$/.test(address)) return address
  throw new OptionError(
    'address',
    `"${address}" is not a host; give a name or an address, IPv6 without brackets`,
  )
}

/** @throws OptionError naming the codec and those there are */
export function chooseCodecs(names: readonly string[], known: readonly AudioCodec[]): readonly AudioCodec[] {
  if (names.length === 0) throw new OptionError('codecs', 'it is empty; name at least one codec')
  return names.map(name => {
    const codec = known.find(candidate => isNamed(candidate, name))
    if (codec !== undefined) return codec
    const there = known.map(candidate => candidate.name).join(', ')
    throw new OptionError('codecs', `${name} is none of those the call was opened with: ${there}`)
  })
}

/** The codecs as a description states them, with comfort noise (RFC 3389) behind them where it is wanted. */
export function capabilitiesOf(
  codecs: readonly AudioCodec[],
  comfortNoise: boolean = false,
): readonly CodecCapability[] {
  const voices = codecs.map((codec): CodecCapability => {
    const { name, clockRate, payloadType, fmtp, passthrough } = codec
    const channels = codec.rtpmapChannels ?? codec.channels
    return {
      name,
      clockRate,
      ...(channels > 1 && { channels }),
      ...(payloadType !== undefined && { payloadType }),
      ...(fmtp !== undefined && { fmtp }),
      ...(passthrough && { mirrored: true }),
    }
  })
  return comfortNoise ? [...voices, ...comfortNoiseBeside(codecs)] : voices
}
