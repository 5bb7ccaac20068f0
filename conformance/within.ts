/** Rejects, saying what did not happen, when it takes longer. */
export async function within<T>(ms: number, work: Promise<T>, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Not ${what} within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** Looks every 20 ms. Rejects, saying what never came, when it takes longer. */
export async function until(is: () => boolean, what: string, ms = 10_000): Promise<void> {
  for (const start = performance.now(); !is();) {
    if (performance.now() - start > ms) throw new Error(`Not within ${ms} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 20))
  }
}
