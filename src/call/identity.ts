import type { Admitted } from '../sip/auth/admission.ts'
import type { HeaderDefinition } from '../sip/message/definition.ts'
import { SipParseError } from '../sip/message/errors.ts'
import {
  Diversion,
  HistoryInfo,
  PAssertedIdentity,
  PChargeInfo,
  PPreferredIdentity,
  RemotePartyId,
} from '../sip/message/headers/addresses.ts'
import { Identity } from '../sip/message/headers/identity.ts'
import { Privacy, UserToUser } from '../sip/message/headers/session.ts'
import type { SipRequest } from '../sip/message/message.ts'
import type { NameAddr } from '../sip/message/name-addr.ts'
import { verstatHeaders } from './carrier-ids.ts'
import { byIndex, causeOf, numberOf, passportOf, userToUserOf, verstatOf } from './identity-parts.ts'
import type { DivertedFrom, HistoryEntry, Passport, UserToUserData, Verstat } from './identity-parts.ts'

/** The best there is about who calls. */
export interface Caller {
  /** The header it is from. */
  readonly source: 'P-Asserted-Identity' | 'Remote-Party-ID' | 'From'
  /** The caller does not want to be shown (RFC 3323, RFC 3325 §9.3): number, name and address are left out here. */
  readonly restricted: boolean
  /** With `+` where it is an E.164 number; undefined where the address is not a telephone number. */
  readonly number: string | undefined
  readonly displayName: string | undefined
  readonly address: NameAddr | undefined
}

const restricting: ReadonlySet<string> = new Set(['id', 'user', 'header'])

/**
 * Who calls, and by what way the call came, from the headers of one INVITE; each is read when it is first asked for, and one that cannot be read
 * counts as absent. Everything here is a claim of the sender: `trusted` says whether the sender belongs to our trust domain.
 */
export class CallIdentity {
  /** The policy that admitted the call vouches for what the sender asserts (`trusted` of the policy, RFC 3325 §2.3). */
  readonly trusted: boolean
  readonly #invite: SipRequest
  #caller: Caller | undefined

  /** @internal */
  constructor(invite: SipRequest, admission: Admitted | undefined) {
    this.#invite = invite
    this.trusted = admission?.trusted === true
  }

  /** Asserted identity before Remote-Party-ID before From; the first two only when `trusted`. */
  get caller(): Caller {
    this.#caller ??= this.#bestCaller()
    return this.#caller
  }

  /** P-Asserted-Identity (RFC 3325 §9.1). */
  get asserted(): readonly NameAddr[] {
    return this.#read(PAssertedIdentity) ?? []
  }

  /** P-Preferred-Identity (RFC 3325 §9.2). */
  get preferred(): readonly NameAddr[] {
    return this.#read(PPreferredIdentity) ?? []
  }

  /** Remote-Party-ID, as older systems send it (draft-ietf-sip-privacy-04); see its parameters `party`, `screen` and `privacy`. */
  get remoteParty(): readonly NameAddr[] {
    return this.#read(RemotePartyId) ?? []
  }

  /** Privacy (RFC 3323 §4.2), lower case. */
  get privacy(): readonly string[] {
    return (this.#read(Privacy) ?? []).map(value => value.toLowerCase())
  }

  /** Who the call was for before, the latest first (RFC 5806 §4). */
  get diversion(): readonly DivertedFrom[] {
    return (this.#read(Diversion) ?? []).map(address => ({
      address,
      number: numberOf(address),
      reason: address.params.value('reason')?.toLowerCase(),
      counter: integer(address.params.value('counter')),
      restricted: /^(?:full|name|uri)$/i.test(address.params.value('privacy') ?? ''),
    }))
  }

  /** History-Info (RFC 7044 §5), in the order of its indexes. */
  get history(): readonly HistoryEntry[] {
    return (this.#read(HistoryInfo) ?? [])
      .map(address => ({
        address,
        number: numberOf(address),
        index: address.params.value('index') ?? '',
        cause: causeOf(address),
      }))
      .toSorted(byIndex)
  }

  /** User-to-User (RFC 7433). */
  get userToUser(): readonly UserToUserData[] {
    return (this.#read(UserToUser) ?? []).flatMap(value => userToUserOf(value) ?? [])
  }

  /** P-Charge-Info (RFC 8496): who pays. */
  get chargeInfo(): NameAddr | undefined {
    return this.#read(PChargeInfo)
  }

  /** Identity (RFC 8224): what the tokens say. Their signatures are not verified. */
  get passports(): readonly Passport[] {
    return (this.#read(Identity) ?? []).map(passportOf)
  }

  /** What the carrier found about the caller's number (STIR/SHAKEN); undefined unless `trusted`. */
  get verstat(): Verstat | undefined {
    if (!this.trusted) return undefined
    for (const address of [...this.asserted, this.#invite.from]) {
      const found =
        verstatOf(address.params.value('verstat')) ??
        verstatOf(/;verstat=([A-Za-z-]+)/i.exec(address.uriText)?.[1])
      if (found !== undefined) return found
    }
    for (const name of verstatHeaders) {
      const found = verstatOf(this.#invite.headers.get(name)?.trim())
      if (found !== undefined) return found
    }
    return undefined
  }

  #bestCaller(): Caller {
    const { from } = this.#invite
    const asserted = this.trusted ? this.asserted : []
    const remote = this.trusted
      ? this.remoteParty.find(
          ({ params }) => (params.value('party') ?? 'calling').toLowerCase() === 'calling',
        )
      : undefined
    // RFC 3325 §9.1: one SIP and one tel URI may stand there; the one with a number says more.
    const best = asserted.find(address => numberOf(address) !== undefined) ?? asserted[0] ?? remote ?? from
    const source =
      best === from ? 'From' : best === remote ? 'Remote-Party-ID' : ('P-Asserted-Identity' as const)
    const restricted =
      this.privacy.some(value => restricting.has(value)) ||
      /^(?:full|uri)/i.test(remote?.params.value('privacy') ?? '') ||
      (source === 'From' && /@anonymous\.invalid/i.test(from.uriText))
    if (restricted)
      return { source, restricted, number: undefined, displayName: undefined, address: undefined }
    return {
      source,
      restricted,
      number: numberOf(best),
      displayName: best.displayName ?? from.displayName,
      address: best,
    }
  }

  #read<T>(definition: HeaderDefinition<T>): T | undefined {
    try {
      return this.#invite.get(definition)
    } catch (error) {
      if (error instanceof SipParseError) return undefined
      throw error
    }
  }
}

function integer(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined
}
