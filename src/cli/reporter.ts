import type { Writable } from 'node:stream'

/** What a command tells its user: a stable event for programs, a sentence for people. */
export interface Report {
  readonly event: string
  readonly [field: string]: unknown
}

/** One line per event: JSON for programs, a sentence otherwise, and on a terminal a status line below that is redrawn. */
export class Reporter {
  readonly #json: boolean
  readonly #out: Writable & { readonly isTTY?: boolean; readonly columns?: number }
  #status = ''
  #closed = false
  #whenClosed: (() => void) | undefined

  constructor(options: { readonly json: boolean; readonly out?: Writable }) {
    this.#json = options.json
    this.#out = options.out ?? process.stdout
    // Stays for good: an error of a stream that nobody listens for ends the process.
    this.#out.on('error', () => {
      if (this.#closed) return
      this.#closed = true
      this.#whenClosed?.()
    })
  }

  /** Whether a status line is shown. */
  get live(): boolean {
    return !this.#json && this.#out.isTTY === true
  }

  /** Once nobody reads any more what is printed (`| head`), nothing is printed any more and `stop` is called. */
  whenClosed(stop: () => void): void {
    this.#whenClosed = stop
    if (this.#closed) stop()
  }

  say(report: Report, sentence: string): void {
    this.#line(this.#json ? JSON.stringify(report) : sentence)
  }

  /** For people only: nothing is printed as JSON. */
  text(sentence: string): void {
    if (!this.#json) this.#line(sentence)
  }

  status(text: string): void {
    if (!this.live) return
    const width = (this.#out.columns ?? 80) - 1
    this.#status = text.slice(0, width)
    this.#write(`\r\u001B[K${this.#status}`)
  }

  #line(line: string): void {
    this.#write(this.#status === '' ? `${line}\n` : `\r\u001B[K${line}\n${this.#status}`)
  }

  /** Leaves the terminal as it was. */
  end(): void {
    if (this.#status !== '') this.#write('\r\u001B[K')
    this.#status = ''
  }

  #write(text: string): void {
    if (!this.#closed) this.#out.write(text)
  }
}
