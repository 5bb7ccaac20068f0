import { isAscii } from 'node:buffer'

/** How the lines of a received section end. */
export type LineBreaks = 'crlf' | 'lf' | 'stray'

/** The octets of one received header section, turned into text once, when the first value is asked for. */
export class Section {
  readonly #bytes: Buffer
  readonly #start: number
  #end: number
  #text: string | undefined
  #ascii = true
  #breaks: LineBreaks | undefined

  constructor(bytes: Buffer, start: number) {
    this.#bytes = bytes
    this.#start = start
    this.#end = start
  }

  /** Says where the section ends. */
  close(end: number): void {
    this.#end = end
    this.#text = undefined
  }

  /** One character an octet, so that offsets hold; `textAt` gives what it means. */
  get octets(): string {
    if (this.#text === undefined) {
      // One native pass over the whole section costs less than one for each value.
      this.#text = this.#bytes.toString('latin1', 0, this.#end)
      this.#ascii = isAscii(this.#bytes)
    }
    return this.#text
  }

  textAt(from: number, to: number): string {
    const text = this.octets.slice(from, to)
    return this.#ascii ? text : fromOctets(text)
  }

  /** Only a section of `crlf` may be sent on as it is; in a `stray` one a CR stands without LF (or LF within a line). */
  get breaks(): LineBreaks {
    return (this.#breaks ??= this.#lookAtBreaks())
  }

  #lookAtBreaks(): LineBreaks {
    const bytes = this.#bytes
    let breaks: LineBreaks = 'crlf'
    for (let at = this.#start; at < this.#end; at++) {
      const code = bytes[at] as number
      if (code > 13) continue
      if (code === 13) {
        if (bytes[at + 1] !== 10) return 'stray'
        at++
      } else if (code === 10) breaks = 'lf'
    }
    return breaks
  }
}

/** UTF-8 text from a string of octets. */
export function fromOctets(octets: string): string {
  for (let at = 0; at < octets.length; at++) {
    if (octets.charCodeAt(at) > 127) return Buffer.from(octets, 'latin1').toString('utf8')
  }
  return octets
}

/** A string of octets from text: what `latin1Write` needs to put UTF-8 on the wire. */
export function toOctets(text: string): string {
  for (let at = 0; at < text.length; at++) {
    if (text.charCodeAt(at) > 127) return Buffer.from(text, 'utf8').toString('latin1')
  }
  return text
}
