import type { LiveAudioSink, PlaySource } from './audio-sink.ts'
import type { Playout } from './playout.ts'

/**
 * Pumps `source` into `sink` and flushes. A clear, an abort or the end of the call settles it at once, even while
 * the source is still thinking; the source is then closed. `sampleRate` is that of chunks which do not name one.
 */
export function playInto(
  sink: LiveAudioSink,
  source: PlaySource,
  sampleRate: number,
  signal: AbortSignal | undefined,
): Promise<Playout> {
  if (sink.ended || signal?.aborted === true) {
    return Promise.resolve({ playedMs: 0, droppedMs: 0, interrupted: true })
  }
  return new Promise<Playout>((resolve, reject) => {
    sink.boundary()
    const chunked = source instanceof Int16Array ? pieces(source) : source
    const view = sink.at(('sampleRate' in chunked ? chunked.sampleRate : undefined) ?? sampleRate)
    const iterator = chunked[Symbol.asyncIterator]()
    let stopped = false
    let flushed: Promise<Playout> | undefined

    const stop = (): void => {
      if (stopped) return
      stopped = true
      forget()
      signal?.removeEventListener('abort', abort)
    }
    const abort = (): void => {
      sink.clear()
    }
    const forget = sink.onClear(() => {
      stop()
      // A flush is settled by the clear that is under way, and its count is that of this source alone.
      void (flushed ?? sink.flush()).then(playout => resolve({ ...playout, interrupted: true }))
      void Promise.resolve(iterator.return?.()).catch(() => undefined)
    })
    signal?.addEventListener('abort', abort, { once: true })

    const pump = async (): Promise<void> => {
      for (;;) {
        const result = await iterator.next()
        if (stopped) return
        if (result.done === true) break
        await view.write(result.value instanceof Int16Array ? result.value : result.value.samples)
        if (stopped) return
      }
      // Not stopped yet: a clear during this wait still has to report an interruption.
      flushed = view.flush()
      const playout = await flushed
      if (stopped) return
      stop()
      resolve(playout)
    }
    pump().catch((error: unknown) => {
      stop()
      reject(error)
    })
  })
}

async function* pieces(samples: Int16Array): AsyncGenerator<Int16Array, void, undefined> {
  for (let at = 0; at < samples.length; at += PIECE) yield samples.subarray(at, at + PIECE)
}

/** Samples written at a time: short enough that the queue does not hold much more than its high-water mark. */
const PIECE = 1600
