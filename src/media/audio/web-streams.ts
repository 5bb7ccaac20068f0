import { ReadableStream, WritableStream } from 'node:stream/web'
import type { AudioFrame, AudioSource } from './audio-source.ts'
import type { AudioSink } from './audio-sink.ts'

/** A web stream over any source; each frame is a copy, so that it may be kept. */
export function readableOf(source: AudioSource): ReadableStream<AudioFrame> {
  let iterator: AsyncIterator<AudioFrame> | undefined
  return new ReadableStream<AudioFrame>(
    {
      async pull(controller) {
        iterator ??= source[Symbol.asyncIterator]()
        const { done, value } = await iterator.next()
        if (done === true) controller.close()
        else {
          controller.enqueue({
            samples: value.samples.slice(),
            timestampMs: value.timestampMs,
            concealed: value.concealed,
          })
        }
      },
      async cancel() {
        await iterator?.return?.()
      },
    },
    // Frames waiting in the stream could not be dropped when they are old.
    { highWaterMark: 0 },
  )
}

/** A web stream into any sink: closing it flushes, aborting it clears. */
export function writableOf(sink: AudioSink): WritableStream<Int16Array> {
  return new WritableStream<Int16Array>(
    {
      start: controller => {
        // The hook `abort` would wait for the write that is waiting for room.
        controller.signal.addEventListener('abort', () => sink.clear(), { once: true })
      },
      write: samples => sink.write(samples),
      close: async () => {
        await sink.flush()
      },
    },
    { highWaterMark: 0 },
  )
}
