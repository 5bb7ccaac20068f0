export interface DelayEstimatorOptions {
  readonly minDelayMs: number
  readonly maxDelayMs: number
  readonly startDelayMs: number
  /** Added to what the packets ask for, ms. */
  readonly marginMs: number
  /** The target stays at `startDelayMs`. */
  readonly fixed?: boolean
}

/** The baseline is the fastest packet of the last four blocks, so that it follows drift between the clocks. */
const BLOCKS = 4
const BLOCK_MS = 2500
const BIN_MS = 5
const BINS = 128
/** What part of the packets is to be in time. */
const QUANTILE = 0.9
/** What part of the packets comes without it being called late at all. */
const USUAL = 0.85
/** Weight of each packet over the one before: half is forgotten after 50 packets. */
const GROWTH = 1 / 0.986
const MAX_WEIGHT = 1e9
/** Packets before less than the start delay is believed. */
const LEARNING = 50
const UPDATE_EVERY = 8
/** A peak of delay is kept for so long, then let go at so many ms per second: peaks come in flocks. */
const PEAK_HOLD_MS = 400
const PEAK_FALL = 0.1

/** All numbers of an estimator lie side by side in one array: those first, then the blocks, then the histogram. */
const BASELINE = 0
const TARGET = 1
const USUAL_DELAY = 2
const BLOCK = 3
const BLOCK_ENDS = 4
const WEIGHT = 5
const TOTAL = 6
const COUNT = 7
const PEAK = 8
const PEAK_AT = 9
const FIRST_BLOCK = 10
const FIRST_BIN = FIRST_BLOCK + BLOCKS

/** How late packets come, against the fastest ones, and the play-out delay that asks for. Pure. */
export class DelayEstimator {
  readonly #options: DelayEstimatorOptions
  readonly #numbers = new Float64Array(FIRST_BIN + BINS)

  constructor(options: DelayEstimatorOptions) {
    this.#options = options
    const numbers = this.#numbers
    numbers[BASELINE] = NaN
    numbers[TARGET] = options.startDelayMs
    numbers[USUAL_DELAY] = options.startDelayMs
    numbers[WEIGHT] = 1
    numbers.fill(Infinity, FIRST_BLOCK, FIRST_BIN)
  }

  /** The play-out delay that the packets ask for, ms. */
  get targetMs(): number {
    return this.#numbers[TARGET]!
  }

  /** Most packets are less late than this, ms. */
  get usualMs(): number {
    return this.#numbers[USUAL_DELAY]!
  }

  /** Transit time of the fastest recent packet, on the arbitrary zero of the transit times; NaN before the first. */
  get baselineMs(): number {
    return this.#numbers[BASELINE]!
  }

  /** What the latest peak of delay advises not to shrink below at `now`, ms: less and less until it is forgotten. */
  peakMs(now: number): number {
    const numbers = this.#numbers
    const since = now - numbers[PEAK_AT]! - PEAK_HOLD_MS
    return since <= 0 ? numbers[PEAK]! : numbers[PEAK]! - since * PEAK_FALL
  }

  /** Takes the transit time (arrival minus media time, ms) of a packet; returns how far it is behind the fastest. */
  observe(transitMs: number, now: number): number {
    const numbers = this.#numbers
    if (now >= numbers[BLOCK_ENDS]! || numbers[COUNT] === 0) this.#turn(now)
    const block = FIRST_BLOCK + numbers[BLOCK]!
    if (transitMs < numbers[block]!) {
      numbers[block] = transitMs
      if (!(transitMs >= numbers[BASELINE]!)) numbers[BASELINE] = transitMs
    }
    const delayMs = transitMs - numbers[BASELINE]!
    const bin = delayMs >= BINS * BIN_MS ? BINS - 1 : Math.floor(delayMs / BIN_MS)
    const weight = numbers[WEIGHT]!
    numbers[FIRST_BIN + bin]! += weight
    numbers[TOTAL]! += weight
    numbers[WEIGHT] = weight * GROWTH
    const count = (numbers[COUNT]! += 1)
    if (delayMs > numbers[TARGET]!) this.#notePeak(delayMs, now)
    if (count % UPDATE_EVERY === 0 || (count < LEARNING && delayMs > numbers[TARGET]!)) this.#update()
    return delayMs
  }

  #turn(now: number): void {
    const numbers = this.#numbers
    if (numbers[COUNT] === 0 || now >= numbers[BLOCK_ENDS]! + BLOCKS * BLOCK_MS) this.#restart(now)
    while (now >= numbers[BLOCK_ENDS]!) this.#nextBlock()
  }

  // A pause longer than the whole window leaves no fastest packet to compare with; the histogram stays.
  #restart(now: number): void {
    const numbers = this.#numbers
    numbers.fill(Infinity, FIRST_BLOCK, FIRST_BIN)
    numbers[BASELINE] = NaN
    numbers[BLOCK_ENDS] = now + BLOCK_MS
  }

  #nextBlock(): void {
    const numbers = this.#numbers
    numbers[BLOCK] = (numbers[BLOCK]! + 1) % BLOCKS
    numbers[FIRST_BLOCK + numbers[BLOCK]] = Infinity
    numbers[BLOCK_ENDS]! += BLOCK_MS
    let least = Infinity
    for (let block = FIRST_BLOCK; block < FIRST_BIN; block += 1) least = Math.min(least, numbers[block]!)
    numbers[BASELINE] = least === Infinity ? NaN : least
  }

  #notePeak(delayMs: number, now: number): void {
    const peak = Math.min(delayMs, this.#options.maxDelayMs)
    if (peak < this.peakMs(now)) return
    this.#numbers[PEAK] = peak
    this.#numbers[PEAK_AT] = now
  }

  #update(): void {
    const numbers = this.#numbers
    if (numbers[WEIGHT]! > MAX_WEIGHT) this.#rescale()
    const { minDelayMs, maxDelayMs, startDelayMs, marginMs, fixed } = this.#options
    const usual = numbers[TOTAL]! * USUAL
    const wanted = numbers[TOTAL]! * QUANTILE
    let seen = 0
    let bin = 0
    let usualBin = -1
    for (; bin < BINS - 1; bin += 1) {
      seen += numbers[FIRST_BIN + bin]!
      if (usualBin < 0 && seen >= usual) usualBin = bin
      if (seen >= wanted) break
    }
    numbers[USUAL_DELAY] = ((usualBin < 0 ? bin : usualBin) + 1) * BIN_MS
    const floor = numbers[COUNT]! < LEARNING ? startDelayMs : minDelayMs
    const asked = Math.min(maxDelayMs, Math.max(floor, (bin + 1) * BIN_MS + marginMs))
    numbers[TARGET] = fixed === true ? startDelayMs : asked
  }

  #rescale(): void {
    const numbers = this.#numbers
    for (let bin = FIRST_BIN; bin < FIRST_BIN + BINS; bin += 1) numbers[bin]! /= MAX_WEIGHT
    numbers[TOTAL]! /= MAX_WEIGHT
    numbers[WEIGHT]! /= MAX_WEIGHT
  }
}
