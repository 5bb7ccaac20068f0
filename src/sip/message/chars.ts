/** Character classes of RFC 3261 §25.1 as bits, indexed by character code; anything from 128 up has no class. */
export const TOKEN = 1
export const DIGIT = 2
export const HEX = 4
/** `unreserved` of RFC 3261: alphanum and mark. */
export const UNRESERVED = 8
/** `user-unreserved` beyond `unreserved`, and the characters of a telephone-subscriber carried as user part. */
export const USER = 16
export const PASSWORD = 32
/** `param-unreserved` and `unreserved`: uri-parameter names and values. */
export const URI_PARAM = 64
/** `hnv-unreserved` and `unreserved`: header names and values inside a URI. */
export const URI_HEADER = 128
/** What may stand in a generic-param value beside a quoted string: token, or a host with or without brackets. */
export const VALUE = 256
/** `word` of §25.1: Call-IDs are word [ "@" word ]. */
export const WORD = 512
export const HOST = 1024
export const ALPHA = 2048

const classes = new Uint16Array(128)

function add(bit: number, characters: string): void {
  for (let i = 0; i < characters.length; i++) {
    const code = characters.charCodeAt(i)
    classes[code] = (classes[code] ?? 0) | bit
  }
}

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const digits = '0123456789'
const alphanum = letters + digits
const mark = "-_.!~*'()"

add(ALPHA, letters)
add(DIGIT, digits)
add(HEX, `${digits}abcdefABCDEF`)
add(TOKEN, `${alphanum}-.!%*_+\`'~`)
add(UNRESERVED, alphanum + mark)
add(USER, `${alphanum + mark}&=+$,;?/`)
add(PASSWORD, `${alphanum + mark}&=+$,`)
add(URI_PARAM, `${alphanum + mark}[]/:&+$`)
add(URI_HEADER, `${alphanum + mark}[]/?:+$`)
add(VALUE, `${alphanum}-.!%*_+\`'~[]:`)
add(WORD, `${alphanum}-.!%*_+\`'~()<>:\\"/[]?{}@`)
add(HOST, `${alphanum}-._`)

export function is(code: number, bits: number): boolean {
  return code < 128 && ((classes[code] as number) & bits) !== 0
}

/** The index of the first character from `from` on, before `to`, that has none of `bits`; `to` if all have. */
export function skip(text: string, from: number, to: number, bits: number): number {
  let at = from
  while (at < to) {
    const code = text.charCodeAt(at)
    if (code > 127 || ((classes[code] as number) & bits) === 0) return at
    at++
  }
  return at
}

/** The index of the first character that is neither space nor tab. */
export function skipSpace(text: string, from: number): number {
  let at = from
  for (;;) {
    const code = text.charCodeAt(at)
    if (code !== 32 && code !== 9) return at
    at++
  }
}

export function isToken(text: string): boolean {
  return text.length > 0 && skip(text, 0, text.length, TOKEN) === text.length
}

/** CR, LF and NUL: what would end a header line early, or hide the rest of it, when written out. */
export function hasLineBreak(text: string): boolean {
  return text.includes('\n') || text.includes('\r') || text.includes('\0')
}
