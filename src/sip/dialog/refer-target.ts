/** Refer-To, written and read (RFC 3515 §2.1, RFC 3261 §19.1.5, RFC 3891 §6.1). */
import { OptionError } from '../../runtime/errors.ts'
import { canonicalName, idOf } from '../message/names.ts'
import { ReferredBy, ReferTo } from '../message/headers/addresses.ts'
import type { DialogReference } from '../message/headers/session.ts'
import { ReferSub, Replaces } from '../message/headers/session.ts'
import type { SipRequest } from '../message/message.ts'
import { NameAddr } from '../message/name-addr.ts'
import type { Refusal } from './core-types.ts'

/**
 * The value of a Refer-To: the address with the headers, and the Replaces of an attended transfer, escaped into its URI.
 * @throws OptionError a tel: URI cannot carry them
 */
export function writeReferTo(
  target: NameAddr,
  headers: readonly (readonly [name: string, value: string])[],
  replaces?: DialogReference,
): string {
  const embedded = [...headers]
  if (replaces !== undefined) {
    for (const value of Replaces.write(replaces)) embedded.push(['Replaces', value])
  }
  const { uri, displayName } = target
  if (embedded.length === 0) return new NameAddr({ displayName, uri }).toString()
  if (uri.kind !== 'sip') {
    throw new OptionError(
      'targetHeaders',
      'only a sip: URI can carry headers; give sip:NUMBER@HOST instead of tel:NUMBER',
    )
  }
  return new NameAddr({
    displayName,
    uri: uri.with({ headers: [...uri.headers, ...embedded] }),
  }).toString()
}

/** What a REFER asks for. */
export interface ReferOrder {
  /** Whom to call: without the headers in its URI. */
  readonly target: NameAddr
  readonly referredBy: NameAddr | undefined
  /** The call at the target that the new one takes the place of: an attended transfer. */
  readonly replaces: DialogReference | undefined
  /** The other headers in the URI, as they came; which of them are put into the INVITE is another question. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** False: `Refer-Sub: false`, no NOTIFY is wanted (RFC 4488 §4). */
  readonly notify: boolean
}

const schemes: ReadonlySet<string> = new Set(['sip', 'sips', 'tel'])

/** What a REFER asks for, or the status it is refused with. */
export function readRefer(refer: SipRequest): ReferOrder | Refusal {
  // RFC 3515 §2.4.2: exactly one.
  const count = refer.headers.getAll('Refer-To').length
  if (count !== 1) return bad(count === 0 ? 'Missing Refer-To' : 'More Than One Refer-To')
  try {
    const address = refer.get(ReferTo)
    if (address === undefined) return bad('Missing Refer-To')
    const { uri } = address
    if (uri.kind === 'other' || !schemes.has(uri.kind === 'sip' ? uri.scheme : uri.kind)) {
      return { statusCode: 416 }
    }
    const referredBy = refer.get(ReferredBy)
    void referredBy?.uri
    const notify = refer.get(ReferSub)?.value.toLowerCase() !== 'false'
    if (uri.kind === 'tel') {
      return { target: new NameAddr({ uri }), referredBy, replaces: undefined, headers: [], notify }
    }
    const method = uri.params.value('method')
    // §2.4.2 lets a REFER ask for any request; calls are all that is placed here.
    if (method !== undefined && method.toUpperCase() !== 'INVITE') return { statusCode: 603 }
    const replaced = uri.headers.filter(isReplaces)
    if (replaced.length > 1) return bad('More Than One Replaces') // RFC 3891 §3
    const [first] = replaced
    return {
      target: new NameAddr({
        displayName: address.displayName,
        uri: uri.with({ headers: undefined }).withoutParam('method'),
      }),
      referredBy,
      replaces: first === undefined ? undefined : Replaces.parse(first[1]),
      headers: uri.headers.filter(header => !isReplaces(header)),
      notify,
    }
  } catch {
    return bad('Bad Refer-To')
  }
}

function isReplaces([name]: readonly [name: string, value: string]): boolean {
  return canonicalName(idOf(name)) === 'Replaces'
}

function bad(reasonPhrase: string): Refusal {
  return { statusCode: 400, reasonPhrase }
}

/**
 * Headers a Refer-To may put into our INVITE. RFC 3261 §19.1.5 names those that must not be honoured; whoever asks for a transfer has even less
 * business with who we say we are or how we are paid, so that the list says what may, not what must not.
 */
const honoured: ReadonlySet<string> = new Set([
  'User-to-User',
  'Subject',
  'Reason',
  'Priority',
  'Call-Info',
  'In-Reply-To',
  'Target-Dialog',
])

/** Those of the headers that an INVITE may take over; headers that begin with `X-` are the peers' own. */
export function honouredHeaders(
  headers: ReferOrder['headers'],
): readonly (readonly [name: string, value: string])[] {
  return headers.filter(([name, value]) => {
    const canonical = canonicalName(idOf(name))
    const wanted = canonical === undefined ? /^x-[\w-]{1,64}$/i.test(name) : honoured.has(canonical)
    return wanted && value.length <= 1024 && !/[\r\n\0]/.test(value)
  })
}
