import { SipError } from '../../runtime/errors.ts'
import type { Random } from '../../runtime/runtime.ts'
import type { LocalCapabilities } from './capabilities.ts'
import { type CryptoInForce, CryptoKeys, type LocalCrypto } from './crypto-negotiation.ts'
import type { SessionDescription } from './description.ts'
import type { LocalOrigin } from './local-description.ts'
import { type CodecKey, codecKey } from './matching.ts'
import type { NegotiatedAudio } from './negotiated.ts'
import { type Answered, applyAnswer, createAnswer, createOffer } from './offer-answer.ts'
import { type SdpLimits, parseSdp } from './parse.ts'
import { writeSdp } from './write.ts'

export interface SdpNegotiatorOptions {
  readonly capabilities: LocalCapabilities
  /** For the session id of `o=`. */
  readonly random: Random
  /** The user name of `o=`; default `-`. */
  readonly username?: string
  /** Whose order of codecs counts in our answers; default the peer's. */
  readonly prefer?: 'remote' | 'local'
  /** Whether our answers keep all common codecs (default) or the first alone. */
  readonly answerCodecs?: 'all' | 'first'
  readonly limits?: Partial<SdpLimits>
}

/** About the keys of an offer. */
export interface OfferKeys {
  readonly rekey?: boolean
}

/** What both ends hold to now. */
interface Agreed {
  readonly local: SessionDescription
  readonly remote: SessionDescription
  readonly audio: NegotiatedAudio
  /** Our `a=crypto` lines of that exchange. */
  readonly crypto: readonly LocalCrypto[]
}

interface State {
  readonly wish: LocalCapabilities
  readonly agreed: Agreed | undefined
}

interface Offered {
  readonly description: SessionDescription
  readonly wish: LocalCapabilities
  readonly crypto: readonly LocalCrypto[]
  /** False once an answer was taken; another may still come, when the first was a preview in a provisional response. */
  pending: boolean
}

/**
 * The offer/answer state of one session (RFC 3264): keeps the version of `o=`, the places of the `m=` lines and the payload
 * types through any number of exchanges. Pure; which message carries what is the business of the caller.
 */
export class SdpNegotiator {
  readonly #options: SdpNegotiatorOptions
  readonly #sessionId: string
  #state: State
  #undo: State | undefined
  #offered: Offered | undefined
  #version = 0
  #lastSent: SessionDescription | undefined
  readonly #payloadTypes = new Map<number, CodecKey>()
  readonly #keys: CryptoKeys

  constructor(options: SdpNegotiatorOptions) {
    this.#options = options
    this.#keys = new CryptoKeys(options.random)
    // 31 bits: some peers keep it in a signed integer of 32.
    this.#sessionId = String(options.random.uint32() >>> 1)
    this.#state = { wish: options.capabilities, agreed: undefined }
  }

  /** Our side of what is agreed. */
  get local(): SessionDescription | undefined {
    return this.#state.agreed?.local
  }

  /** The peer's side of what is agreed. */
  get remote(): SessionDescription | undefined {
    return this.#state.agreed?.remote
  }

  get audio(): NegotiatedAudio | undefined {
    return this.#state.agreed?.audio
  }

  /** What we wish as things stand; an offer in flight does not count. */
  get capabilities(): LocalCapabilities {
    return this.#state.wish
  }

  /** An offer of ours is out and unanswered. */
  get offerPending(): boolean {
    return this.#offered?.pending ?? false
  }

  /**
   * An offer: the first, or a later one that changes what `changes` says (`{ direction: 'sendonly' }` holds,
   * `{ direction: 'sendrecv' }` resumes). The direction is a wish that stays until the next change: what goes out is what the peer's own
   * hold leaves of it. One that changes nothing is the very description sent last, version and all. `rekey` offers new keys for SRTP in place
   * of those in use.
   *
   * @throws SipError `SIP_STATE` while an earlier offer is unanswered.
   */
  offer(changes: Partial<LocalCapabilities> = {}, { rekey = false }: OfferKeys = {}): SessionDescription {
    this.#refuseWhilePending('make an offer')
    const { agreed } = this.#state
    const wish = { ...this.#state.wish, ...changes }
    const crypto = this.#cryptoOffer(wish, rekey)
    const draft = createOffer(wish, {
      origin: this.#origin(),
      crypto,
      payloadTypes: this.#payloadTypes,
      ...(agreed && {
        previous: agreed.local,
        mediaIndex: agreed.audio.mediaIndex,
        // Who names codecs anew means to change the one in use.
        ...(changes.codecs === undefined && { codecInUse: agreed.audio.codec }),
        remoteHold: agreed.audio.remoteHold,
      }),
    })
    const description = this.#send(draft)
    this.#undo = this.#state
    this.#offered = { description, wish, crypto, pending: true }
    return description
  }

  /**
   * Answers an offer of the peer, the first or a later one, and holds to the result.
   *
   * @throws SdpError 400 or 488; nothing has changed then.
   * @throws SipError `SIP_STATE` while an offer of ours is unanswered (glare: the request that brought this one gets 491).
   */
  answer(
    offer: SessionDescription | string | Uint8Array,
    changes: Partial<LocalCapabilities> = {},
  ): Answered {
    this.#refuseWhilePending('answer an offer')
    const remote = this.#read(offer)
    const { agreed } = this.#state
    const { prefer, answerCodecs } = this.#options
    const wish = { ...this.#state.wish, ...changes }
    const {
      answer: draft,
      audio,
      crypto,
    } = createAnswer(remote, wish, {
      origin: this.#origin(),
      crypto: chosen => this.#keys.answer(chosen, this.#inForce),
      ...(agreed && { mediaIndex: agreed.audio.mediaIndex }),
      ...(prefer && { prefer }),
      ...(answerCodecs && { answerCodecs }),
    })
    const answer = this.#send(draft)
    this.#remember(remote)
    this.#undo = this.#state
    this.#offered = undefined
    this.#state = { wish, agreed: { local: answer, remote, audio, crypto: crypto ? [crypto] : [] } }
    return { answer, audio }
  }

  /**
   * Takes the answer to our offer. May be called again with another answer to the same offer, as when a provisional
   * response showed a preview of the one in the 200.
   *
   * @throws SdpError 400 or 488: what was agreed before still holds; call `rollback()`, or end the session.
   * @throws SipError `SIP_STATE` when no offer was made.
   */
  accept(answer: SessionDescription | string | Uint8Array): NegotiatedAudio {
    const offered = this.#offered
    if (!offered)
      throw new SipError(
        'SIP_STATE',
        'An SDP answer came without an offer of ours; ignore it or end the call',
      )
    const remote = this.#read(answer)
    const audio = applyAnswer(
      offered.description,
      remote,
      offered.wish,
      this.#state.agreed?.audio.remoteHold ?? false,
      offered.crypto,
    )
    this.#remember(remote)
    offered.pending = false
    const { description: local, wish, crypto } = offered
    this.#state = { wish, agreed: { local, remote, audio, crypto } }
    return audio
  }

  /**
   * Takes back the last offer or answer: the request that carried it failed, and the session goes on as it was before
   * (RFC 3261 §14.1). Idempotent.
   */
  rollback(): void {
    if (this.#undo) this.#state = this.#undo
    this.#undo = undefined
    this.#offered = undefined
  }

  get #inForce(): CryptoInForce | undefined {
    const { agreed } = this.#state
    return agreed?.audio.crypto && { agreed: agreed.audio.crypto, lines: agreed.crypto }
  }

  /** A stream once agreed on keeps its protection, or the lack of it. */
  #cryptoOffer({ crypto }: LocalCapabilities, rekey: boolean): readonly LocalCrypto[] {
    const { agreed } = this.#state
    const offers = agreed === undefined ? crypto?.offer !== false : agreed.audio.crypto !== undefined
    return crypto !== undefined && offers ? this.#keys.offer(crypto, this.#inForce, rekey) : []
  }

  #read(description: SessionDescription | string | Uint8Array): SessionDescription {
    return typeof description === 'string' || description instanceof Uint8Array
      ? parseSdp(description, this.#options.limits)
      : description
  }

  #origin(): LocalOrigin {
    return {
      username: this.#options.username ?? '-',
      sessionId: this.#sessionId,
      version: String(this.#version),
    }
  }

  /** The version grows by one with every change (RFC 3264 §8) and never goes back, not even when an exchange failed. */
  #send(draft: SessionDescription): SessionDescription {
    const unchanged = this.#lastSent !== undefined && writeSdp(this.#lastSent) === writeSdp(draft)
    if (!unchanged) this.#version += 1
    const sent = { ...draft, origin: { ...draft.origin, version: String(this.#version) } }
    this.#lastSent = sent
    this.#remember(sent)
    return sent
  }

  /** Bounded by the 128 payload types there are. */
  #remember({ media }: SessionDescription): void {
    for (const line of media)
      for (const payload of line.payloads) this.#payloadTypes.set(payload.payloadType, codecKey(payload))
  }

  #refuseWhilePending(what: string): void {
    if (this.offerPending)
      throw new SipError(
        'SIP_STATE',
        `Cannot ${what}: an earlier offer is unanswered; wait for its answer, or call rollback() if its request failed`,
      )
  }
}
