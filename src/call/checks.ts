import { OptionError } from '../runtime/errors.ts'
import { canonicalName, idOf } from '../sip/message/names.ts'
import { NameAddr } from '../sip/message/name-addr.ts'
import { parseUri } from '../sip/message/uri.ts'
import type { HeaderList } from '../sip/dialog/session-types.ts'

/** Header fields the stack writes itself; a second one from outside would break the dialog. */
const ownHeaders: ReadonlySet<string> = new Set([
  'Via',
  'From',
  'To',
  'Call-ID',
  'CSeq',
  'Max-Forwards',
  'Contact',
  'Route',
  'Record-Route',
  'Content-Length',
  'Content-Type',
])

/** @throws OptionError naming the header that is not the caller's to set */
export function checkHeaders(headers: HeaderList | undefined, field = 'headers'): void {
  for (const [name] of headers ?? []) {
    const canonical = canonicalName(idOf(name))
    if (canonical !== undefined && ownHeaders.has(canonical)) {
      throw new OptionError(field, `${canonical} is written by Offhook itself; leave it out`)
    }
  }
}

/**
 * A URI or name-addr that somebody can be called at. The value itself is personal data and stays out of the message.
 * @throws OptionError naming the field
 */
export function parseTarget(value: unknown, field: string): NameAddr {
  if (typeof value !== 'string' || value === '') throw new OptionError(field, uriHint)
  let parsed: NameAddr
  let port: number | undefined
  try {
    // Without angle brackets, `;transport=tcp` would belong to the header and not to the URI (RFC 3261 §20.10).
    parsed = value.includes('<') ? NameAddr.parse(value) : new NameAddr({ uri: parseUri(value) })
    const { uri } = parsed
    if (uri.kind === 'sip') port = uri.port
  } catch (cause) {
    throw new OptionError(field, `${uriHint} (${(cause as Error).message})`, { cause })
  }
  if (port === 0) throw new OptionError(field, 'port 0 cannot be called; leave the port out for 5060')
  if (parsed.uri.kind !== 'sip') {
    throw new OptionError(field, 'only sip: URIs can be called; give sip:NUMBER@TRUNK for a telephone number')
  }
  return parsed
}

const uriHint = 'give a SIP URI, for example sip:echo@127.0.0.1:5060'
