import { OptionError } from '../runtime/errors.ts'
import { isToken } from '../sip/message/chars.ts'
import { NameAddr } from '../sip/message/name-addr.ts'
import { parseUri } from '../sip/message/uri.ts'

/** Values that Privacy may have (RFC 3323 §4.2, RFC 3325 §9.3, RFC 7044 §10.1). */
export type PrivacyValue = 'none' | 'id' | 'user' | 'header' | 'session' | 'history' | 'critical'

/** Who we say that we are, beyond From. Addresses are URIs (`sip:`, `tel:`) or name-addrs. */
export interface IdentityOptions {
  /** P-Asserted-Identity: to peers of our trust domain. At most one SIP and one tel URI (RFC 3325 §9.1). */
  readonly asserted?: string | readonly string[]
  /** P-Preferred-Identity: which of our identities our provider should assert. */
  readonly preferred?: string | readonly string[]
  readonly privacy?: readonly PrivacyValue[]
  /** Remote-Party-ID, for older systems. */
  readonly remoteParty?: {
    readonly address: string
    readonly screen?: boolean
    readonly privacy?: 'full' | 'off'
  }
  /** Who the call was for before, the latest first (RFC 5806). */
  readonly diversion?: readonly DiversionOptions[]
  /** History-Info in order; an index is made for each that gives none: 1, 1.1, 1.1.1 ... */
  readonly history?: readonly HistoryOptions[]
  /** Text goes out as `encoding=ascii`, octets as hex (RFC 7433). */
  readonly userToUser?: string | Uint8Array | UserToUserOptions
  /** P-Charge-Info (RFC 8496). */
  readonly chargeInfo?: string
}

export interface DiversionOptions {
  readonly address: string
  /** `user-busy`, `no-answer`, `unconditional` ... */
  readonly reason?: string
  readonly counter?: number
  readonly privacy?: 'full' | 'name' | 'uri' | 'off'
}

export interface HistoryOptions {
  readonly address: string
  /** `1.1` */
  readonly index?: string
  /** Why the call left that target: a SIP status (RFC 4458 §2). */
  readonly cause?: number
}

export interface UserToUserOptions {
  readonly data: string | Uint8Array
  readonly encoding?: 'hex' | 'ascii'
  readonly purpose?: string
  readonly content?: string
}

type Field = readonly [name: string, value: string]

const privacyValues: ReadonlySet<string> = new Set([
  'none',
  'id',
  'user',
  'header',
  'session',
  'history',
  'critical',
] satisfies PrivacyValue[])

/** Octets of user-to-user data: ISDN carries so many, and networks pass no more on (RFC 7434). */
const MAX_USER_TO_USER = 128

/** The header fields for an INVITE. @throws OptionError naming the field */
export function identityHeaders(identity: IdentityOptions | undefined): readonly Field[] {
  if (identity === undefined) return []
  const { remoteParty, privacy, userToUser, chargeInfo } = identity
  return [
    ...asserted('P-Asserted-Identity', 'asserted', identity.asserted),
    ...asserted('P-Preferred-Identity', 'preferred', identity.preferred),
    ...(privacy === undefined ? [] : [privacyField(privacy)]),
    ...(remoteParty === undefined ? [] : [remotePartyField(remoteParty)]),
    ...(identity.diversion ?? []).map(diversionField),
    ...(identity.history ?? []).map(historyField),
    ...(userToUser === undefined ? [] : [userToUserField(userToUser)]),
    ...(chargeInfo === undefined
      ? []
      : [['P-Charge-Info', String(address(chargeInfo, 'identity.chargeInfo'))] as const]),
  ]
}

function asserted(name: string, key: string, value: IdentityOptions['asserted']): readonly Field[] {
  if (value === undefined) return []
  const field = `identity.${key}`
  const addresses = (typeof value === 'string' ? [value] : value).map(each => address(each, field))
  const schemes = addresses.map(({ uri }) => uri.kind)
  if (new Set(schemes).size !== schemes.length || schemes.includes('other')) {
    throw new OptionError(field, 'give one sip: and one tel: URI at the most (RFC 3325 §9.1)')
  }
  return addresses.map(each => [name, String(each)])
}

function privacyField(values: readonly PrivacyValue[]): Field {
  const unknown = values.find(value => !privacyValues.has(value))
  if (values.length === 0 || unknown !== undefined)
    throw new OptionError('identity.privacy', `give some of ${[...privacyValues].join(', ')}`)
  if (values.includes('none') && values.length > 1)
    throw new OptionError('identity.privacy', 'none means no privacy at all; give it alone (RFC 3323 §4.2)')
  return ['Privacy', values.join(';')]
}

function remotePartyField(options: NonNullable<IdentityOptions['remoteParty']>): Field {
  const { screen = true, privacy = 'off' } = options
  const value = address(options.address, 'identity.remoteParty.address')
  return [
    'Remote-Party-ID',
    `${String(value)};party=calling;screen=${screen ? 'yes' : 'no'};privacy=${privacy}`,
  ]
}

function diversionField({ address: from, reason, counter, privacy }: DiversionOptions, at: number): Field {
  const field = `identity.diversion[${at}]`
  let value = String(address(from, `${field}.address`))
  if (reason !== undefined) value += `;reason=${token(reason, `${field}.reason`)}`
  if (counter !== undefined) {
    if (!Number.isInteger(counter) || counter < 1 || counter > 99)
      throw new OptionError(`${field}.counter`, `${counter} is not a whole number from 1 to 99`)
    value += `;counter=${counter}`
  }
  if (privacy !== undefined) value += `;privacy=${token(privacy, `${field}.privacy`)}`
  return ['Diversion', value]
}

function historyField({ address: target, index, cause }: HistoryOptions, at: number): Field {
  const field = `identity.history[${at}]`
  const place = index ?? Array.from({ length: at + 1 }, () => '1').join('.')
  if (!/^[1-9]\d{0,3}(?:\.\d{1,4}){0,20}$/.test(place))
    throw new OptionError(`${field}.index`, `"${place}" is not of the form 1.2.1 (RFC 7044 §5.1)`)
  const value = address(target, `${field}.address`)
  if (cause === undefined) return ['History-Info', `${String(value)};index=${place}`]
  const { uri } = value
  if (!Number.isInteger(cause) || cause < 100 || cause > 699 || uri.kind !== 'sip')
    throw new OptionError(`${field}.cause`, `${cause} is not a SIP status, or the address is no SIP URI`)
  const caused = new NameAddr({
    uri: uri.withParam('cause', String(cause)),
    ...(value.displayName === undefined ? {} : { displayName: value.displayName }),
  })
  return ['History-Info', `${String(caused)};index=${place}`]
}

function userToUserField(value: NonNullable<IdentityOptions['userToUser']>): Field {
  const options: UserToUserOptions =
    typeof value === 'string' || value instanceof Uint8Array ? { data: value } : value
  const { data, purpose, content } = options
  const encoding = options.encoding ?? (typeof data === 'string' ? ('ascii' as const) : ('hex' as const))
  const octets = typeof data === 'string' ? Buffer.from(data) : Buffer.from(data)
  if (octets.length === 0 || octets.length > MAX_USER_TO_USER)
    throw new OptionError(
      'identity.userToUser',
      `${octets.length} octets; give 1 to ${MAX_USER_TO_USER}, which is what networks carry`,
    )
  const text = octets.toString('latin1')
  if (encoding === 'ascii' && !/^[\x20-\x7e]+$/.test(text))
    throw new OptionError('identity.userToUser', 'it is not printable ASCII; let it go out as hex')
  const written =
    encoding === 'hex'
      ? octets.toString('hex')
      : isToken(text)
        ? text
        : `"${text.replaceAll(/["\\]/g, '\\$&')}"`
  return [
    'User-to-User',
    [
      `${written};encoding=${encoding}`,
      ...(purpose === undefined ? [] : [`purpose=${token(purpose, 'identity.userToUser.purpose')}`]),
      ...(content === undefined ? [] : [`content=${token(content, 'identity.userToUser.content')}`]),
    ].join(';'),
  ]
}

function token(value: string, field: string): string {
  if (!isToken(value)) throw new OptionError(field, `${JSON.stringify(value)} is not a token`)
  return value
}

/** The value itself is personal data and stays out of the message. */
function address(value: string, field: string): NameAddr {
  try {
    const parsed = value.includes('<') ? NameAddr.parse(value) : new NameAddr({ uri: parseUri(value) })
    void parsed.uri
    return parsed
  } catch (cause) {
    throw new OptionError(
      field,
      'it is no URI or name-addr; write sip:+15550100@example.com or tel:+15550100',
      {
        cause,
      },
    )
  }
}
