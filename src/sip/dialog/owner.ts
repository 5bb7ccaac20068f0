/**
 * Calls a method of the owner that has an outcome and goes on with it: at once when it gave a value, later when it gave a promise. An error,
 * of the owner or of what follows, goes to `failed`, once.
 */
export function consult<T>(
  ask: () => T | Promise<T>,
  done: (value: T) => void,
  failed: (error: unknown) => void,
): void {
  try {
    const outcome = ask()
    if (!isPromise(outcome)) {
      done(outcome)
      return
    }
    outcome.then(value => done(value)).catch((error: unknown) => failed(error))
  } catch (error) {
    failed(error)
  }
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value
}
