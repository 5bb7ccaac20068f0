/** A value that comes once, and a promise of it only if somebody asks: most owners of a session take the callback. */
export class Later<T> {
  #value: T | undefined
  #known = false
  #promise: Promise<T> | undefined
  #resolve: ((value: T) => void) | undefined

  get promise(): Promise<T> {
    this.#promise ??= this.#known
      ? Promise.resolve(this.#value as T)
      : new Promise(resolve => {
          this.#resolve = resolve
        })
    return this.#promise
  }

  /** Only the first value counts. */
  come(value: T): void {
    if (this.#known) return
    this.#known = true
    this.#value = value
    this.#resolve?.(value)
  }
}
