import { list, single } from '../definition.ts'
import type { HeaderDefinition } from '../definition.ts'
import { isToken } from '../chars.ts'
import { Params, scanParam } from '../params.ts'
import type { ParamValue } from '../params.ts'
import { quote } from '../scanner.ts'
import type { Scanner } from '../scanner.ts'
import { readBracketedUri, whole, withParams, writeParameterised } from './parts.ts'
import type { Parameterised } from './parts.ts'

export interface IdentityValue {
  /** The signed token: header, payload and signature in base64url, or RFC 8224's compact form `..signature`. */
  token: string
  /** Where the certificate is. */
  info: string | undefined
  alg: string | undefined
  ppt: string | undefined
  /** The other parameters. */
  params: Params
}

/** Everything up to the next parameter. */
function readUntilSemicolon(scanner: Scanner): string {
  if (scanner.peek() === 34) return scanner.quoted()
  const semicolon = scanner.text.indexOf(';', scanner.at)
  const to = semicolon < 0 ? scanner.end : semicolon
  const value = scanner.text.slice(scanner.at, to).trimEnd()
  if (value === '' || /[\s",<>]/.test(value)) throw scanner.fail('expected a token')
  scanner.at = to
  return value
}

function readIdentity(scanner: Scanner): IdentityValue {
  const token = readUntilSemicolon(scanner)
  let info: string | undefined
  const flat: ParamValue[] = []
  while (scanner.take(59)) {
    const { at } = scanner
    // The value of info stands between angle brackets, which no other parameter has.
    if (/^info[ \t]*=[ \t]*</i.test(scanner.text.slice(at, at + 32))) {
      scanner.at = scanner.text.indexOf('<', at)
      info = readBracketedUri(scanner)
    } else scanParam(scanner, flat)
  }
  const params = Params.raw(flat)
  return {
    token,
    info,
    alg: params.value('alg'),
    ppt: params.value('ppt'),
    params: params.without('alg').without('ppt'),
  }
}

function writeIdentity(value: IdentityValue): string {
  let text = value.token
  if (value.info !== undefined) text += `;info=<${value.info}>`
  if (value.alg !== undefined) text += `;alg=${isToken(value.alg) ? value.alg : quote(value.alg)}`
  if (value.ppt !== undefined) text += `;ppt=${isToken(value.ppt) ? value.ppt : quote(value.ppt)}`
  return text + value.params.toString()
}

/** RFC 8224; several may stand in one message, each on its own line. */
export const Identity: HeaderDefinition<readonly IdentityValue[]> = list(
  'Identity',
  whole(readIdentity),
  writeIdentity,
  { lines: true },
)

export const SessionId: HeaderDefinition<Parameterised> = single(
  'Session-ID',
  withParams(readUntilSemicolon),
  writeParameterised,
)
