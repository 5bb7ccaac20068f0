/** Ctrl-C asks politely once; the second time it ends the process at once. SIGTERM is the polite kind only. */
export function onInterrupt(politely: () => void): () => void {
  let asked = false
  const handler = (signal: NodeJS.Signals): void => {
    if (asked && signal === 'SIGINT') process.exit(130)
    if (!asked) politely()
    asked = true
  }
  process.on('SIGINT', handler)
  process.on('SIGTERM', handler)
  return () => {
    process.off('SIGINT', handler)
    process.off('SIGTERM', handler)
  }
}
