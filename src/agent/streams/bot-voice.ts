import type { AudioSink } from '../../media/audio/audio-sink.ts'
import type { Playout } from '../../media/audio/playout.ts'
import { AudioDecoder } from './audio-format.ts'
import type { StreamFormat } from './dialect.ts'

/** Marks waiting at a time; more are not echoed, and counted. */
export const MAX_MARKS = 10_000

/** Samples short of a packet wait so long for the bot to go on, ms; then they are played with silence behind them. */
const TAIL_MS = 60

interface Mark {
  readonly name: string
  /** Milliseconds of audio written before it. */
  readonly positionMs: number
}

export interface BotVoiceOptions {
  readonly output: AudioSink
  /** The most that waits to be played. */
  readonly maxBufferedMs: number
  /** In the order the marks were set; `reached` is false when what was before it has been cleared. */
  readonly onMark: (name: string, reached: boolean) => void
}

/** What the bot says, on its way to the caller, with the marks in it. `tick` is called about every 20 ms. */
export class BotVoice {
  readonly #options: BotVoiceOptions
  /** One for each format the bot has sent: the dialects know three at the most. */
  readonly #decoders = new Map<string, AudioDecoder>()
  readonly #marks: Mark[] = []
  #writtenMs = 0
  #lastWriteMs = 0
  #nowMs = 0
  #tail = false
  #droppedMs = 0
  #marksDropped = 0

  constructor(options: BotVoiceOptions) {
    this.#options = options
  }

  /** Of audio that found the buffer full. */
  get droppedMs(): number {
    return this.#droppedMs
  }

  get marksDropped(): number {
    return this.#marksDropped
  }

  play(audio: Uint8Array, format: StreamFormat): void {
    const { output, maxBufferedMs } = this.#options
    const { sampleRate } = format
    const samples = this.#decoder(format).decode(audio)
    const roomMs = Math.max(0, maxBufferedMs - output.bufferedMs)
    const taken = Math.min(samples.length, Math.floor((roomMs * sampleRate) / 1000))
    this.#droppedMs += ((samples.length - taken) * 1000) / sampleRate
    if (taken === 0) return
    this.#writtenMs += (taken * 1000) / sampleRate
    this.#lastWriteMs = this.#nowMs
    this.#tail = true
    // Its promise tells of room, which the bot does not ask for; the bound above is below that of the sink.
    output
      .at(sampleRate)
      .write(samples.subarray(0, taken))
      .catch(() => {})
  }

  mark(name: string): void {
    if (this.#marks.length === 0 && this.#options.output.bufferedMs === 0) {
      this.#options.onMark(name, true)
    } else if (this.#marks.length < MAX_MARKS) {
      this.#marks.push({ name, positionMs: this.#writtenMs })
    } else this.#marksDropped += 1
  }

  /** Barge-in. */
  clear(): Playout {
    const playout = this.#options.output.clear()
    for (const decoder of this.#decoders.values()) decoder.reset()
    this.#writtenMs = 0
    this.#tail = false
    for (const { name } of this.#marks.splice(0)) this.#options.onMark(name, false)
    return playout
  }

  /** @param nowMs on the clock of the frames that come in */
  tick(nowMs: number): void {
    this.#nowMs = nowMs
    if (!this.#tail) return
    const { output } = this.#options
    const { bufferedMs } = output
    const playedMs = this.#writtenMs - bufferedMs
    let reached = 0
    // Rates are converted in chunks, so that positions are good to a sample only.
    while ((this.#marks[reached]?.positionMs ?? Infinity) <= playedMs + 0.5) reached += 1
    for (const { name } of this.#marks.splice(0, reached)) this.#options.onMark(name, true)
    if (nowMs - this.#lastWriteMs < TAIL_MS || bufferedMs >= 20) return
    if (bufferedMs === 0) this.#tail = false
    output.flush().catch(() => {})
  }

  #decoder(format: StreamFormat): AudioDecoder {
    const key = `${format.encoding}/${format.sampleRate}`
    let decoder = this.#decoders.get(key)
    if (decoder === undefined) this.#decoders.set(key, (decoder = new AudioDecoder(format)))
    return decoder
  }
}
