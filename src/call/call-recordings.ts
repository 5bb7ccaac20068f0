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
      throw new OptionError(
        'file',
        `a recording of a call that is up is there already: ${file}; give each its own file`,
      )
    this.#taken.add(file)
    try {
      const recording = await media.record(target, options)
      this.#own.push(file)
      return recording
    } catch (error) {
      this.#taken.delete(file)
      if (error instanceof SipError) throw error
      const { code, message } = error as NodeJS.ErrnoException
      const advice = ADVICE[code ?? '']
      throw new OptionError(
        'file',
        `the recording cannot be written: ${message}${advice === undefined ? '' : `; ${advice}`}`,
        {
          cause: error,
        },
      )
    }
  }

  /** The call is over. */
  release(): void {
    for (const file of this.#own) this.#taken.delete(file)
  }
}

const ADVICE: Readonly<Record<string, string>> = {
  ENOENT: 'make the folder first',
  EACCES: 'let the process write there',
  EPERM: 'let the process write there',
  EISDIR: 'name a file in that folder',
  ENOTDIR: 'name a file in a folder',
}
