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
  /** Of the view of `output` in the rate written last. */
  #view: AudioSink | undefined
  /** What the bot has given, and what of it is or was in the queue: conversion holds the last few milliseconds back. */
  #writtenMs = 0
  #queuedMs = 0
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
    const view = output.at(sampleRate)
    if (view !== this.#view) this.#drain()
    this.#view = view
    // Its promise tells of room, which the bot does not ask for; the bound above is below that of the sink.
    this.#queue(() => view.write(samples.subarray(0, taken)))
    this.#writtenMs += (taken * 1000) / sampleRate
    this.#lastWriteMs = this.#nowMs
    this.#tail = true
  }

  mark(name: string): void {
    if (this.#marks.length === 0 && this.#hasPlayed(this.#writtenMs)) {
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
    this.#queuedMs = 0
    this.#tail = false
    for (const { name } of this.#marks.splice(0)) this.#options.onMark(name, false)
    return playout
  }

  /** @param nowMs on the clock of the frames that come in */
  tick(nowMs: number): void {
    this.#nowMs = nowMs
    if (!this.#tail) return
    const { output } = this.#options
    this.#settleMarks()
    if (nowMs - this.#lastWriteMs < TAIL_MS || output.bufferedMs >= 20) return
    this.#drain()
    if (output.bufferedMs > 0) return
    this.#tail = false
    this.#settleMarks()
  }

  /** What conversion holds back is at the end of a sentence, or before a chunk of another rate. */
  #drain(): void {
    this.#queue(() => this.#view?.flush())
    this.#writtenMs = this.#queuedMs
  }

  #queue(act: () => Promise<unknown> | undefined): void {
    const { output } = this.#options
    const beforeMs = output.bufferedMs
    act()?.catch(() => {})
    this.#queuedMs += output.bufferedMs - beforeMs
  }

  #settleMarks(): void {
    let reached = 0
    while (this.#hasPlayed(this.#marks[reached]?.positionMs ?? Infinity)) reached += 1
    for (const { name } of this.#marks.splice(0, reached)) this.#options.onMark(name, true)
  }

  /** Positions are good to a few samples where rates are converted. */
  #hasPlayed(positionMs: number): boolean {
    return positionMs <= this.#queuedMs - this.#options.output.bufferedMs + 0.5
  }

  #decoder(format: StreamFormat): AudioDecoder {
    const key = `${format.encoding}/${format.sampleRate}`
    let decoder = this.#decoders.get(key)
    if (decoder === undefined) this.#decoders.set(key, (decoder = new AudioDecoder(format)))
    return decoder
  }
}
