import { isToken } from '../chars.ts'
import { list, single } from '../definition.ts'
import type { HeaderDefinition } from '../definition.ts'
import { Params } from '../params.ts'
import type { ParamValue } from '../params.ts'
import { quote, Scanner } from '../scanner.ts'
import { readToken, scanCommaParams, whole, withParams, writeParameterised } from './parts.ts'
import type { Parameterised } from './parts.ts'

/** A challenge or credentials: the scheme and its parameters, unquoted (RFC 3261 §25.1, RFC 7616). */
export interface AuthValue {
  /** As written: `Digest`. */
  scheme: string
  params: Params
  /** For schemes with one opaque token in place of parameters (`Bearer`). */
  token68: string | undefined
}

function readAuth(scanner: Scanner): AuthValue {
  const scheme = scanner.token('an authentication scheme')
  scanner.space()
  if (scanner.done) return { scheme, params: Params.empty, token68: undefined }
  const rest = scanner.text.slice(scanner.at)
  const token68 = /^[A-Za-z0-9._~+/-]+=*$/.exec(rest)?.[0]
  if (token68 !== undefined) {
    scanner.at = scanner.end
    return { scheme, params: Params.empty, token68 }
  }
  return { scheme, params: scanCommaParams(scanner), token68: undefined }
}

/** Several challenges may stand on one line (RFC 7235 has it so, RFC 3261 not): each begins with two words. */
function parseChallenges(text: string): AuthValue[] {
  const scanner = new Scanner(text)
  const challenges: AuthValue[] = []
  scanner.space()
  while (!scanner.done) {
    const next = nextChallenge(text, scanner.at)
    challenges.push(readWhole(text.slice(scanner.at, next)))
    scanner.at = next
    while (scanner.take(44));
  }
  return challenges
}

const readWhole: (text: string) => AuthValue = whole(readAuth)

/** Where the challenge at `from` ends: at a comma with `token SP token` behind it, or at the end. */
function nextChallenge(text: string, from: number): number {
  let quoted = false
  for (let at = from; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (quoted && code === 92) at++
    else if (code === 34) quoted = !quoted
    else if (code === 44 && !quoted && /^,[ \t]*[^\s=,"]+[ \t]+[^\s=,"]/.test(text.slice(at, at + 128)))
      return at
  }
  return text.length
}

/** Parameters whose value is a quoted string in the grammar; the others are written bare (RFC 7616 §3.3, §3.4). */
const quotedNames: ReadonlySet<string> = new Set([
  'realm',
  'domain',
  'nonce',
  'opaque',
  'username',
  'uri',
  'response',
  'cnonce',
  'nextnonce',
  'rspauth',
])

function writeParam(name: string, value: ParamValue, quotedQop: boolean): string {
  if (value === true) return name
  const lower = name.toLowerCase()
  const quoted = quotedNames.has(lower) || (lower === 'qop' && quotedQop) || !isToken(value)
  return `${name}=${quoted ? quote(value) : value}`
}

function writer(quotedQop: boolean): (value: AuthValue) => string {
  return ({ scheme, params, token68 }) => {
    const rest =
      token68 ?? Array.from(params, ([name, value]) => writeParam(name, value, quotedQop)).join(', ')
    return rest === '' ? scheme : `${scheme} ${rest}`
  }
}

function challenges(name: string): HeaderDefinition<readonly AuthValue[]> {
  const lines = list(name, readWhole, writer(true), { lines: true })
  return { ...lines, parse: parseChallenges }
}

function credentials(name: string): HeaderDefinition<readonly AuthValue[]> {
  // Credentials have commas of their own: one header line, one value.
  const lines = list(name, readWhole, writer(false), { lines: true })
  return { ...lines, parse: text => [readWhole(text)] }
}

export const WwwAuthenticate: HeaderDefinition<readonly AuthValue[]> = challenges('WWW-Authenticate')
export const ProxyAuthenticate: HeaderDefinition<readonly AuthValue[]> = challenges('Proxy-Authenticate')
export const Authorization: HeaderDefinition<readonly AuthValue[]> = credentials('Authorization')
export const ProxyAuthorization: HeaderDefinition<readonly AuthValue[]> = credentials('Proxy-Authorization')

function info(name: string): HeaderDefinition<Params> {
  return single(name, whole(scanCommaParams), params =>
    Array.from(params, ([key, value]) => writeParam(key, value, false)).join(', '),
  )
}

export const AuthenticationInfo: HeaderDefinition<Params> = info('Authentication-Info')
export const ProxyAuthenticationInfo: HeaderDefinition<Params> = info('Proxy-Authentication-Info')

type Mechanisms = HeaderDefinition<readonly Parameterised[]>

/** RFC 3329. */
export const SecurityClient: Mechanisms = list('Security-Client', withParams(readToken), writeParameterised)
export const SecurityServer: Mechanisms = list('Security-Server', withParams(readToken), writeParameterised)
export const SecurityVerify: Mechanisms = list('Security-Verify', withParams(readToken), writeParameterised)
