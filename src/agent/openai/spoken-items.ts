import type { AudioSink } from '../../media/audio/audio-sink.ts'
import type { Playout } from '../../media/audio/playout.ts'
import { AudioDecoder } from '../streams/audio-format.ts'
import type { StreamFormat } from '../streams/dialect.ts'

/** Which audio a chunk belongs to: the ids of the Realtime API. */
export interface SpokenItem {
  readonly responseId: string
  readonly itemId: string
  readonly contentIndex: number
}

/** An item that was cut off, and how much of it the caller has heard. */
export interface CutItem extends SpokenItem {
  /** Whole milliseconds, never more than the item has. */
  readonly heardMs: number
}

interface Entry extends SpokenItem {
  /** Where it begins in all that was said since the last cut, milliseconds. */
  readonly startMs: number
  lengthMs: number
  /** The model has no more of it to come. */
  done: boolean
}

/** Items not heard to the end at a time; of more, the oldest are forgotten and heard on. */
const MAX_ITEMS = 1000

/** Positions are good to a few samples where rates are converted. */
const TOLERANCE_MS = 0.5

/** What the model says, item by item, on its way to the caller: what of it was heard is known at any time. */
export class SpokenItems {
  readonly #view: AudioSink
  readonly #output: AudioSink
  readonly #decoder: AudioDecoder
  readonly #maxBufferedMs: number
  #entries: Entry[] = []
  #writtenMs = 0
  /** What of it is or was in the queue: conversion holds the last few milliseconds back. */
  #queuedMs = 0
  #droppedMs = 0

  constructor(output: AudioSink, format: StreamFormat, maxBufferedMs: number) {
    this.#output = output
    this.#view = output.at(format.sampleRate)
    this.#decoder = new AudioDecoder(format)
    this.#maxBufferedMs = maxBufferedMs
  }

  /** Of audio that found the buffer full. */
  get droppedMs(): number {
    return this.#droppedMs
  }

  play(item: SpokenItem, audio: Uint8Array): void {
    const entry = this.#entryOf(item)
    const samples = this.#decoder.decode(audio)
    const { sampleRate } = this.#view
    const roomMs = Math.max(0, this.#maxBufferedMs - this.#output.bufferedMs)
    const taken = Math.min(samples.length, Math.floor((roomMs * sampleRate) / 1000))
    this.#droppedMs += ((samples.length - taken) * 1000) / sampleRate
    if (taken === 0) return
    // Its promise tells of room, which the model does not ask for; the bound above is below that of the sink.
    void this.#queue(() => this.#view.write(samples.subarray(0, taken)))
    const takenMs = (taken * 1000) / sampleRate
    this.#writtenMs += takenMs
    entry.lengthMs += takenMs
  }

  /** The model has said all of the item: its last samples need not wait for more. */
  done(itemId: string, contentIndex: number): void {
    for (const entry of this.#entries)
      if (entry.itemId === itemId && entry.contentIndex === contentIndex) entry.done = true
    void this.#drain()
    this.#forgetHeard()
  }

  /** Settles when all so far has been heard, or was cut off. */
  heard(): Promise<Playout> {
    return this.#drain()
  }

  /** Drops what was not heard yet. The items that were not heard to their end, in order; none: nothing was dropped. */
  cut(): readonly CutItem[] {
    this.#forgetHeard()
    const entries = this.#entries
    if (entries.length === 0) return []
    const positionMs = this.#heardMs
    this.#output.clear()
    this.#decoder.reset()
    this.#entries = []
    this.#writtenMs = 0
    this.#queuedMs = 0
    return entries.map(({ responseId, itemId, contentIndex, startMs, lengthMs }) => ({
      responseId,
      itemId,
      contentIndex,
      heardMs: Math.floor(Math.max(0, Math.min(lengthMs, positionMs - startMs))),
    }))
  }

  get #heardMs(): number {
    return this.#queuedMs - this.#output.bufferedMs
  }

  #entryOf(item: SpokenItem): Entry {
    const last = this.#entries.at(-1)
    if (last?.itemId === item.itemId && last.contentIndex === item.contentIndex) return last
    this.#forgetHeard()
    if (this.#entries.length >= MAX_ITEMS) this.#entries.shift()
    const entry: Entry = { ...item, startMs: this.#writtenMs, lengthMs: 0, done: false }
    this.#entries.push(entry)
    return entry
  }

  #forgetHeard(): void {
    const positionMs = this.#heardMs + TOLERANCE_MS
    this.#entries = this.#entries.filter(
      ({ done, startMs, lengthMs }) => !done || startMs + lengthMs > positionMs,
    )
  }

  #drain(): Promise<Playout> {
    const heard = this.#queue(() => this.#view.flush())
    // What conversion held back is in the queue now, give or take a sample.
    this.#queuedMs = this.#writtenMs
    heard.catch(() => {})
    return heard
  }

  #queue<T>(act: () => Promise<T>): Promise<T> {
    const beforeMs = this.#output.bufferedMs
    const settled = act()
    settled.catch(() => {})
    this.#queuedMs += this.#output.bufferedMs - beforeMs
    return settled
  }
}
