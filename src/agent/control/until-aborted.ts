/** Resolves when `signal` aborts; never, and without leaving a listener behind, once `over` does. @internal */
export function untilAborted(signal: AbortSignal | undefined, over: AbortSignal): Promise<'aborted'> {
  return new Promise(resolve => {
    if (signal?.aborted === true) resolve('aborted')
    signal?.addEventListener('abort', () => resolve('aborted'), { once: true, signal: over })
  })
}
