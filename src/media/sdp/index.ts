export type { CodecCapability, CryptoCapability, LocalCapabilities } from './capabilities.ts'
export { readCrypto } from './crypto.ts'
export type { CryptoKey, CryptoLine, CryptoProblem, CryptoSuite } from './crypto.ts'
export type { NegotiatedCrypto } from './crypto-negotiation.ts'
export type * from './description.ts'
export { SdpError } from './error.ts'
export type { SdpWarning } from './error.ts'
export type {
  MediaAddress,
  NegotiatedAudio,
  NegotiatedCodec,
  NegotiatedTelephoneEvent,
} from './negotiated.ts'
export { SdpNegotiator } from './negotiator.ts'
export type { OfferKeys, SdpNegotiatorOptions } from './negotiator.ts'
export { applyAnswer, createAnswer, createOffer } from './offer-answer.ts'
export type { LocalOrigin } from './local-description.ts'
export type { AnswerContext, Answered, OfferContext } from './offer-answer.ts'
export { defaultSdpLimits, parseSdp } from './parse.ts'
export type { SdpLimits } from './parse.ts'
export { writeSdp } from './write.ts'
