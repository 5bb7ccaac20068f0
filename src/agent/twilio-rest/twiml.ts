import { EventBodyError } from '../../sip/events/body-error.ts'
import { readXml } from '../../sip/events/xml.ts'
import type { XmlElement } from '../../sip/events/xml.ts'
import { parseUri } from '../../sip/message/uri.ts'
import { RestError } from './rest-error.ts'

/** What of TwiML is understood. */
export type TwimlVerb =
  | { readonly verb: 'dial'; readonly targets: readonly string[] }
  /** Keys to press: `w` waits half a second. */
  | { readonly verb: 'play'; readonly digits: string }
  | { readonly verb: 'say'; readonly text: string }
  | { readonly verb: 'pause'; readonly seconds: number }
  | { readonly verb: 'hangup' }

/** Twilio takes 4,000 characters in a request. */
const MAX_CHARACTERS = 4000
const MAX_VERBS = 32

/** The verbs of a document. What is not understood is refused whole, before anything is done. @throws RestError */
export function readTwiml(text: string): readonly TwimlVerb[] {
  if (text.length > MAX_CHARACTERS)
    throw new RestError(21623, `Twiml is longer than ${MAX_CHARACTERS} characters`)
  let root: XmlElement
  try {
    root = readXml(Buffer.from(text))
  } catch (error) {
    if (!(error instanceof EventBodyError)) throw error
    throw new RestError(12100, `Twiml cannot be read: ${error.message}`)
  }
  if (root.name !== 'Response')
    throw new RestError(12100, `Twiml begins with <${root.name}>, not with <Response>`)
  if (root.children.length > MAX_VERBS) throw new RestError(12200, `Twiml has more than ${MAX_VERBS} verbs`)
  return root.children.map(element => {
    const read = Object.hasOwn(VERBS, element.name) ? VERBS[element.name] : undefined
    if (read !== undefined) return read(element)
    const known = Object.keys(VERBS).join('>, <')
    throw new RestError(12200, `<${element.name}> is not understood here; there are <${known}>`)
  })
}

const VERBS: Readonly<Record<string, (element: XmlElement) => TwimlVerb>> = {
  Dial: readDial,
  Play: ({ attributes, text }) => {
    const digits = attributes.get('digits') ?? ''
    if (/^[0-9*#wWA-D]{1,64}$/.test(digits)) return { verb: 'play', digits: digits.replaceAll('W', 'ww') }
    const what = text.trim() === '' ? 'digits that are none' : 'an URL'
    throw new RestError(12200, `<Play> of ${what} is not understood here; give digits="1w2#"`)
  },
  Say: ({ text, children }) => {
    // Left out in silence, the words inside would not be heard.
    const [inner] = children
    if (inner !== undefined)
      throw new RestError(12200, `<Say><${inner.name}> is not understood here; give text without SSML`)
    if (text.trim() === '') throw new RestError(12200, '<Say> holds no text')
    return { verb: 'say', text: text.trim() }
  },
  Pause: ({ attributes }) => {
    const seconds = Number(attributes.get('length') ?? '1')
    if (!(seconds >= 0 && seconds <= 3600))
      throw new RestError(12200, '<Pause length> is no count of seconds')
    return { verb: 'pause', seconds }
  },
  Hangup: () => ({ verb: 'hangup' }),
}

/** Several nouns are tried one after the other here; Twilio rings them together. */
function readDial({ text, children }: XmlElement): TwimlVerb {
  const nouns = children.map(({ name, text: target }) => {
    if (name !== 'Number' && name !== 'Sip') {
      throw new RestError(12200, `<Dial><${name}> is not understood here; there are <Number> and <Sip>`)
    }
    return targetOf(target.trim(), name)
  })
  const targets = nouns.length > 0 ? nouns : [targetOf(text.trim(), 'Number')]
  return { verb: 'dial', targets }
}

function targetOf(text: string, noun: 'Number' | 'Sip'): string {
  if (noun === 'Sip') {
    const uri = /^sips?:/i.test(text) ? text : `sip:${text}`
    if (/^sips?:[^\s<>"@]+@[^\s<>"@]+$/i.test(uri) && isUri(uri)) return uri
    throw new RestError(13224, '<Dial><Sip> holds no SIP URI; give sip:user@host')
  }
  const digits = text.replaceAll(/[\s().-]/g, '')
  if (/^\+?[0-9*#]{2,32}$/.test(digits)) return digits
  throw new RestError(13223, '<Dial> holds no number; give +15550100, or <Sip>sip:user@host</Sip>')
}

function isUri(text: string): boolean {
  try {
    parseUri(text)
    return true
  } catch {
    return false
  }
}
