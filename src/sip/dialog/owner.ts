/**
 * Calls a method of the owner that has an outcome and goes on with it: at once when it gave a value, later when it gave a promise. An error,
 * of the owner or of what follows, goes to `refuse`, once.
 */
export function consult<T>(
  ask: () => T | Promise<T>,
  accept: (value: T) => void,
  refuse: (error: unknown) => void,
): void {
  try {
    const outcome = ask()
    if (!isPromise(outcome)) {
      accept(outcome)
      return
    }
    outcome.then(value => accept(value)).catch((error: unknown) => refuse(error))
  } catch (error) {
    refuse(error)
  }
}

function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof value === 'object' && value !== null && 'then' in value
}
