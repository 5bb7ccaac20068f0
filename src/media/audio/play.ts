import type { LiveAudioSink, PlaySource } from './audio-sink.ts'
import type { Playout } from './playout.ts'

/**
 * Pumps `source` into `sink` and flushes, once the plays before it are over. A clear, an abort or the end of the call settles it at
 * once, even while the source is still thinking; the source is then closed. `sampleRate` is that of chunks which do not name one.
 */
export function playInto(
  sink: LiveAudioSink,
  source: PlaySource,
  sampleRate: number,
  signal: AbortSignal | undefined,
): Promise<Playout> {
  if (sink.ended || signal?.aborted === true) {
    return Promise.resolve(NOTHING)
  }
  return new Promise<Playout>((resolve, reject) => {
    const chunked = source instanceof Int16Array ? pieces(source) : source
    const view = sink.at(('sampleRate' in chunked ? chunked.sampleRate : undefined) ?? sampleRate)
    const turn = sink.queuePlay()
    const iterator = chunked[Symbol.asyncIterator]()
    let begun = false
    let stopped = false
    let flushed: Promise<Playout> | undefined

    const stop = (): void => {
      if (stopped) return
      stopped = true
      forget()
      signal?.removeEventListener('abort', abort)
      turn.over()
    }
    const abandon = (playout: Promise<Playout>): void => {
      stop()
      void playout.then(playout => resolve({ ...playout, interrupted: true }))
      void Promise.resolve(iterator.return?.()).catch(() => undefined)
    }
    const abort = (): void => {
      if (begun) sink.clear()
      else abandon(Promise.resolve(NOTHING))
    }
    // A flush is settled by the clear that is under way, and its count is that of this source alone.
    const forget = sink.onClear(() => abandon(begun ? (flushed ?? sink.flush()) : Promise.resolve(NOTHING)))
    signal?.addEventListener('abort', abort, { once: true })

    const pump = async (): Promise<void> => {
      if (turn.before !== undefined) await turn.before
      if (stopped) return
      begun = true
      sink.boundary()
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

const NOTHING: Playout = { playedMs: 0, droppedMs: 0, interrupted: true }

/** Samples written at a time: short enough that the queue does not hold much more than its high-water mark. */
const PIECE = 1600
