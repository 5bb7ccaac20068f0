import { OptionError } from '../../runtime/errors.ts'
import type { HttpRequest } from '../../runtime/web.ts'
import { verifyPlivoSignature } from '../signatures/plivo.ts'
import { SignatureError } from '../signatures/signature-error.ts'
import { headerOf, neededHeader, sameSecret } from '../signatures/signed-request.ts'
import { verifyTelnyxSignature } from '../signatures/telnyx.ts'
import { verifyTwilioSignature } from '../signatures/twilio.ts'
import { verifyVonageToken } from '../signatures/vonage.ts'
import type { StreamMessage } from '../streams/dialect.ts'

/**
 * How a carrier shows who it is, on the upgrade and on the webhook.
 * - `twilio`: `X-Twilio-Signature` by the auth token of the account
 * - `plivo`: `X-Plivo-Signature-V3` by the auth token
 * - `vonage`: a JWT in `Authorization`, by the signature secret
 * - `telnyx`: the stream by its `stream_auth_token`, the webhook by the account's Ed25519 key
 * - `token`: a secret of yours, in a header (`Authorization: Bearer …` unless `header` names another) or in `parameter` of the stream's start
 * - `basic`: HTTP Basic (RFC 7617)
 * - `none`: whoever knows the path gets in
 */
export type StreamAuth =
  | { readonly kind: 'twilio'; readonly authToken: string | readonly string[] }
  | { readonly kind: 'plivo'; readonly authToken: string }
  | {
      readonly kind: 'vonage'
      readonly secret: string | readonly string[]
      readonly apiKey?: string
      readonly applicationId?: string
    }
  | { readonly kind: 'telnyx'; readonly streamToken: string; readonly publicKey?: string }
  | { readonly kind: 'token'; readonly token: string; readonly header?: string; readonly parameter?: string }
  | { readonly kind: 'basic'; readonly username: string; readonly password: string }
  | { readonly kind: 'none' }

/** Decides by the first messages what the upgrade could not tell; true lets it in, false refuses, undefined waits on. */
export type LateCheck = (message: StreamMessage) => boolean | undefined

/** Lets an upgrade in, at once or by what its first messages say. @throws SignatureError */
export function authoriseUpgrade(
  auth: StreamAuth,
  request: HttpRequest,
  url: string,
  now: number,
): LateCheck | undefined {
  const { headers } = request
  switch (auth.kind) {
    case 'telnyx': {
      const token = headerOf(headers, 'x-telnyx-streaming-auth-token') ?? bearerOf(request)
      if (token !== undefined) {
        checkToken(token, auth.streamToken)
        return undefined
      }
      return message =>
        message.kind === 'connected' ? sameSecret(message.token ?? '', auth.streamToken) : tooLate(message)
    }
    case 'token': {
      const { token, header, parameter } = auth
      const given = header === undefined ? bearerOf(request) : headerOf(headers, header.toLowerCase())
      if (given !== undefined || parameter === undefined) {
        checkToken(given, token)
        return undefined
      }
      return message =>
        message.kind === 'start' ? sameSecret(message.parameters[parameter] ?? '', token) : undefined
    }
    default:
      authorise(auth, request, url, now)
      return undefined
  }
}

/** The webhook that asks what to do with a call. @throws SignatureError */
export function authoriseWebhook(auth: StreamAuth, request: HttpRequest, url: string, now: number): void {
  if (auth.kind === 'telnyx') {
    const { publicKey } = auth
    if (publicKey === undefined) {
      throw new SignatureError('telnyx', 'wrong', 'it cannot be checked: give the publicKey of the account')
    }
    return verifyTelnyxSignature({ publicKey, headers: request.headers, body: request.body, now })
  }
  if (auth.kind === 'token') {
    const { token, header } = auth
    return checkToken(
      header === undefined ? bearerOf(request) : headerOf(request.headers, header.toLowerCase()),
      token,
    )
  }
  authorise(auth, request, url, now)
}

/** What each kind cannot do without. */
const NEEDED: Readonly<Record<StreamAuth['kind'], readonly string[]>> = {
  twilio: ['authToken'],
  plivo: ['authToken'],
  vonage: ['secret'],
  telnyx: ['streamToken'],
  token: ['token'],
  basic: ['username', 'password'],
  none: [],
}

/** @throws OptionError an auth that lets nobody, or everybody, in by mistake: also where no compiler looked at it */
export function checkAuth(field: string, auth: StreamAuth): void {
  const given: Readonly<Record<string, unknown>> = { ...auth }
  const { kind } = given
  if (typeof kind !== 'string' || !Object.hasOwn(NEEDED, kind)) {
    throw new OptionError(
      `${field}.kind`,
      `${JSON.stringify(kind)} is none; give one of ${Object.keys(NEEDED).join(', ')}`,
    )
  }
  for (const name of NEEDED[kind as StreamAuth['kind']]) {
    const secrets: readonly unknown[] = Array.isArray(given[name]) ? given[name] : [given[name]]
    if (secrets.length > 0 && secrets.every(secret => typeof secret === 'string' && secret !== '')) continue
    throw new OptionError(
      `${field}.${name}`,
      'it is empty; give the secret, or { kind: "none" } to let everybody in',
    )
  }
}

function authorise(
  auth: Exclude<StreamAuth, { readonly kind: 'telnyx' | 'token' }>,
  request: HttpRequest,
  url: string,
  now: number,
): void {
  const { headers, method, body } = request
  switch (auth.kind) {
    case 'twilio':
      return verifyTwilioSignature({ authToken: auth.authToken, url, headers, body })
    case 'plivo':
      return verifyPlivoSignature({ authToken: auth.authToken, url, headers, method, body })
    case 'vonage': {
      const { kind: _, ...account } = auth
      verifyVonageToken({ ...account, headers, now, ...(body.length > 0 && { body }) })
      return
    }
    case 'basic': {
      const given = neededHeader('basic', headers, 'authorization')
      const wanted = Buffer.from(`${auth.username}:${auth.password}`).toString('base64')
      if (!sameSecret(given.replace(/^basic +/i, ''), wanted)) {
        throw new SignatureError('basic', 'wrong', 'user or password is wrong')
      }
      return
    }
    case 'none':
      return
  }
  throw new SignatureError('token', 'wrong', 'there is no such kind of auth')
}

function bearerOf(request: HttpRequest): string | undefined {
  return /^Bearer +(\S+)$/i.exec(headerOf(request.headers, 'authorization') ?? '')?.[1]
}

function checkToken(given: string | undefined, wanted: string): void {
  if (given === undefined) throw new SignatureError('token', 'missing', 'the request has none')
  if (!sameSecret(given, wanted)) throw new SignatureError('token', 'wrong', 'it is another one')
}

/** A start before any `connected` has no token. */
function tooLate(message: StreamMessage): boolean | undefined {
  return message.kind === 'start' ? false : undefined
}
