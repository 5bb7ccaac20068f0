import { TOKEN, URI_PARAM, skip } from './chars.ts'
import { SipParseError } from './errors.ts'
import { Params } from './params.ts'
import type { ParamValue } from './params.ts'
import type { Uri } from './uri.ts'

const digitsOnly = /^(?:\+[0-9().-]*[0-9][0-9().-]*|[0-9A-Fa-f*#().-]*[0-9A-Fa-f*#][0-9A-Fa-f*#().-]*)$/

/** A telephone number (RFC 3966), immutable. */
export class TelUri {
  readonly kind = 'tel' as const
  readonly scheme = 'tel' as const
  /** As written, visual separators and a leading `+` included. */
  readonly subscriber: string
  readonly params: Params
  readonly #text: string | undefined

  constructor(subscriber: string, params: Params = Params.emptyUri, text?: string) {
    if (!digitsOnly.test(subscriber)) throw new SipParseError('not a telephone number', { offset: 4 })
    this.subscriber = subscriber
    this.params = params
    this.#text = text
  }

  /** @throws SipParseError for what is no tel URI */
  static parse(this: void, text: string): TelUri {
    const semicolon = text.indexOf(';')
    const end = semicolon < 0 ? text.length : semicolon
    return new TelUri(text.slice(4, end), scanTelParams(text, end), text)
  }

  /** Begins with `+`: unique in the world. */
  get global(): boolean {
    return this.subscriber.startsWith('+')
  }

  /** Without visual separators. */
  get number(): string {
    return this.subscriber.replace(/[().-]/g, '')
  }

  /** RFC 3966 §4: visual separators, letter case and the order of parameters do not count. */
  equals(other: Uri): boolean {
    if (other.kind !== 'tel' || this.number.toLowerCase() !== other.number.toLowerCase()) return false
    if (this.params.size !== other.params.size) return false
    for (const [name, value] of this.params) {
      const match = other.params.get(name)
      if (match === undefined || comparable(name, match) !== comparable(name, value)) return false
    }
    return true
  }

  toString(): string {
    return this.#text ?? `tel:${this.subscriber}${this.params.toString()}`
  }
}

function comparable(name: string, value: ParamValue): ParamValue {
  if (value === true) return true
  const lower = value.toLowerCase()
  const isNumber = name.toLowerCase() === 'ext' || lower.startsWith('+')
  return isNumber ? lower.replace(/[().-]/g, '') : lower
}

function scanTelParams(text: string, from: number): Params {
  const flat: ParamValue[] = []
  let at = from
  while (at < text.length) {
    const nameEnd = skip(text, at + 1, text.length, TOKEN)
    if (text.charCodeAt(at) !== 59 || nameEnd === at + 1) {
      throw new SipParseError('expected ";" and a parameter', { offset: at })
    }
    flat.push(text.slice(at + 1, nameEnd))
    at = nameEnd
    if (text.charCodeAt(at) !== 61) {
      flat.push(true)
      continue
    }
    let valueEnd = at + 1
    for (;;) {
      valueEnd = skip(text, valueEnd, text.length, URI_PARAM)
      if (text.charCodeAt(valueEnd) !== 37) break
      valueEnd++
    }
    if (valueEnd === at + 1) throw new SipParseError('the parameter is empty', { offset: at })
    flat.push(text.slice(at + 1, valueEnd))
    at = valueEnd
  }
  return Params.rawUri(flat)
}

/** A tel URI from the user part of a SIP URI, if that is a telephone-subscriber. */
export function telFromSubscriber(user: string): TelUri | undefined {
  const semicolon = user.indexOf(';')
  const number = semicolon < 0 ? user : user.slice(0, semicolon)
  if (!digitsOnly.test(number)) return undefined
  try {
    return TelUri.parse(`tel:${user}`)
  } catch {
    return undefined
  }
}
