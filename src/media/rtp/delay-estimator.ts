export interface DelayEstimatorOptions {
  readonly minDelayMs: number
  readonly maxDelayMs: number
  readonly startDelayMs: number
  /** Added to what the packets ask for, ms. */
  readonly marginMs: number
}

/** The baseline is the fastest packet of the last four blocks, so that it follows drift between the clocks. */
const BLOCKS = 4
const BLOCK_MS = 2500
const BIN_MS = 5
const BINS = 128
/** What part of the packets is to be in time. */
const QUANTILE = 0.99
/** Weight of each packet over the one before: half is forgotten after 350 packets. */
const GROWTH = 1 / 0.998
const MAX_WEIGHT = 1e9
/** Packets before less than the start delay is believed. */
const LEARNING = 50
const UPDATE_EVERY = 8

/** How late packets come, against the fastest ones, and the play-out delay that asks for. Pure. */
export class DelayEstimator {
  targetMs: number
  /** Transit time of the fastest recent packet, on the arbitrary zero of the transit times; NaN before the first. */
  baselineMs: number = NaN
  readonly #options: DelayEstimatorOptions
  readonly #blocks = new Float64Array(BLOCKS).fill(Infinity)
  #block = 0
  #blockEnds = 0
  readonly #histogram = new Float64Array(BINS)
  #weight = 1
  #total = 0
  #count = 0

  constructor(options: DelayEstimatorOptions) {
    this.#options = options
    this.targetMs = options.startDelayMs
  }

  /** Takes the transit time (arrival minus media time, ms) of a packet; returns how far it is behind the fastest. */
  observe(transitMs: number, now: number): number {
    if (this.#count === 0 || now >= this.#blockEnds + BLOCKS * BLOCK_MS) this.#restart(now)
    while (now >= this.#blockEnds) this.#nextBlock()
    if (transitMs < this.#blocks[this.#block]!) {
      this.#blocks[this.#block] = transitMs
      if (!(transitMs >= this.baselineMs)) this.baselineMs = transitMs
    }
    const delayMs = transitMs - this.baselineMs
    const bin = Math.min(BINS - 1, Math.floor(delayMs / BIN_MS))
    this.#histogram[bin]! += this.#weight
    this.#total += this.#weight
    this.#weight *= GROWTH
    if (this.#weight > MAX_WEIGHT) this.#rescale()
    this.#count += 1
    if (this.#count % UPDATE_EVERY === 0) this.#update()
    return delayMs
  }

  // A pause longer than the whole window leaves no fastest packet to compare with; the histogram stays.
  #restart(now: number): void {
    this.#blocks.fill(Infinity)
    this.baselineMs = NaN
    this.#blockEnds = now + BLOCK_MS
  }

  #nextBlock(): void {
    this.#block = (this.#block + 1) % BLOCKS
    this.#blocks[this.#block] = Infinity
    this.#blockEnds += BLOCK_MS
    let least = Infinity
    for (const value of this.#blocks) if (value < least) least = value
    this.baselineMs = least === Infinity ? NaN : least
  }

  #update(): void {
    const { minDelayMs, maxDelayMs, startDelayMs, marginMs } = this.#options
    const wanted = this.#total * QUANTILE
    let seen = 0
    let bin = 0
    for (; bin < BINS - 1; bin += 1) {
      seen += this.#histogram[bin]!
      if (seen >= wanted) break
    }
    const floor = this.#count < LEARNING ? startDelayMs : minDelayMs
    this.targetMs = Math.min(maxDelayMs, Math.max(floor, (bin + 1) * BIN_MS + marginMs))
  }

  #rescale(): void {
    for (let bin = 0; bin < BINS; bin += 1) this.#histogram[bin]! /= MAX_WEIGHT
    this.#total /= MAX_WEIGHT
    this.#weight /= MAX_WEIGHT
  }
}
