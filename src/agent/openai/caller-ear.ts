import type { AudioFrame } from '../../media/audio/audio-source.ts'
import type { DtmfDigit } from '../../media/session/types.ts'
import type { Clock, Timer } from '../../runtime/runtime.ts'
import type { AgentSession } from '../agent.ts'
import { encodeAudio } from '../streams/audio-format.ts'
import type { StreamFormat } from '../streams/dialect.ts'
import { base64Of } from '../streams/json.ts'

/** Keys kept of those pressed without a pause. */
const MAX_KEYS = 128

export interface CallerEarOptions {
  readonly session: AgentSession
  readonly clock: Clock
  /** Of the audio for the model. */
  readonly format: StreamFormat
  /** So long after the last key they are told together; undefined: never. */
  readonly gatherMs: number | undefined
  /** One frame, in base64. */
  readonly onAudio: (audio: string) => void
  readonly onDigit: (digit: DtmfDigit) => void
  readonly onKeys: (keys: string) => void
}

/** What the caller says and presses, for a model, until it is closed. */
export class CallerEar {
  readonly #options: CallerEarOptions
  readonly #frames: AsyncIterator<AudioFrame>
  readonly #digits: AsyncIterator<DtmfDigit>
  readonly #listening: Promise<unknown>
  #closed = false
  #keys = ''
  #timer: Timer | undefined

  /** @param onBroken somebody else reads what the caller says */
  constructor(options: CallerEarOptions, onBroken: (cause: unknown) => void) {
    const { session, format } = options
    this.#options = options
    // A live relay: what was said while the model was dialled would keep it that much behind.
    session.input.clear()
    this.#frames = session.input.at(format.sampleRate)[Symbol.asyncIterator]()
    this.#digits = session.dtmf()[Symbol.asyncIterator]()
    this.#listening = Promise.all([this.#hear(), this.#feel()]).catch(onBroken)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await Promise.all([this.#frames.return?.(), this.#digits.return?.()])
    await this.#listening
  }

  async #hear(): Promise<void> {
    const { format, onAudio } = this.#options
    for (;;) {
      const { done, value } = await this.#frames.next()
      if (done === true || this.#closed) return
      onAudio(base64Of(encodeAudio(format, value.samples)))
    }
  }

  async #feel(): Promise<void> {
    for (;;) {
      const { done, value } = await this.#digits.next()
      if (done === true || this.#closed) return
      this.#options.onDigit(value)
      this.#gather(value.digit)
    }
  }

  #gather(digit: string): void {
    const { clock, gatherMs, onKeys } = this.#options
    if (gatherMs === undefined) return
    this.#keys = (this.#keys + digit).slice(-MAX_KEYS)
    this.#timer?.cancel()
    this.#timer = clock.setTimer(clock.now() + gatherMs, () => {
      const keys = this.#keys
      this.#keys = ''
      if (!this.#closed) onKeys(keys)
    })
  }
}
