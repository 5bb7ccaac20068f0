import type { HeaderDefinition } from './definition.ts'
import { SipParseError } from './errors.ts'
import { ReferTo, ReplyTo } from './headers/addresses.ts'
import { ContentType, ProxyRequire, Require } from './headers/capabilities.ts'
import { CallId, Contact, CSeq, From, MaxForwards, RecordRoute, Route, To, Via } from './headers/core.ts'
import { Event, Expires, MinExpires, MinSe, RAck, Replaces, RSeq, SessionExpires } from './headers/session.ts'
import type { SipMessage, SipRequest } from './message.ts'
import type { NameAddr } from './name-addr.ts'
import { answerable } from './parser.ts'

type AddressDefinition = HeaderDefinition<NameAddr | readonly NameAddr[] | '*'>

interface Rule {
  definition: HeaderDefinition<unknown>
  /** Must be there, in requests and responses (RFC 3261 §8.1.1). Max-Forwards is not: RFC 2543 did not have it. */
  mandatory?: true
  /** May stand on one line only. */
  once?: true
  /** The URIs in it must be good too: somebody will send to them. */
  uris?: true
  /** Only looked at in requests with this method. */
  method?: string
}

/**
 * What is looked at before anybody acts on a message: the headers that route and match it, and those where RFC 4475
 * asks for a 400. Other headers are read when somebody needs them; a fault there is the reader's to judge (RFC 3261
 * §8.2: malformed headers that are not necessary are ignored), a bad Date or Warning for example.
 */
const rules: readonly Rule[] = [
  { definition: Via, mandatory: true },
  { definition: From, mandatory: true, once: true, uris: true },
  { definition: To, mandatory: true, once: true, uris: true },
  { definition: CallId, mandatory: true, once: true },
  { definition: CSeq, mandatory: true, once: true },
  { definition: MaxForwards, once: true },
  { definition: Contact, uris: true },
  { definition: Route, uris: true },
  { definition: RecordRoute, uris: true },
  { definition: Require },
  { definition: ProxyRequire },
  { definition: ContentType, once: true },
  { definition: Expires, once: true },
  { definition: MinExpires, once: true },
  { definition: SessionExpires, once: true },
  { definition: MinSe, once: true },
  { definition: RSeq, once: true },
  { definition: RAck, once: true, method: 'PRACK' },
  { definition: Event, once: true },
  { definition: ReferTo, once: true, uris: true, method: 'REFER' },
  { definition: Replaces, once: true, method: 'INVITE' },
  { definition: ReplyTo, once: true },
]

/** How many lines the message under check has of each header: few messages have more than a few of the rules' headers. */
const lineCounts = new Uint16Array(128)

/**
 * Looks at everything that must be right before a message is acted on (RFC 3261 §8.1.1, §8.1.3, §8.2, RFC 4475).
 * Returns what is wrong: a request is to be answered with `error.statusCode`, if there is an `error.partial` to
 * answer; a response is to be dropped. The unknown (methods, schemes, extensions, media types) passes: 501, 416, 420
 * and 415 belong to the user agent, which knows what is supported.
 */
export function checkMessage(message: SipMessage): SipParseError | undefined {
  try {
    if (message.kind === 'request') checkRequestUri(message)
    message.headers.checkLineBreaks()
    message.headers.countLines(lineCounts)
    // A refusal is one whatever else is wrong with it: dropped, it would leave the caller to wait for Timer B.
    const refusal = message.kind === 'response' && message.statusCode >= 300
    for (const rule of rules) {
      if (refusal && rule.mandatory !== true) continue
      const count = lineCounts[rule.definition.id] as number
      if (count > 0 || rule.mandatory === true) apply(rule, message, count)
    }
    if (message.kind === 'request') checkMethod(message)
    return undefined
  } catch (error) {
    if (!(error instanceof SipParseError)) throw error
    if (message.kind === 'response') return error
    return error.with({ partial: answerable(message) })
  }
}

/** As `checkMessage`, for a request. */
export function checkRequest(request: SipRequest): SipParseError | undefined {
  return checkMessage(request)
}

function checkRequestUri(request: SipRequest): void {
  try {
    const { uri } = request
    // RFC 3261 §19.1.1 has no headers in a Request-URI: nobody says what they should do there.
    if (uri.kind === 'sip' && uri.rawHeaders !== '') throw new SipParseError('headers in the Request-URI')
  } catch (error) {
    if (!(error instanceof SipParseError)) throw error
    throw error.with({ offset: request.method.length + 1 + error.offset, reasonPhrase: 'Bad Request-URI' })
  }
}

function apply(rule: Rule, message: SipMessage, count: number): void {
  const { definition } = rule
  if (rule.method !== undefined && message.kind === 'request' && message.method !== rule.method) return
  const { headers } = message
  if (count === 0) {
    throw new SipParseError('the header is missing', {
      header: definition.name,
      reasonPhrase: `Missing ${definition.name} Header`,
    })
  }
  if (count > 1) {
    // What several lines make together may be wrong too: an asterisk among Contacts.
    headers.read(definition)
    if (rule.once === true) {
      throw new SipParseError('the header may stand once only', {
        header: definition.name,
        reasonPhrase: `Repeated ${definition.name} Header`,
      })
    }
  }
  for (const field of headers.linesOf(definition)) {
    field.parse(definition)
    if (rule.uris === true) field.checkUris(definition as AddressDefinition)
  }
}

function checkMethod(request: SipRequest): void {
  const { method } = request.cseq
  if (method === request.method) return
  throw new SipParseError(`the method is ${method}, that of the request ${request.method}`, {
    header: 'CSeq',
    reasonPhrase: 'CSeq Method Mismatch',
  })
}
