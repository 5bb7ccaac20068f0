import { OptionError } from '../../runtime/errors.ts'
import type { AudioSource } from './audio-source.ts'
import { CallSoundDetector } from './call-sounds.ts'
import type { CallSound } from './call-sounds.ts'
import { until } from './speech-events.ts'
import { ANALYSIS_RATE } from './tone-analyser.ts'

export interface AnsweringMachineOptions {
  /** A greeting this long or longer, pauses included, is a machine's, milliseconds; default 2200. */
  readonly greetingMs?: number
  /** A shorter one followed by so much silence is a person's: "hello?"; default 900. */
  readonly silenceAfterMs?: number
  /** Nobody has said anything for so long: `silence`; default 5000. */
  readonly initialSilenceMs?: number
  /** Having found a machine, wait for its beep, at most this long; default 0, do not wait. */
  readonly waitForBeepMs?: number
  /** Rejects with the reason of the signal. */
  readonly signal?: AbortSignal
}

export interface AnsweringMachineResult {
  /**
   * `human`: a short greeting, then silence. `machine`: a long one. `beep`: a machine that now records. `silence`: nothing was said.
   * `fax`, `busy`, `congestion`, `information`: see `CallSound`. `ended`: the call was over before anything was sure.
   */
  readonly kind:
    | 'human'
    | 'machine'
    | 'beep'
    | 'silence'
    | 'fax'
    | 'busy'
    | 'congestion'
    | 'information'
    | 'ended'
  /** When it was sure: milliseconds on the clock of the frames. */
  readonly atMs: number
  /** From the first to the last that was said, milliseconds. */
  readonly greetingMs: number
}

const KINDS: Readonly<Partial<Record<CallSound['kind'], AnsweringMachineResult['kind']>>> = {
  beep: 'beep',
  busy: 'busy',
  congestion: 'congestion',
  information: 'information',
  'fax-calling': 'fax',
  'fax-answering': 'fax',
}

/**
 * Who has answered: begin it when the call is answered. It judges by how long the first greeting is, which is a guess: people with a
 * long greeting, and machines with a short one and no beep, are taken for one another. Reading it is reading the source; it is left
 * when this settles.
 */
export async function detectAnsweringMachine(
  input: AudioSource,
  options: AnsweringMachineOptions = {},
): Promise<AnsweringMachineResult> {
  const { greetingMs = 2200, silenceAfterMs = 900, initialSilenceMs = 5000, waitForBeepMs = 0 } = options
  for (const [field, ms] of Object.entries({ greetingMs, silenceAfterMs, initialSilenceMs, waitForBeepMs })) {
    if (!(ms >= 0)) throw new OptionError(field, `${ms} is not usable; give milliseconds, 0 or more`)
  }
  options.signal?.throwIfAborted()
  const detector = new CallSoundDetector()
  let beganMs: number | undefined
  let firstMs: number | undefined
  let lastMs = 0
  let endMs = 0
  let machineAtMs: number | undefined
  const result = (kind: AnsweringMachineResult['kind'], atMs: number): AnsweringMachineResult => ({
    kind,
    atMs,
    greetingMs: firstMs === undefined ? 0 : lastMs - firstMs,
  })
  for await (const frame of until(input.at(ANALYSIS_RATE), options.signal)) {
    beganMs ??= frame.timestampMs
    endMs = frame.timestampMs + (frame.samples.length * 1000) / ANALYSIS_RATE
    for (const sound of detector.push(frame.samples, frame.timestampMs)) {
      const kind = KINDS[sound.kind]
      if (kind !== undefined) return result(kind, endMs)
      // Ring-back shows that nobody has answered yet.
      if (sound.kind === 'ringback') beganMs = endMs
      if (sound.kind === 'speech-start') firstMs ??= sound.atMs
      if (sound.kind === 'speech-end') lastMs = sound.atMs
    }
    if (detector.speaking) lastMs = endMs
    if (machineAtMs !== undefined) {
      if (endMs - machineAtMs >= waitForBeepMs) return result('machine', endMs)
    } else if (firstMs === undefined) {
      if (endMs - beganMs >= initialSilenceMs) return result('silence', endMs)
    } else if (lastMs - firstMs >= greetingMs) {
      if (waitForBeepMs === 0) return result('machine', endMs)
      machineAtMs = endMs
    } else if (!detector.speaking && !detector.tonal && endMs - lastMs >= silenceAfterMs) {
      return result('human', endMs)
    }
  }
  options.signal?.throwIfAborted()
  return result(machineAtMs === undefined ? 'ended' : 'machine', endMs)
}
