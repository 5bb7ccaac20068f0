import type { Words } from './dialect.ts'

const MAX_TURNS = 64
const MAX_LENGTH = 2000

/** What was said lately, for a session that goes on where another broke off. */
export class Transcript {
  readonly #turns: Words[] = []
  #open = false

  add({ role, text }: Words, piece: boolean): void {
    if (text === '') return
    const last = this.#turns.at(-1)
    if (piece && this.#open && last?.role === role) {
      this.#turns[this.#turns.length - 1] = { role, text: (last.text + text).slice(-MAX_LENGTH) }
      return
    }
    this.#open = piece
    this.#turns.push({ role, text: text.slice(-MAX_LENGTH) })
    if (this.#turns.length > MAX_TURNS) this.#turns.shift()
  }

  get turns(): readonly Words[] {
    return this.#turns.filter(({ text }) => text.trim() !== '')
  }
}
