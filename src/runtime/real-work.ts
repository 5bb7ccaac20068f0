/** What the process waits for that no clock of ours governs: files, modules being loaded and compiled. */
const pending: Set<Promise<unknown>> = new Set()

/**
 * Everything of the library that does such work while a call may be up goes through here, so that a simulator can let its
 * time stand still meanwhile. Real time takes no notice. Returns `work`.
 */
export function realWork<T>(work: Promise<T>): Promise<T> {
  pending.add(work)
  const forget = (): void => {
    pending.delete(work)
  }
  work.then(forget, forget)
  return work
}

/** What has not settled yet, of the whole process. */
export function pendingRealWork(): ReadonlySet<Promise<unknown>> {
  return pending
}
