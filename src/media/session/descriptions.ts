import type { Random } from '../../runtime/runtime.ts'
import type { AudioCodec } from '../codec/codec.ts'
import type { MediaAddress, NegotiatedAudio } from '../sdp/negotiated.ts'
import { SdpNegotiator } from '../sdp/negotiator.ts'
import { writeSdp } from '../sdp/write.ts'
import { familyOf } from './addresses.ts'
import type { ResolvedDtmf } from './digit-roads.ts'
import { offersEvents } from './digit-roads.ts'
import { capabilitiesOf, checkAddress, chooseCodecs } from './offer-wishes.ts'
import type { OfferWishes } from './offer-wishes.ts'
import { rtcpOptions } from './rtcp-session.ts'
import { resolveSrtp } from './srtp-options.ts'
import type { MediaSessionOptions } from './types.ts'

export interface DescriptionsOptions extends Pick<
  MediaSessionOptions,
  'comfortNoise' | 'ptime' | 'rtcp' | 'srtp'
> {
  readonly codecs: readonly AudioCodec[]
  /** Where our RTP is received, as the peer is told. */
  readonly local: MediaAddress
  readonly dtmf: ResolvedDtmf
  readonly random: Random
}

/** What a session says of itself in SDP, and what comes of it. */
export class SessionDescriptions {
  readonly #options: DescriptionsOptions
  readonly #negotiator: SdpNegotiator

  constructor(options: DescriptionsOptions) {
    const { codecs, comfortNoise, local, ptime, dtmf, random } = options
    const crypto = resolveSrtp(options.srtp)
    this.#options = options
    this.#negotiator = new SdpNegotiator({
      random,
      capabilities: {
        codecs: capabilitiesOf(codecs, comfortNoise),
        ...local,
        rtcpMux: rtcpOptions(options.rtcp).mux ?? true,
        ...(ptime !== undefined && { ptime }),
        ...(crypto && { crypto }),
        ...(!offersEvents(dtmf) && { telephoneEventRates: [] }),
      },
    })
  }

  /** What is in force; `undefined` before the first agreement. */
  get agreed(): NegotiatedAudio | undefined {
    return this.#negotiator.audio
  }

  /** An offer with what is wished now; `accept` or `rollback` is next. */
  offer(wishes: OfferWishes): string {
    const { hold, codecs, address, rekey = false } = wishes
    const { codecs: known, comfortNoise } = this.#options
    return writeSdp(
      this.#negotiator.offer(
        {
          ...(hold !== undefined && { direction: hold ? 'sendonly' : 'sendrecv' }),
          ...(codecs !== undefined && { codecs: capabilitiesOf(chooseCodecs(codecs, known), comfortNoise) }),
          ...(address !== undefined && { address: checkAddress(address), family: familyOf(address) }),
        },
        { rekey },
      ),
    )
  }

  /** The first offer again, of plain RTP; `undefined` when it was not SRTP that was offered, or nothing else will do. */
  plainOffer(): string | undefined {
    const { crypto } = this.#negotiator.capabilities
    if (crypto?.mode !== 'optional' || crypto.offer === false || this.agreed !== undefined) return undefined
    this.#negotiator.rollback()
    return writeSdp(this.#negotiator.offer({ crypto: { ...crypto, offer: false } }))
  }

  /** @throws {SdpError} with the status to refuse the offer with; nothing has changed then */
  answer(offer: string | Uint8Array): { readonly text: string; readonly audio: NegotiatedAudio } {
    const { answer, audio } = this.#negotiator.answer(offer)
    return { text: writeSdp(answer), audio }
  }

  /** @throws {SdpError} nothing has changed then */
  accept(answer: string | Uint8Array): NegotiatedAudio {
    return this.#negotiator.accept(answer)
  }

  /** Takes back the last offer or answer; what was agreed before is in force again. Idempotent. */
  rollback(): void {
    this.#negotiator.rollback()
  }
}
