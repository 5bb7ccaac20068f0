import { resolve } from 'node:path'
import type { Recording, RecordingOptions } from '../media/audio/recording.ts'
import type { MediaSession } from '../media/session/media-session.ts'
import { OptionError, SipError } from '../runtime/errors.ts'

/** The files one call is recorded to; `taken` are those of the whole endpoint, so that no two recordings share one. */
export class CallRecordings {
  readonly #taken: Set<string>
  readonly #own: string[] = []

  constructor(taken: Set<string>) {
    this.#taken = taken
  }

  /** @throws OptionError a file that is taken, or cannot be written */
  async start(media: MediaSession, target: string, options: RecordingOptions): Promise<Recording> {
    const file = resolve(target)
    if (this.#taken.has(file))
      throw new OptionError('file', 'another recording is being written there; give each its own file')
    this.#taken.add(file)
    try {
      const recording = await media.record(target, options)
      this.#own.push(file)
      return recording
    } catch (error) {
      this.#taken.delete(file)
      if (error instanceof SipError) throw error
      throw new OptionError('file', `the recording cannot be written: ${(error as Error).message}`, {
        cause: error,
      })
    }
  }

  /** The call is over. */
  release(): void {
    for (const file of this.#own) this.#taken.delete(file)
  }
}
