/**
 * A character class of RFC 3261 §25.1. Runs are found by a sticky regular expression: on the strings that come out
 * of a datagram, that is several times faster than a loop over `charCodeAt` (measured on Node 20: 1 against 6 ns a
 * character). Every expression is one class and one star: nothing in it can backtrack.
 */
export interface CharClass {
  readonly members: Uint8Array
  readonly run: RegExp
  /** What stands between the brackets of a regular expression for one member. */
  readonly source: string
}

function charClass(characters: string): CharClass {
  const members = new Uint8Array(128)
  for (let i = 0; i < characters.length; i++) members[characters.charCodeAt(i)] = 1
  const source = characters.replace(/[\\\]^-]/g, '\\$&')
  return { members, run: new RegExp(`[${source}]*`, 'y'), source }
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const digits = '0123456789'
const alphanum = letters + digits
const mark = "-_.!~*'()"
const token = `${alphanum}-.!%*_+\`'~`

export const ALPHA: CharClass = charClass(letters)
export const DIGIT: CharClass = charClass(digits)
export const TOKEN: CharClass = charClass(token)
/** What follows the first letter of a URI scheme. */
export const SCHEME: CharClass = charClass(`${alphanum}+-.`)
/** `unreserved` and `user-unreserved`. */
export const USER: CharClass = charClass(`${alphanum + mark}&=+$,;?/`)
export const PASSWORD: CharClass = charClass(`${alphanum + mark}&=+$,`)
/** `unreserved` and `param-unreserved`: names and values of URI parameters. */
export const URI_PARAM: CharClass = charClass(`${alphanum + mark}[]/:&+$`)
/** `unreserved` and `hnv-unreserved`: names and values of headers in a URI. */
export const URI_HEADER: CharClass = charClass(`${alphanum + mark}[]/?:+$`)
/** What a header parameter may have for a value beside a quoted string: token, or a host with or without brackets. */
export const VALUE: CharClass = charClass(`${token}[]:`)
/** `word`, and the `@` that a Call-ID may have between two. */
export const WORD: CharClass = charClass(`${alphanum}-.!%*_+\`'~()<>:\\"/[]?{}@`)
/** A host name; the underscore is not in the grammar, but in names that are in use. */
export const HOST: CharClass = charClass(`${alphanum}-._`)

export function is(code: number, { members }: CharClass): boolean {
  return code < 128 && members[code] === 1
}

/** The index of the first character from `from` on, before `to`, that is not in the class; `to` if all are. */
export function skip(text: string, from: number, to: number, { run }: CharClass): number {
  if (from >= to) return to
  run.lastIndex = from
  run.test(text)
  const end = run.lastIndex
  return end < to ? end : to
}

/** The index of the first character from `from` on, before `to`, that is neither space nor tab. */
export function skipBlank(text: string, from: number, to: number): number {
  let at = from
  while (at < to && isBlank(text.charCodeAt(at))) at++
  return at
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9
}

export function isToken(text: string): boolean {
  return text.length > 0 && skip(text, 0, text.length, TOKEN) === text.length
}

/** CR, LF and NUL: what would end a header line early, or hide the rest of it, when written out. */
export function hasLineBreak(text: string): boolean {
  return text.includes('\n') || text.includes('\r') || text.includes('\0')
}
