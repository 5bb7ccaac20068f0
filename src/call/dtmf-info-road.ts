import type { DigitSignalling } from '../media/session/digit-signalling.ts'
import type { MediaSession } from '../media/session/media-session.ts'
import type { IncomingRequest } from '../sip/dialog/session-types.ts'
import type { SipResponse } from '../sip/message/message.ts'
import { dtmfInfoTypes, readDtmfInfo, writeDtmfInfo } from './dtmf-info.ts'
import type { RequestOptions } from './requests.ts'

/** What is needed of a call. */
interface InfoCall {
  /** The peer's Allow names the method; undefined before it has said so. */
  peerAllows(method: string): boolean
  request(method: string, options: RequestOptions): Promise<SipResponse>
}

/** Digits by INFO in a call: as `application/dtmf-relay`, and as `application/dtmf` to who answers that with 415. */
export class InfoRoad implements DigitSignalling {
  readonly #call: InfoCall
  #type: 'application/dtmf-relay' | 'application/dtmf' = 'application/dtmf-relay'

  constructor(call: InfoCall) {
    this.#call = call
  }

  get available(): boolean {
    return this.#call.peerAllows('INFO')
  }

  async send(digit: string, durationMs: number): Promise<boolean> {
    let { statusCode } = await this.#request(digit, durationMs)
    if (statusCode === 415 && this.#type === 'application/dtmf-relay') {
      this.#type = 'application/dtmf'
      ;({ statusCode } = await this.#request(digit, durationMs))
    }
    return statusCode < 300
  }

  #request(digit: string, durationMs: number): Promise<SipResponse> {
    const contentType = this.#type
    const body = writeDtmfInfo(contentType, digit, durationMs)
    return this.#call.request('INFO', { body: { contentType, body } })
  }
}

/** Answers an INFO that brings digits, or anything else that nobody takes; false: it is none, or the rules of the method answer it. */
export function receiveDtmfInfo(incoming: IncomingRequest, media: MediaSession | undefined): boolean {
  const { request } = incoming
  const { headers, body } = request
  // A package of RFC 6086 is agreed on before it is sent; digits never were one.
  if (request.method !== 'INFO' || media === undefined || headers.has('Info-Package')) return false
  const info = readDtmfInfo(headers.get('Content-Type'), body)
  if (info !== undefined && 'statusCode' in info) {
    incoming.respond(info.statusCode, { reasonPhrase: info.reasonPhrase })
    return true
  }
  if (info !== undefined && media.digitFromSignalling(info.digit, info.durationMs)) {
    incoming.respond(200)
    return true
  }
  if (info !== undefined || body.length === 0) return false
  incoming.respond(415, { headers: [['Accept', dtmfInfoTypes.join(', ')]] })
  return true
}
