/** What is answered when the owner says nothing, as data. */
import { Accept, Require } from '../message/headers/capabilities.ts'
import type { SipRequest } from '../message/message.ts'
import { methods } from '../message/methods.ts'
import { admits, bodyIsOptional, mediaType, sessionBodyOf } from './bodies.ts'
import type { Refusal } from './core-types.ts'

/** The Allow header unless the owner sets another. */
export const defaultAllow: readonly string[] = ['INVITE', 'ACK', 'CANCEL', 'BYE', 'OPTIONS', 'INFO', 'UPDATE']

export const defaultAccept: readonly string[] = ['application/sdp']

/** What the checks and default answers depend on. */
export interface Policy {
  readonly allow: readonly string[]
  readonly supported: readonly string[]
  readonly accept: readonly string[]
}

/** Methods whose body must be one of `accept`, because offer and answer travel in it. */
const carriesSession: ReadonlySet<string> = new Set(['INVITE', 'UPDATE'])

/** Methods that are answered without looking at Require (RFC 3261 §8.2.2.3). */
const requireExempt: ReadonlySet<string> = new Set(['ACK', 'CANCEL'])

/**
 * The checks every request gets, in the order of RFC 3261 §8.2: method, Request-URI, extensions, body. Undefined: nothing against it.
 */
export function checkRequest(request: SipRequest, policy: Policy): Refusal | undefined {
  return (
    checkMethod(request, policy) ??
    checkScheme(request) ??
    checkContact(request) ??
    checkRequire(request, policy) ??
    checkBody(request, policy) ??
    checkAccept(request, policy)
  )
}

/** §8.2.1: 501 for a method nobody knows, with Allow all the same, so that the peer learns what would do. */
function checkMethod(request: SipRequest, policy: Policy): Refusal | undefined {
  if (methods.has(request.method) || policy.allow.includes(request.method)) return undefined
  return { statusCode: 501, headers: [allowHeader(policy)] }
}

/** §8.2.2.1. A tel URI is a number somebody routed to us; anything else is not ours to understand. */
function checkScheme(request: SipRequest): Refusal | undefined {
  try {
    return request.uri.kind === 'other' ? { statusCode: 416 } : undefined
  } catch {
    return { statusCode: 400, reasonPhrase: 'Bad Request-URI' }
  }
}

/**
 * §8.1.1.8: without a Contact there would be nowhere to send to in the dialog. A re-INVITE without one keeps the target there is; a caller of
 * RFC 2543, known by its branch, need not give one and is reached at its From.
 */
function checkContact(request: SipRequest): Refusal | undefined {
  if (request.method !== 'INVITE' || request.to.tag !== undefined) return undefined
  try {
    const { contacts } = request
    if (contacts.length === 0 && !request.via.hasRfc3261Branch) return undefined
    if (contacts === '*' || contacts.length !== 1) {
      return { statusCode: 400, reasonPhrase: contacts.length === 0 ? 'Missing Contact' : 'Bad Contact' }
    }
    void contacts[0]?.uri
    return undefined
  } catch {
    return { statusCode: 400, reasonPhrase: 'Bad Contact' }
  }
}

/** §8.2.2.3. */
function checkRequire(request: SipRequest, policy: Policy): Refusal | undefined {
  if (requireExempt.has(request.method)) return undefined
  try {
    const unknown = (request.get(Require) ?? []).filter(tag => !policy.supported.includes(tag))
    return unknown.length === 0
      ? undefined
      : { statusCode: 420, headers: [['Unsupported', unknown.join(', ')]] }
  } catch {
    return { statusCode: 400, reasonPhrase: 'Bad Require' }
  }
}

/** §8.2.3: type, encoding, disposition of a body that carries offer or answer. */
function checkBody(request: SipRequest, policy: Policy): Refusal | undefined {
  if (!carriesSession.has(request.method) || request.body.length === 0 || bodyIsOptional(request))
    return undefined
  const type = request.headers.get('Content-Type')
  const encoding = request.headers.get('Content-Encoding')?.trim().toLowerCase()
  const disposition = mediaType(request.headers.get('Content-Disposition') ?? 'session')
  const understood =
    (type === undefined || sessionBodyOf(request, policy.accept) !== undefined) &&
    (encoding === undefined || encoding === '' || encoding === 'identity') &&
    (disposition === 'session' || disposition === 'early-session')
  return understood ? undefined : unsupportedBody(policy)
}

/** §21.4.7: who accepts no session description cannot be sent one. */
function checkAccept(request: SipRequest, policy: Policy): Refusal | undefined {
  if (request.method !== 'INVITE') return undefined
  try {
    const accepted = request.get(Accept)
    if (accepted === undefined) return undefined
    const types = accepted.map(({ type, subtype }) => `${type}/${subtype}`)
    return policy.accept.some(type => admits(types, type)) ? undefined : { statusCode: 406 }
  } catch {
    return { statusCode: 400, reasonPhrase: 'Bad Accept' }
  }
}

export function allowHeader(policy: Policy): readonly [string, string] {
  return ['Allow', policy.allow.join(', ')]
}

function unsupportedBody(policy: Policy): Refusal {
  return {
    statusCode: 415,
    headers: [
      ['Accept', policy.accept.join(', ')],
      ['Accept-Encoding', 'identity'],
    ],
  }
}

/** Answers by method to requests in a dialog that the owner did not take. */
const inDialog: Readonly<Record<string, (request: SipRequest, policy: Policy) => Refusal>> = {
  OPTIONS: (_, policy) => capabilities(policy), // §11.2
  INFO: request =>
    request.headers.has('Info-Package')
      ? { statusCode: 469, headers: [['Recv-Info', '']] } // RFC 6086 §4.2.2
      : request.body.length === 0
        ? { statusCode: 200 } // RFC 6086 §4.2.2: an empty INFO asks whether the dialog lives
        : { statusCode: 415, headers: [['Accept', '']] },
  NOTIFY: () => ({ statusCode: 481 }), // RFC 6665 §4.1.3: no such subscription
  SUBSCRIBE: () => ({ statusCode: 489, headers: [['Allow-Events', '']] }), // RFC 6665 §4.2.1.1
  REFER: () => ({ statusCode: 603 }), // RFC 3515 §2.4.2
  PRACK: () => ({ statusCode: 481 }), // RFC 3262 §3
  CANCEL: () => ({ statusCode: 481 }), // §9.2
}

/** The answer to a request in a dialog that nobody took. */
export function answerInDialog(request: SipRequest, policy: Policy): Refusal {
  const answer = inDialog[request.method]
  return answer === undefined ? answerOutside(request, policy) : answer(request, policy)
}

/** The answer to a request outside a dialog that nobody took: 405 with Allow (§8.2.1). */
export function answerOutside(request: SipRequest, policy: Policy): Refusal {
  if (request.method === 'OPTIONS') return capabilities(policy)
  if (request.method === 'CANCEL') return { statusCode: 481 }
  if (request.method === 'REFER') return { statusCode: 603 } // RFC 3515 §2.4.2: there is no call to transfer
  const others = policy.allow.filter(method => method !== request.method)
  return methods.has(request.method)
    ? { statusCode: 405, headers: [['Allow', others.join(', ')]] }
    : { statusCode: 501, headers: [allowHeader(policy)] }
}

/** 200 to OPTIONS (RFC 3261 §11.2). */
function capabilities(policy: Policy): Refusal {
  return {
    statusCode: 200,
    headers: [
      allowHeader(policy),
      ['Accept', policy.accept.join(', ')],
      ['Accept-Encoding', 'identity'],
      ['Supported', policy.supported.join(', ')],
    ],
  }
}

/** Methods of another usage of the dialog: what becomes of them does not end the INVITE's (RFC 5057 §5.1). */
const otherUsage: ReadonlySet<string> = new Set(['NOTIFY', 'SUBSCRIBE'])

/**
 * Responses that say the dialog is gone (RFC 3261 §12.2.1.2). RFC 5057 §5.1 names more (404, 410, 480 ...); peers send those to an INFO they
 * just do not care for, and a call is worth more than the letter.
 */
const endingStatus: ReadonlySet<number> = new Set([408, 481])

export function endsDialog(method: string, statusCode: number): boolean {
  return !otherUsage.has(method) && endingStatus.has(statusCode)
}
