/** Who hears whom, and when: each party says a tone of its own, and what each one heard is read out of its recording. */

import { statSync } from 'node:fs'
import { readWav } from './audio.ts'

/** Multiples of 10 Hz: in pieces of 100 ms none shows in the place of another. */
export type Tones = Readonly<Record<string, number>>

/** What a party heard, mono, with the wall time of its last sample. */
export interface Heard {
  readonly samples: Float64Array
  readonly sampleRate: number
  readonly endedAtMs: number
}

/** A stretch of time, and whom each party hears in it. */
export interface Step {
  readonly what: string
  readonly hears: Readonly<Record<string, readonly string[]>>
  readonly fromMs: number
  readonly toMs: number
}

const quietestDbfs = -34
const pieceMs = 100
/** What is under way at either end of a step: jitter buffers, the player's own buffer. */
const edgeMs = 250
/** How far a recording's end may be from where its file says it is. */
const searchMs = 1000
/** How far a softphone's recording, which stands still while the machine is busy, may be behind itself at one step or another. */
const lagMs = 250

/** What was said on the stage, as it went on. */
export class Diary {
  readonly steps: Step[] = []
  readonly tones: Tones

  constructor(tones: Tones) {
    this.tones = tones
  }

  /** From now until what it gives is called. */
  begin(what: string, hears: Step['hears']): () => void {
    const fromMs = Date.now()
    return () => void this.steps.push({ what, hears, fromMs, toMs: Date.now() })
  }

  /** Lasts until `during` is over. */
  async step<T>(what: string, hears: Step['hears'], during: Promise<T>): Promise<T> {
    const end = this.begin(what, hears)
    const result = await during
    end()
    return result
  }

  /** @throws what somebody heard that was not meant for it, or did not hear */
  check(party: string, heard: Heard): void {
    const expected = this.steps.filter(({ hears }) => party in hears)
    const pieces = listen(heard, this.tones)
    const shareAt = (step: Step, offsetMs: number): number => shareOf(step, party, pieces, heard, offsetMs)
    const found = offsets(searchMs).map(offsetMs => ({
      offsetMs,
      steps: expected.map(step => ({
        step,
        share: Math.max(...offsets(lagMs).map(lag => shareAt(step, offsetMs + lag))),
      })),
    }))
    const worstOf = ({ steps }: (typeof found)[number]): number =>
      Math.min(...steps.map(({ share }) => share))
    const best = found.toSorted((a, b) => worstOf(b) - worstOf(a))[0]
    if (best === undefined || worstOf(best) >= 0.75) return
    const { step, share } = best.steps.toSorted((a, b) => a.share - b.share)[0]!
    throw new Error(
      `In "${step.what}" ${party} is to hear ${nameOf(step.hears[party] ?? [])}, and did in ${Math.round(share * 100)} % of the time; all in all it heard ${timeline(pieces)}`,
    )
  }
}

/** The end of the recording is when its file was closed. */
export function heardInFile(file: string): Heard {
  const { sampleRate, channels } = readWav(file)
  return { samples: channels[0] ?? new Float64Array(), sampleRate, endedAtMs: statSync(file).mtimeMs }
}

/** Every 50 ms: whom one hears there. */
function listen({ samples, sampleRate }: Heard, tones: Tones): readonly string[] {
  const length = Math.round((sampleRate * pieceMs) / 1000)
  const pieces: string[] = []
  for (let at = 0; at + length <= samples.length; at += length / 2)
    pieces.push(nameOf(namesIn(samples.subarray(at, at + length), sampleRate, tones)))
  return pieces
}

/** Whose tones are in there. */
export function namesIn(samples: Float64Array, sampleRate: number, tones: Tones): readonly string[] {
  return Object.keys(tones).filter(name => levelOf(samples, sampleRate, tones[name]!) > quietestDbfs)
}

export function nameOf(names: readonly string[]): string {
  return names.length === 0 ? 'nobody' : names.toSorted().join(' and ')
}

function levelOf(samples: Float64Array, sampleRate: number, hz: number): number {
  let inPhase = 0
  let quadrature = 0
  for (let index = 0; index < samples.length; index += 1) {
    const angle = (2 * Math.PI * hz * index) / sampleRate
    inPhase += samples[index]! * Math.cos(angle)
    quadrature += samples[index]! * Math.sin(angle)
  }
  return 10 * Math.log10((2 * (inPhase ** 2 + quadrature ** 2)) / samples.length ** 2)
}

function shareOf(
  { fromMs, toMs, hears }: Step,
  party: string,
  pieces: readonly string[],
  { samples, sampleRate, endedAtMs }: Heard,
  offsetMs: number,
): number {
  const beganMs = endedAtMs - (samples.length * 1000) / sampleRate + offsetMs
  const first = Math.ceil((fromMs + edgeMs - beganMs) / (pieceMs / 2))
  const last = Math.floor((toMs - edgeMs - pieceMs - beganMs) / (pieceMs / 2))
  const wanted = nameOf(hears[party] ?? [])
  let right = 0
  for (let at = first; at <= last; at += 1) if (pieces[at] === wanted) right += 1
  return right / Math.max(1, last - first + 1)
}

function offsets(withinMs: number): readonly number[] {
  return Array.from({ length: (2 * withinMs) / 50 + 1 }, (_, index) => index * 50 - withinMs)
}

function timeline(pieces: readonly string[]): string {
  const runs: { name: string; count: number }[] = []
  for (const name of pieces) {
    const last = runs.at(-1)
    if (last?.name === name) last.count += 1
    else runs.push({ name, count: 1 })
  }
  return runs.map(({ name, count }) => `${name} ${(count / 20).toFixed(1)} s`).join(', ')
}
