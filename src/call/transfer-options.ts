import type { SipError } from '../runtime/errors.ts'
import { OptionError } from '../runtime/errors.ts'
import type { Credentials } from '../sip/auth/client.ts'
import { NameAddr } from '../sip/message/name-addr.ts'
import { parseUri } from '../sip/message/uri.ts'
import type { ReferCause, ReferEnd } from '../sip/dialog/refer-usage.ts'
import type { HeaderList } from '../sip/dialog/session-types.ts'
import type { Cancellable } from './call-types.ts'
import { checkHeaders } from './checks.ts'

/** What is heard of the target while it is called: 100, 180, … */
export interface TransferProgress {
  readonly statusCode: number
  readonly reasonPhrase: string | undefined
}

export interface TransferOptions extends Cancellable {
  /** Puts the other party on hold first; taken off again when the transfer comes to nothing. Default false. */
  readonly hold?: boolean
  /**
   * After success the other party hangs up; when it has not after so many milliseconds, we do (and end the consultation call too). Default 2,000;
   * `false` never does.
   */
  readonly hangupAfterMs?: number | false
  /** `false` asks for no word of how it went (`Refer-Sub: false`, RFC 4488): the outcome is then `unknown`. Default true. */
  readonly notify?: boolean
  /** How long to wait for the final word once the first came, in milliseconds. Default 180,000. The first itself may take 32 s. */
  readonly timeoutMs?: number
  /** Added to the REFER. */
  readonly headers?: HeaderList
  /** For the INVITE to the target: escaped into the Refer-To URI. */
  readonly targetHeaders?: HeaderList
  /** Referred-By (RFC 3892), a URI or name-addr. Default: who we are in this call; `false` leaves it out. */
  readonly referredBy?: string | false
  /** Attended only: where the target is called, when it is not the Contact it gave us. */
  readonly referTo?: string
  /** Attended only: sends the REFER although the target does not say `Supported: replaces`. */
  readonly force?: boolean
  /** For a challenge to the REFER. Default: those the call was placed with. */
  readonly credentials?: Credentials
  readonly onProgress?: (progress: TransferProgress) => void
}

export type TransferCause =
  | ReferCause
  /** Attended: the target does not say that it supports Replaces; nothing was sent. `force` sends all the same. */
  | 'replaces-unsupported'
  /** The other party could not be put on hold; nothing more was sent. */
  | 'hold-refused'

/** How a transfer ended: a value, never an exception. Unless it is `transferred`, the call is as usable as before. */
export interface TransferResult extends Omit<ReferEnd, 'cause' | 'reasonPhrase'> {
  readonly cause: TransferCause
  /** In words: the reason phrase of `statusCode`, or what happened instead. */
  readonly reason: string
  readonly error?: SipError
}

const words: Readonly<Record<TransferCause, string>> = {
  notified: 'the other party told how it went',
  'refer-refused': 'the other party refused to try',
  'refer-unanswered': 'the REFER got no answer',
  'no-notify': 'it was taken; no word was asked for, or none is given',
  'ended-without-word': 'it was taken; the other party stopped telling before it knew',
  silence: 'it was taken; no word of how it went came in time',
  'hung-up': 'it was taken; the other party hung up before it told how it went',
  'replaces-unsupported': 'the target does not say that it supports Replaces (RFC 3891)',
  'hold-refused': 'the other party could not be put on hold',
}

export function transferResult(
  end: Omit<ReferEnd, 'cause'> & { readonly cause: TransferCause },
): TransferResult {
  const { outcome, cause, statusCode, reasonPhrase, error } = end
  const decided = cause === 'notified' || cause === 'refer-refused'
  return {
    outcome,
    cause,
    ...(statusCode === undefined ? {} : { statusCode }),
    reason: decided && reasonPhrase !== undefined && reasonPhrase !== '' ? reasonPhrase : words[cause],
    ...(error === undefined ? {} : { error }),
  }
}

/** @throws OptionError naming the field */
export function checkTransferOptions(options: TransferOptions): void {
  checkHeaders(options.headers)
  checkHeaders(options.targetHeaders, 'targetHeaders')
  const { timeoutMs = 1, hangupAfterMs = 0 } = options
  if (!(timeoutMs > 0))
    throw new OptionError('timeoutMs', `${timeoutMs} leaves no time; give milliseconds above 0`)
  if (hangupAfterMs !== false && !(hangupAfterMs >= 0))
    throw new OptionError(
      'hangupAfterMs',
      `${hangupAfterMs} is not a time; give milliseconds, 0 or more, or false`,
    )
}

/**
 * Somebody to transfer to: a sip:, sips: or tel: URI, or a name-addr. The value is personal data and stays out of the message.
 * @throws OptionError naming the field
 */
export function parseTransferTarget(value: string, field: string): NameAddr {
  const hint =
    'give a SIP or tel URI, for example sip:desk@example.com or tel:+15550100, or "Name" <sip:desk@example.com>'
  try {
    // Without angle brackets what follows a semicolon or question mark would belong to the header (RFC 3261 §20).
    const address = value.includes('<') ? NameAddr.parse(value) : new NameAddr({ uri: parseUri(value) })
    const { uri, displayName } = address
    if (uri.kind !== 'other') return new NameAddr({ displayName, uri })
  } catch (cause) {
    throw new OptionError(field, `${hint} (${(cause as Error).message})`, { cause })
  }
  throw new OptionError(field, hint)
}
