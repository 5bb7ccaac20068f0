/** Responses whose end never came. */
const MAX_DISCARDED = 100

export interface Wanted {
  readonly instructions?: string
}

/** Which response of the model is under way, and which is to follow: the API takes one at a time. */
export class Turns {
  /** Empty when it was asked for and has not begun. */
  #active: string | undefined
  #wanted: Wanted | undefined
  #asked: Wanted = {}
  readonly #discarded = new Set<string>()

  /** Whether one is under way, or was asked for. */
  get busy(): boolean {
    return this.#active !== undefined
  }

  /** Whether one has begun that can be cancelled. */
  get begun(): boolean {
    return this.#active !== undefined && this.#active !== ''
  }

  /** Whether to ask for it now; otherwise it is wanted when the one under way is over. */
  ask(wanted: Wanted): boolean {
    if (this.#active !== undefined) {
      this.#wanted = wanted
      return false
    }
    this.#wanted = undefined
    this.#asked = wanted
    this.#active = ''
    return true
  }

  begin(id: string): void {
    // The model began of itself.
    if (this.#active !== '') this.#asked = {}
    this.#active = id
  }

  /** What the response that began last was asked for with. */
  get asked(): Wanted {
    return this.#asked
  }

  /** What is wanted next. */
  over(id: string): Wanted | undefined {
    this.#discarded.delete(id)
    this.#active = undefined
    return this.#wanted
  }

  /** Something that was asked for was refused, perhaps a response. @param another because another one is under way */
  refused(another: boolean): void {
    if (this.#active === '') this.#active = undefined
    if (another) this.#wanted ??= this.#asked
  }

  /** What still comes of the one under way is not to be heard. */
  discard(): void {
    if (this.#active === undefined || this.#active === '') return
    this.#discarded.add(this.#active)
    if (this.#discarded.size > MAX_DISCARDED) this.#discarded.clear()
  }

  discarded(id: string): boolean {
    return this.#discarded.has(id)
  }

  /** A new session, which knows of none. */
  forget(): void {
    this.#active = undefined
    this.#wanted = undefined
    this.#asked = {}
    this.#discarded.clear()
  }
}
