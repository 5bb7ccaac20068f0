/** What the answer to a REGISTER means for the client. */
import { Contact } from '../message/headers/core.ts'
import { FlowTimer, Expires, MinExpires, RetryAfter } from '../message/headers/session.ts'
import { ServiceRoute } from '../message/headers/addresses.ts'
import { Require } from '../message/headers/capabilities.ts'
import type { HeaderDefinition } from '../message/definition.ts'
import type { SipResponse } from '../message/message.ts'
import type { NameAddr } from '../message/name-addr.ts'
import { parseUri } from '../message/uri.ts'

/** What a registrar has granted. */
export interface Granted {
  /** Until the first of our contacts expires. */
  readonly expiresSeconds: number
  /** Routes for later requests, in order (RFC 3608). */
  readonly serviceRoute: readonly string[]
  /** A URI that always leads to this very device (RFC 5627). */
  readonly publicGruu: string | undefined
  /** The same without the address of record in it. */
  readonly temporaryGruu: string | undefined
  /** The registrar keeps flows: calls come over the one that registered (RFC 5626 §4.2.1). */
  readonly outbound: boolean
  /** How often it wants to hear a keep-alive, at least. */
  readonly flowTimerSeconds: number | undefined
}

export interface Asked {
  /** Contact URIs as sent. */
  readonly contacts: readonly string[]
  readonly expiresSeconds: number
  readonly instance: string | undefined
}

/** Reads a 2xx. What cannot be read counts as not there: a registration that holds is worth more than the letter. */
export function readGranted(response: SipResponse, asked: Asked): Granted {
  const listed = read(response, Contact) ?? []
  const contacts = listed === '*' ? [] : listed
  const ours = contacts.filter(contact => isOurs(contact, asked))
  const common = read(response, Expires) ?? asked.expiresSeconds
  const expires = ours.map(contact => secondsOf(contact) ?? common).filter(seconds => seconds > 0)
  const device = ours.find(contact => contact.params.has('pub-gruu') || contact.params.has('temp-gruu'))
  return {
    expiresSeconds: expires.length > 0 ? Math.min(...expires) : common > 0 ? common : asked.expiresSeconds,
    serviceRoute: (read(response, ServiceRoute) ?? []).map(String),
    publicGruu: uriOf(device?.params.value('pub-gruu')),
    temporaryGruu: uriOf(device?.params.value('temp-gruu')),
    outbound: (read(response, Require) ?? []).some(tag => tag.toLowerCase() === 'outbound'),
    flowTimerSeconds: read(response, FlowTimer),
  }
}

function isOurs(contact: NameAddr, { contacts, instance }: Asked): boolean {
  const named = contact.params.value('+sip.instance')
  if (instance !== undefined && named !== undefined) return named.toLowerCase() === instance.toLowerCase()
  try {
    return contacts.some(text => parseUri(text).equals(contact.uri))
  } catch {
    return false
  }
}

function secondsOf(contact: NameAddr): number | undefined {
  const text = contact.params.value('expires')
  return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : undefined
}

function uriOf(text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  try {
    return parseUri(text).kind === 'sip' ? text : undefined
  } catch {
    return undefined
  }
}

/** Statuses after which the same request may do later (RFC 3261 §10.2.7, §21.4, §21.5; RFC 5626 §11.1). */
const temporary: ReadonlySet<number> = new Set([408, 430, 480, 491, 500, 502, 503, 504])

export type Refused =
  | { readonly kind: 'adjust'; readonly minExpires: number }
  | { readonly kind: 'no-outbound' }
  | { readonly kind: 'failed'; readonly retryAfterSeconds: number | undefined }
  | { readonly kind: 'refused' }

/** What a final response other than 2xx calls for. 401 and 407 come here only when they cannot be answered. */
export function readRefusal(response: SipResponse): Refused {
  const { statusCode } = response
  if (statusCode === 423) {
    const minExpires = read(response, MinExpires)
    return minExpires === undefined ? { kind: 'refused' } : { kind: 'adjust', minExpires }
  }
  if (statusCode === 439) return { kind: 'no-outbound' } // RFC 5626 §11.6
  const retryAfterSeconds = read(response, RetryAfter)?.seconds
  if (temporary.has(statusCode) || (retryAfterSeconds !== undefined && statusCode >= 400)) {
    return { kind: 'failed', retryAfterSeconds }
  }
  return { kind: 'refused' }
}

/** Advice by status, for the error a person reads. */
const advice: Readonly<Record<number, string>> = {
  400: 'the registrar could not read it: compare the address of record and the contact with what it expects',
  401: 'give credentials for it',
  403: 'the registrar forbids it: check the user name, the password and whether the account may register',
  404: 'the registrar does not know this address of record: check its user part and domain',
  405: 'nothing there takes REGISTER: check the registrar',
  407: 'give credentials for the proxy',
  423: 'it asks for a longer expiry without saying how long (Min-Expires): set expiresSeconds higher',
  439: 'the first proxy does not keep flows: leave outbound out',
}

export function adviceFor({ statusCode, headers }: SipResponse): string {
  const known = advice[statusCode]
  if (known !== undefined) return known
  if (statusCode >= 300 && statusCode < 400) {
    return `it points to ${headers.get('Contact') ?? 'nowhere'}: redirections of registrations are not followed; set registrar`
  }
  return 'the registrar will not have it'
}

function read<T>(response: SipResponse, definition: HeaderDefinition<T>): T | undefined {
  try {
    return response.get(definition)
  } catch {
    return undefined
  }
}
