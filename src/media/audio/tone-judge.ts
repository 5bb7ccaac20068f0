import type { ToneReading } from './tone-analyser.ts'

export type ToneEvent =
  /** One tone, 300 to 2500 Hz, 80 ms to 2 s long, after which nothing of its kind followed: speak now. */
  | { readonly kind: 'beep'; readonly atMs: number; readonly durationMs: number; readonly hz: number }
  /** The phone rings. Once for each round of the cadence. */
  | { readonly kind: 'ringback'; readonly atMs: number }
  /** Three equal tones or more. Which of the two a cadence means differs by country; the slower is busy. */
  | { readonly kind: 'busy' | 'congestion'; readonly atMs: number; readonly periodMs: number }
  /** The three rising tones before an announcement of the network (ITU-T E.180). */
  | { readonly kind: 'information'; readonly atMs: number }
  /** A fax machine calls: CNG, 1100 Hz (ITU-T T.30). */
  | { readonly kind: 'fax-calling'; readonly atMs: number }
  /** A fax machine or modem answers: CED, 2100 Hz (ITU-T T.30, V.25). */
  | { readonly kind: 'fax-answering'; readonly atMs: number }

interface Burst {
  startMs: number
  endMs: number
  hz: number
  frames: number
  dualFrames: number
  /** Two frequencies in most of its frames: at its edges every tone has more. */
  dual: boolean
  /** How far the frequency moved from frame to frame, at most. */
  wander: number
}

/** A beep is told when nothing followed it for so long: the next tone of a special information tone would have by then. */
const AFTER_BEEP_MS = 60
/** Where the tones of the network are, it may be the first of several. */
const AFTER_NETWORK_BEEP_MS = 900
/** A pause of ring-back is longer than one between two rings of a pair, or of busy. */
const RING_PAUSE_MS = 1300
/** Speech this long ago still is the greeting that the beep belongs to. */
const GREETING_AGE_MS = 6000
/** A tone may move so much, Hz; a voice that is one does. */
const BEEP_WANDER_HZ = 14
/** Bursts looked back at. */
const KEPT = 4
/** Frames of other sound within a burst that do not end it, as packet loss puts there. */
const GAP_MS = 30
/** The loudness of two frequencies close together, or of a modulated one, falls away that long. */
const NETWORK_GAP_MS = 60

/** Puts tone readings of 20 ms together to bursts, and bursts to signals. Pure; keeps the last four bursts. */
export class ToneJudge {
  readonly #bursts: Burst[] = []
  #current: Burst | undefined
  #awaited: Burst | undefined
  #saidFax = false
  #repeats = false
  #spokeAtMs = -Infinity

  /** The last reading belongs to a tone, not to speech. */
  get tonal(): boolean {
    const burst = this.#current
    return burst !== undefined && burst.endMs - burst.startMs >= 40
  }

  /** A burst is under way or waits for what follows it. */
  get undecided(): boolean {
    return this.tonal || this.#awaited !== undefined
  }

  /** Somebody spoke until then. */
  spoke(atMs: number): void {
    this.#spokeAtMs = atMs
  }

  push(reading: ToneReading, atMs: number, endMs: number, speaking: boolean): readonly ToneEvent[] {
    const current = this.#current
    if (reading.tones !== 0 && (current === undefined || continues(current, reading))) {
      this.#current = extend(current, reading, atMs, endMs)
      return this.#whileItLasts(this.#current)
    }
    let events = NONE
    if (
      current !== undefined &&
      (reading.tones !== 0 || endMs - current.endMs > (isNetwork(current) ? NETWORK_GAP_MS : GAP_MS))
    ) {
      this.#current = reading.tones === 0 ? undefined : extend(undefined, reading, atMs, endMs)
      events = this.#ended(current, endMs)
    }
    if (events.length > 0 || this.#current !== undefined) return events
    return this.#quiet(endMs, speaking)
  }

  #whileItLasts(burst: Burst): readonly ToneEvent[] {
    const lasted = burst.endMs - burst.startMs
    if (this.#saidFax || burst.dual || lasted < 2100 || !within(burst.hz, 2100, 20)) return NONE
    this.#saidFax = true
    return [{ kind: 'fax-answering', atMs: burst.startMs }]
  }

  #ended(burst: Burst, nowMs: number): readonly ToneEvent[] {
    const saidFax = this.#saidFax
    this.#saidFax = false
    const lasted = burst.endMs - burst.startMs
    if (saidFax || lasted < 70) return NONE
    this.#bursts.push(burst)
    if (this.#bursts.length > KEPT) this.#bursts.shift()
    this.#awaited = burst
    const information = this.#information()
    if (information !== undefined) {
      this.#awaited = undefined
      return [information]
    }
    if (
      !burst.dual &&
      within(burst.hz, 1100, 40) &&
      lasted >= 400 &&
      lasted <= 600 &&
      !this.#greeted(nowMs)
    ) {
      this.#awaited = undefined
      return [{ kind: 'fax-calling', atMs: burst.startMs }]
    }
    return this.#cadence()
  }

  /** Three single tones, each higher than the one before, hardly a pause between them. */
  #information(): ToneEvent | undefined {
    const three = this.#bursts.slice(-3)
    const [first, second, third] = three
    if (first === undefined || second === undefined || third === undefined) return undefined
    const lengths = three.every(({ startMs, endMs }) => within(endMs - startMs, 330, 130))
    const close = second.startMs - first.endMs < 120 && third.startMs - second.endMs < 120
    const rising = within(first.hz, 950, 75) && within(second.hz, 1400, 75) && within(third.hz, 1800, 75)
    return lengths && close && rising ? { kind: 'information', atMs: first.startMs } : undefined
  }

  /** Three bursts of the network's frequencies, each pause and length like the one before, or alternating in pairs. */
  #cadence(): readonly ToneEvent[] {
    const three = this.#bursts.slice(-3)
    const [first, second, third] = three
    if (first === undefined || second === undefined || third === undefined) return NONE
    if (!three.every(isNetwork)) return NONE
    const period = second.startMs - first.startMs
    const next = third.startMs - second.startMs
    const even = within(next, period, period * 0.2) && within(length(third), length(second), 80)
    if (!even || period < 300 || period > 1600 || length(third) < 100 || length(third) > 850) return NONE
    if (period - length(second) > 900) return NONE
    this.#awaited = undefined
    const repeated = this.#repeats
    this.#repeats = true
    if (repeated) return NONE
    return [{ kind: period >= 600 ? 'busy' : 'congestion', atMs: first.startMs, periodMs: period }]
  }

  /** Nothing follows: the burst that waited is the last of its kind. */
  #quiet(nowMs: number, speaking: boolean): readonly ToneEvent[] {
    const burst = this.#awaited
    if (burst === undefined) return NONE
    const quiet = nowMs - burst.endMs
    const lasted = length(burst)
    const greeted = this.#greeted(burst.startMs)
    if (isNetwork(burst) && !greeted) {
      if (speaking) this.#awaited = undefined
      if (quiet < RING_PAUSE_MS) return NONE
      this.#awaited = undefined
      this.#repeats = false
      return lasted >= 330 && lasted <= 2600 ? [{ kind: 'ringback', atMs: burst.startMs }] : NONE
    }
    if (speaking && quiet < AFTER_BEEP_MS) this.#awaited = undefined
    if (quiet < (isNetwork(burst) ? AFTER_NETWORK_BEEP_MS : AFTER_BEEP_MS)) return NONE
    this.#awaited = undefined
    const beep =
      !burst.dual &&
      burst.wander <= BEEP_WANDER_HZ &&
      lasted >= 70 &&
      lasted <= 2050 &&
      burst.hz >= 290 &&
      burst.hz <= 2520
    return beep ? [{ kind: 'beep', atMs: burst.startMs, durationMs: lasted, hz: Math.round(burst.hz) }] : NONE
  }

  #greeted(nowMs: number): boolean {
    return nowMs - this.#spokeAtMs < GREETING_AGE_MS
  }
}

function continues(burst: Burst, reading: ToneReading): boolean {
  if ((reading.tones === 2) !== burst.dual) return within(reading.hz, burst.hz, 60)
  return within(reading.hz, burst.hz, burst.dual ? 160 : 45)
}

function extend(burst: Burst | undefined, reading: ToneReading, atMs: number, endMs: number): Burst {
  if (burst === undefined) {
    const dualFrames = reading.tones - 1
    return { startMs: atMs, endMs, hz: reading.hz, frames: 1, dualFrames, dual: dualFrames > 0, wander: 0 }
  }
  // The first frame holds the edge of the tone, and the last one may.
  if (atMs - burst.startMs > 25) burst.wander = Math.max(burst.wander, Math.abs(reading.hz - burst.hz))
  burst.hz += (reading.hz - burst.hz) * 0.5
  burst.frames += 1
  burst.dualFrames += reading.tones - 1
  burst.dual = burst.dualFrames * 2 > burst.frames
  burst.endMs = endMs
  return burst
}

/** Ring-back, busy and congestion are made of 330 to 500 Hz, in North America and Korea of 480 and 620 Hz too. */
function isNetwork(burst: Burst): boolean {
  return burst.hz >= 330 && burst.hz <= (burst.dual ? 650 : 500)
}

function length(burst: Burst): number {
  return burst.endMs - burst.startMs
}

function within(value: number, wanted: number, tolerance: number): boolean {
  return Math.abs(value - wanted) <= tolerance
}

const NONE: readonly ToneEvent[] = []
