import { OptionError } from '../../runtime/errors.ts'
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
    const chunked = source instanceof Int16Array ? pieces(source) : checkSource(source)
    const view = sink.at(('sampleRate' in chunked ? chunked.sampleRate : undefined) ?? sampleRate)
    const iterator = chunked[Symbol.asyncIterator]()
    const turn = sink.queuePlay()
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
      close(iterator)
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
        await view.write('samples' in result.value ? result.value.samples : result.value)
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
      close(iterator)
      reject(error)
    })
  })
}

/** Nothing of it is wanted any more; whether it likes that is of no interest. */
function close(iterator: AsyncIterator<unknown>): void {
  void (async () => iterator.return?.())().catch(() => undefined)
}

function checkSource<T extends object>(source: T): T {
  if (typeof source === 'object' && source !== null && Symbol.asyncIterator in source) return source
  throw new OptionError(
    'source',
    'it is no sound; give an Int16Array, an async iterable of them, or what openSound() returns',
  )
}

async function* pieces(samples: Int16Array): AsyncGenerator<Int16Array, void, undefined> {
  for (let at = 0; at < samples.length; at += PIECE) yield samples.subarray(at, at + PIECE)
}

const NOTHING: Playout = { playedMs: 0, droppedMs: 0, interrupted: true }

/** Samples written at a time: short enough that the queue does not hold much more than its high-water mark. */
const PIECE = 1600
