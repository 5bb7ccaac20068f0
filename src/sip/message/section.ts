import { Buffer } from 'node:buffer'
/** How the lines of a received section end. */
export type LineBreaks = 'crlf' | 'lf' | 'stray'

/** How much is turned into text before the end of the header section is known. */
const usualHead = 4096

/** Start line and headers as text, and perhaps some of the body: to cut it off first would cost more. */
function headText(bytes: Buffer): string {
  if (bytes.length <= usualHead) return bytes.toString('latin1')
  const end = bytes.indexOf('\r\n\r\n')
  return bytes.toString('latin1', 0, end < 0 ? bytes.length : end + 4)
}

/** The octets of one received message up to its body, with offsets that hold in the bytes and in the text. */
export class Section {
  readonly bytes: Buffer
  /** One character an octet; `textAt` gives what they mean. */
  readonly octets: string
  #start = 0
  #end = 0
  #ascii: boolean | undefined
  #breaks: LineBreaks | undefined

  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.octets = headText(bytes)
    this.#ascii = undefined
    this.#breaks = undefined
  }

  /** Says where the header lines are. */
  close(start: number, end: number): void {
    this.#start = start
    this.#end = end
  }

  /** Where the text goes on behind spaces and tabs. */
  skipSpace(from: number): number {
    const { bytes } = this
    let at = from
    while (bytes[at] === 32 || bytes[at] === 9) at++
    return at
  }

  /** Where text up to `to` ends without the space and the line break behind it. */
  trimmedEnd(from: number, to: number): number {
    const { bytes } = this
    let end = to
    for (; end > from; end--) {
      const code = bytes[end - 1] as number
      if (code !== 10 && code !== 13 && code !== 32 && code !== 9) break
    }
    return end
  }

  textAt(from: number, to: number): string {
    const text = this.octets.slice(from, to)
    // Counting is the quickest native way to find an octet beyond ASCII.
    this.#ascii ??= Buffer.byteLength(this.octets) === this.octets.length
    return this.#ascii ? text : fromOctets(text)
  }

  /** Only a section of `crlf` may be sent on as it is; in a `stray` one a CR stands without LF (or LF within a line). */
  get breaks(): LineBreaks {
    return (this.#breaks ??= this.#lookAtBreaks())
  }

  #lookAtBreaks(): LineBreaks {
    const { octets } = this
    let breaks: LineBreaks = 'crlf'
    let cr = -1
    for (let at = this.#start; at < this.#end;) {
      if (cr < at) cr = octets.indexOf('\r', at)
      if (cr < 0 || cr >= this.#end) return 'lf'
      const lf = octets.indexOf('\n', at)
      if (lf < 0 || lf > cr + 1) return 'stray'
      if (lf < cr) breaks = 'lf'
      at = lf + 1
    }
    return breaks
  }
}

const beyondAscii = /[\u0080-\uffff]/

/** UTF-8 text from a string of octets. */
export function fromOctets(octets: string): string {
  return beyondAscii.test(octets) ? Buffer.from(octets, 'latin1').toString('utf8') : octets
}

/** A string of octets from text: what `latin1Write` needs to put UTF-8 on the wire. */
export function toOctets(text: string): string {
  return beyondAscii.test(text) ? Buffer.from(text, 'utf8').toString('latin1') : text
}
