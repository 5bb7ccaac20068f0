import type { HeaderDefinition } from './definition.ts'
import { SipParseError } from './errors.ts'
import { CallId, Contact, CSeq, From, To, Via } from './headers/core.ts'
import type { CSeqValue } from './headers/core.ts'
import type { Headers } from './headers.ts'
import type { NameAddr } from './name-addr.ts'
import { parseUri } from './uri.ts'
import type { Uri } from './uri.ts'
import type { Via as ViaValue } from './via.ts'

export const emptyBody: Uint8Array = new Uint8Array(0)

/**
 * What requests and responses share. The typed getters parse on first use and keep the result; they throw
 * `SipParseError` where the header is missing or malformed. The values are immutable: to change one, `set` it.
 */
abstract class Message {
  headers: Headers
  #body: Uint8Array
  /** Where the body is in `#body`; 0 and -1 once it is all of it. */
  #bodyStart = 0
  #bodyEnd = -1

  constructor(headers: Headers, body: Uint8Array) {
    this.headers = headers
    this.#body = body
  }

  /** For a received message a view of what was received, not a copy. */
  get body(): Uint8Array {
    if (this.#bodyEnd >= 0) {
      this.#body = this.#body.subarray(this.#bodyStart, this.#bodyEnd)
      this.#bodyEnd = -1
    }
    return this.#body
  }

  set body(body: Uint8Array) {
    this.#body = body
    this.#bodyEnd = -1
  }

  /** Takes its body from there, without making the view of it that nobody may ask for. */
  takeBody(bytes: Uint8Array, from: number, to: number): void {
    this.#body = bytes
    this.#bodyStart = from
    this.#bodyEnd = to
  }

  /** The topmost Via. */
  get via(): ViaValue {
    const vias = this.headers.first(Via)
    if (vias === undefined) throw missing('Via')
    return vias[0] as ViaValue
  }

  get vias(): readonly ViaValue[] {
    return this.headers.read(Via) ?? []
  }

  get from(): NameAddr {
    return this.#required(From)
  }

  get to(): NameAddr {
    return this.#required(To)
  }

  get callId(): string {
    return this.#required(CallId)
  }

  get cseq(): CSeqValue {
    return this.#required(CSeq)
  }

  /** Empty when there is no Contact. */
  get contacts(): readonly NameAddr[] | '*' {
    return this.headers.read(Contact) ?? []
  }

  /** `undefined` when the header is absent. */
  get<T>(definition: HeaderDefinition<T>): T | undefined {
    return this.headers.read(definition)
  }

  /** `undefined` takes the header away. */
  set<T>(definition: HeaderDefinition<T>, value: T | undefined): this {
    this.headers.write(definition, value)
    return this
  }

  /** Puts another topmost Via in the place of the one that is there. */
  replaceVia(via: ViaValue): void {
    const [, ...others] = this.headers.first(Via) ?? []
    this.headers.replaceFirst('Via', [[via, ...others].join(', ')])
  }

  #required<T>(definition: HeaderDefinition<T>): T {
    const value = this.headers.first(definition)
    if (value === undefined) throw missing(definition.name)
    return value
  }
}

function missing(header: string): SipParseError {
  return new SipParseError('the header is missing', { header, reasonPhrase: `Missing ${header} Header` })
}

export class SipRequest extends Message {
  readonly kind = 'request' as const
  method: string
  /** As written in the request line. */
  requestUri: string
  #uri: Uri | undefined
  #uriText: string | undefined

  constructor(method: string, requestUri: string, headers: Headers, body: Uint8Array = emptyBody) {
    super(headers, body)
    this.method = method
    this.requestUri = requestUri
    this.#uri = undefined
    this.#uriText = undefined
  }

  /** The Request-URI taken apart. */
  get uri(): Uri {
    if (this.#uri === undefined || this.#uriText !== this.requestUri) {
      this.#uri = parseUri(this.requestUri)
      this.#uriText = this.requestUri
    }
    return this.#uri
  }

  /** A copy that shares nothing mutable with this one but the octets of the body. */
  clone(): SipRequest {
    return new SipRequest(this.method, this.requestUri, this.headers.clone(), this.body)
  }
}

export class SipResponse extends Message {
  readonly kind = 'response' as const
  statusCode: number
  reasonPhrase: string

  constructor(statusCode: number, reasonPhrase: string, headers: Headers, body: Uint8Array = emptyBody) {
    super(headers, body)
    this.statusCode = statusCode
    this.reasonPhrase = reasonPhrase
  }

  clone(): SipResponse {
    return new SipResponse(this.statusCode, this.reasonPhrase, this.headers.clone(), this.body)
  }
}

export type SipMessage = SipRequest | SipResponse
