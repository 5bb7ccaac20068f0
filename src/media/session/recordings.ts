import { CallRecording } from '../audio/recording.ts'
import type { CallRecordingOptions, Recording } from '../audio/recording.ts'
import type { RecordingSink } from '../audio/recording-sink.ts'
import type { MediaEvent } from './types.ts'

/** What becomes of a session's recordings. */
export interface RecordingsEvents {
  publish(event: Pick<MediaEvent, 'kind' | 'file' | 'error'>): void
  /** One has broken off. */
  onFail(error: Error, file: string | undefined): void
  /** There is a first one now, or none any more. */
  onSome(): void
}

/** The recordings of one session that are under way: any number, each with a beginning and an end of its own. */
export class SessionRecordings {
  readonly #running: Set<CallRecording> = new Set()
  readonly #events: RecordingsEvents

  constructor(events: RecordingsEvents) {
    this.#events = events
  }

  get some(): boolean {
    return this.#running.size > 0
  }

  /** Rejects when the file cannot be made. */
  async open(
    target: string | RecordingSink,
    options: Omit<CallRecordingOptions, 'onFail' | 'onStop'>,
  ): Promise<Recording> {
    const events = this.#events
    const recording = await CallRecording.open(target, {
      ...options,
      onFail: (failed, error) => {
        events.publish({ kind: 'recording-error', ...fileOf(failed), error: error.message })
        events.onFail(error, failed.file)
      },
      onStop: stopped => {
        if (!this.#running.delete(stopped)) return
        events.onSome()
        events.publish({ kind: 'recording-stop', ...fileOf(stopped) })
      },
    })
    this.#running.add(recording)
    events.onSome()
    events.publish({ kind: 'recording-start', ...fileOf(recording) })
    return recording
  }

  turn(dueAt: number, heard: Int16Array | undefined, sent: Int16Array | undefined): void {
    for (const recording of this.#running) recording.turn(dueAt, heard, sent)
  }

  /** Settles when all are written. */
  async stop(): Promise<void> {
    await Promise.all([...this.#running].map(recording => recording.stop()))
  }
}

function fileOf(recording: CallRecording): { readonly file?: string } {
  return recording.file === undefined ? {} : { file: recording.file }
}
