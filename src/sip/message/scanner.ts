import { DIGIT, skip, skipBlank, TOKEN } from './chars.ts'
import type { CharClass } from './chars.ts'
import { SipParseError } from './errors.ts'

/**
 * A reading position in one header value. The value is unfolded already, so LWS is spaces and tabs. Each method
 * takes what its name says and leaves the position behind it, or throws with the position as the offset.
 */
export class Scanner {
  /**
   * Scanners live for moments. A full collection that finds none takes their shape along, and with it the compiled
   * code of everything that uses one: 15 µs a message until it is compiled again (measured). So one stays.
   */
  static readonly kept: Scanner = new Scanner('')

  readonly text: string
  at: number
  readonly end: number

  constructor(text: string, from = 0, to: number = text.length) {
    this.text = text
    this.at = from
    this.end = to
  }

  fail(detail: string, at: number = this.at): SipParseError {
    return new SipParseError(detail, { offset: at })
  }

  get done(): boolean {
    return this.at >= this.end
  }

  peek(): number {
    return this.at < this.end ? this.text.charCodeAt(this.at) : -1
  }

  space(): void {
    const code = this.peek()
    if (code === 32 || code === 9) this.at = skipBlank(this.text, this.at, this.end)
  }

  /** Takes one separator with the LWS around it, if it comes next. */
  take(code: number): boolean {
    this.space()
    if (this.peek() !== code) return false
    this.at++
    this.space()
    return true
  }

  expect(code: number): void {
    if (!this.take(code)) throw this.fail(`expected "${String.fromCharCode(code)}"`)
  }

  run(members: CharClass, what: string): string {
    const from = this.at
    this.at = skip(this.text, from, this.end, members)
    if (this.at === from) throw this.fail(`expected ${what}`)
    return this.text.slice(from, this.at)
  }

  token(what = 'a token'): string {
    return this.run(TOKEN, what)
  }

  /** 1*DIGIT up to `max` (2^32-1 if not said). */
  integer(what: string, max = 0xffff_ffff): number {
    const from = this.at
    this.at = skip(this.text, from, this.end, DIGIT)
    if (this.at === from) throw this.fail(`expected ${what}`)
    const value = Number(this.text.slice(from, this.at))
    if (value > max) throw this.fail(`${what} is above ${max}`, from)
    return value
  }

  /** A quoted string, raw: with its quotes and escapes. */
  rawQuoted(): string {
    const from = this.at
    const close = quoteEnd(this.text, from, this.end)
    if (close < 0) throw this.fail('the quoted string has no closing quote', from)
    this.at = close
    return this.text.slice(from, close)
  }

  quoted(): string {
    return unquote(this.rawQuoted())
  }

  /** A comment with nested comments, without its outer parentheses. */
  comment(): string {
    const from = this.at
    let depth = 0
    while (this.at < this.end) {
      const code = this.text.charCodeAt(this.at++)
      if (code === 92) this.at++
      else if (code === 40) depth++
      else if (code === 41 && --depth === 0) return this.text.slice(from + 1, this.at - 1)
    }
    throw this.fail('the comment has no closing parenthesis', from)
  }

  /** Fails unless the value ends here. */
  finish(): void {
    this.space()
    if (this.at < this.end) throw this.fail('unexpected text')
  }
}

/** The index behind the closing quote of the string that opens at `from`, or -1. */
export function quoteEnd(text: string, from: number, to: number): number {
  let at = from + 1
  for (;;) {
    const quote = text.indexOf('"', at)
    if (quote < 0 || quote >= to) return -1
    // A quote is part of the string if an odd number of backslashes stands before it.
    let backslash = quote
    while (backslash > at && text.charCodeAt(backslash - 1) === 92) backslash--
    if ((quote - backslash) % 2 === 0) return quote + 1
    at = quote + 1
  }
}

/** The meaning of a quoted string; text without quotes is returned as it is. */
export function unquote(raw: string): string {
  if (raw.charCodeAt(0) !== 34) return raw
  const inner = raw.slice(1, -1)
  return inner.includes('\\') ? inner.replace(/\\([^])/g, '$1') : inner
}

export function quote(text: string): string {
  return `"${text.includes('"') || text.includes('\\') ? text.replace(/["\\]/g, '\\$&') : text}"`
}

/**
 * Splits a list at its commas, not at those in quoted strings and between angle brackets. Empty elements are
 * refused (RFC 4475 3.1.2.1) unless the whole value is empty.
 */
export function splitList(text: string): string[] {
  if (!text.includes(',')) return text === '' ? [] : [text]
  const parts: string[] = []
  let from = 0
  let angle = false
  for (let at = 0; at <= text.length; at++) {
    const code = at === text.length ? 44 : text.charCodeAt(at)
    if (code === 34) {
      const close = quoteEnd(text, at, text.length)
      if (close < 0) throw new SipParseError('the quoted string has no closing quote', { offset: at })
      at = close - 1
    } else if (code === 60) angle = true
    else if (code === 62) angle = false
    else if (code === 44 && (!angle || at === text.length)) {
      const part = text.slice(from, at).trim()
      if (part === '') throw new SipParseError('empty list element', { offset: from })
      parts.push(part)
      from = at + 1
    }
  }
  return parts
}
