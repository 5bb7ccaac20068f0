import { OptionError, SipError } from '../../runtime/errors.ts'
import type { Clock } from '../../runtime/runtime.ts'
import { Pacer } from '../rtp/pacer.ts'
import type { PacedHandle } from '../rtp/pacer.ts'
import type { AudioSink } from './audio-sink.ts'
import type { AudioFrame, AudioSource } from './audio-source.ts'
import { Gain, factorOf } from './gain.ts'
import { Mixer } from './mixer.ts'
import { checkConvertible } from './rates.ts'
import { SampleQueue } from './sample-queue.ts'
import { VoiceActivityDetector } from './voice-activity.ts'

export interface ConferenceOptions {
  /** What it keeps time by: `endpoint.clock`. */
  readonly clock: Clock
  /** Samples per second of the mix; default 16000. Parties of other rates are converted. */
  readonly sampleRate?: number
  /** Default 64. */
  readonly maxParties?: number
}

export interface JoinOptions {
  /** What the party says. */
  readonly input: AudioSource
  /** Where it hears the others. */
  readonly output: AudioSink
  /** Loudness for the others, dB, -100 to 20; default 0. */
  readonly gainDb?: number
  /** Listens only. */
  readonly muted?: boolean
}

/** One who takes part. */
export interface Party {
  /** Loudness for the others, dB. */
  gainDb: number
  readonly muted: boolean
  mute(): void
  unmute(): void
  /** From now on heard by these alone; without any by everybody again. */
  whisperTo(...parties: readonly Party[]): void
  /** Of the last 100 ms or so, after gain and mute, dBFS. */
  readonly levelDbfs: number
  readonly speaking: boolean
  /** Audio of this party that came in too much at once and was left out, to keep the delay short. */
  readonly droppedMs: number
  /** Stops hearing and being heard; input and output can be used for something else. Idempotent. */
  leave(): void
  /** When it left, or its input ended. */
  readonly left: Promise<void>
}

const FRAMES_A_SECOND = 50
/** What waits of a party, or for it, beyond this is left out: late frames would stay late for ever. */
const MAX_WAITING_MS = 80
const KEPT_WAITING_MS = 20

/**
 * Everybody hears everybody else. Each 20 ms it takes what has come of each party, and never waits for one: what is not there is
 * silence. A frame waits 20 ms for its turn at most, more only when it came late; beyond 80 ms audio is left out.
 */
export class Conference {
  readonly sampleRate: number
  readonly #maxParties: number
  readonly #pacer: Pacer
  readonly #parties: Set<MixedParty> = new Set()
  readonly #mixer: Mixer
  readonly #out: Int16Array
  /** Left since the last turn: what they said must not break off with a click. */
  readonly #leaving: MixedParty[] = []
  #turn: PacedHandle | undefined
  #active: MixedParty | undefined

  constructor(options: ConferenceOptions) {
    this.sampleRate = checkConvertible(options.sampleRate ?? 16_000)
    if (this.sampleRate % FRAMES_A_SECOND !== 0) {
      throw new OptionError(
        'sampleRate',
        `${this.sampleRate} has no whole samples in 20 ms; use 12000 or 16000`,
      )
    }
    this.#maxParties = options.maxParties ?? 64
    if (!(Number.isInteger(this.#maxParties) && this.#maxParties >= 1)) {
      throw new OptionError('maxParties', `${this.#maxParties} is not a count; give 1 or more`)
    }
    this.#pacer = new Pacer({ clock: options.clock })
    this.#mixer = new Mixer(this.sampleRate / FRAMES_A_SECOND)
    this.#out = new Int16Array(this.sampleRate / FRAMES_A_SECOND)
  }

  get parties(): readonly Party[] {
    return [...this.#parties]
  }

  /** The loudest of those who speak; while nobody does, who spoke last. */
  get activeSpeaker(): Party | undefined {
    return this.#active
  }

  /** @throws SipError SIP_LIMIT when it is full; SIP_STATE when somebody reads the input already */
  join(options: JoinOptions): Party {
    if (this.#parties.size >= this.#maxParties) {
      throw new SipError('SIP_LIMIT', `${this.#maxParties} parties are in; raise maxParties`)
    }
    const party = new MixedParty(options, this.sampleRate, () => this.#remove(party))
    this.#parties.add(party)
    this.#turn ??= this.#pacer.add({ tick: () => this.#mix() })
    return party
  }

  /** Everybody leaves. */
  close(): void {
    for (const party of this.#parties) party.leave()
  }

  #remove(party: MixedParty): void {
    this.#parties.delete(party)
    for (const other of this.#parties) other.forget(party)
    if (this.#active === party) this.#active = undefined
    if (this.#parties.size > 0) {
      this.#leaving.push(party)
      return
    }
    this.#leaving.length = 0
    this.#turn?.remove()
    this.#turn = undefined
  }

  #mix(): void {
    const mixer = this.#mixer
    mixer.start()
    let loudest: MixedParty | undefined
    for (const party of this.#parties) {
      party.take()
      if (party.whispersTo === undefined) mixer.add(party.frame)
      if (party.speaking && (loudest === undefined || party.power > loudest.power)) loudest = party
    }
    if (loudest !== undefined) this.#active = loudest
    for (const party of this.#leaving) {
      party.fade()
      if (party.whispersTo === undefined) mixer.add(party.frame)
    }
    this.#leaving.length = 0
    for (const party of this.#parties) {
      const own = party.whispersTo === undefined ? party.frame : undefined
      let whispered = false
      for (const other of this.#parties) {
        if (other.whispersTo?.has(party) !== true || other === party) continue
        mixer.add(other.frame)
        whispered = true
      }
      mixer.mix(this.#out, own)
      if (whispered) {
        for (const other of this.#parties) {
          if (other.whispersTo?.has(party) === true && other !== party) mixer.remove(other.frame)
        }
      }
      party.give(this.#out)
    }
  }
}

class MixedParty implements Party {
  readonly left: Promise<void>
  readonly frame: Int16Array
  whispersTo: Set<Party> | undefined
  /** Smoothed mean square. */
  power = 0
  #droppedSamples = 0
  readonly #sampleRate: number
  readonly #queue: SampleQueue
  readonly #output: AudioSink
  readonly #sink: AudioSink
  readonly #detector: VoiceActivityDetector
  readonly #onLeave: () => void
  readonly #iterator: AsyncIterator<AudioFrame>
  #settleLeft: () => void = () => undefined
  #gone = false
  #gain: Gain | undefined
  #gainDb = 0
  #muted = false
  #last = 0

  constructor(options: JoinOptions, sampleRate: number, onLeave: () => void) {
    this.#sampleRate = sampleRate
    this.#queue = new SampleQueue((sampleRate * 2 * MAX_WAITING_MS) / 1000)
    this.frame = new Int16Array(sampleRate / FRAMES_A_SECOND)
    this.#detector = new VoiceActivityDetector({ sampleRate })
    this.#onLeave = onLeave
    this.#output = options.output
    this.#sink = options.output.at(sampleRate)
    this.left = new Promise(resolve => {
      this.#settleLeft = resolve
    })
    if (options.gainDb !== undefined) this.gainDb = options.gainDb
    if (options.muted === true) this.mute()
    this.#gain?.moveAtOnce()
    this.#iterator = options.input.at(sampleRate)[Symbol.asyncIterator]()
    void this.#read().finally(() => this.leave())
  }

  get gainDb(): number {
    return this.#gainDb
  }

  set gainDb(gainDb: number) {
    factorOf('gainDb', gainDb)
    this.#gainDb = gainDb
    this.#setGain()
  }

  get muted(): boolean {
    return this.#muted
  }

  mute(): void {
    this.#muted = true
    this.#setGain()
  }

  unmute(): void {
    this.#muted = false
    this.#setGain()
  }

  whisperTo(...parties: readonly Party[]): void {
    this.whispersTo = parties.length === 0 ? undefined : new Set(parties)
  }

  /** Who has left is whispered to no longer, but that is no reason for all to hear it. */
  forget(party: Party): void {
    this.whispersTo?.delete(party)
  }

  get levelDbfs(): number {
    return 10 * Math.log10(this.power / (32_768 * 32_768))
  }

  get speaking(): boolean {
    return this.#detector.active
  }

  get droppedMs(): number {
    return (this.#droppedSamples * 1000) / this.#sampleRate
  }

  leave(): void {
    if (this.#gone) return
    this.#gone = true
    void Promise.resolve(this.#iterator.return?.()).catch(() => undefined)
    this.#onLeave()
    this.#settleLeft()
  }

  /** The next 20 ms of this party into `frame`; silence, led into smoothly, when they have not come. */
  take(): void {
    const { frame } = this
    const queue = this.#queue
    if (queue.length > (MAX_WAITING_MS * this.#sampleRate) / 1000) {
      const excess = queue.length - frame.length - (KEPT_WAITING_MS * this.#sampleRate) / 1000
      queue.discard(excess)
      this.#droppedSamples += excess
    }
    if (queue.length < frame.length) this.fade()
    else {
      queue.shift(frame)
      this.#last = frame[frame.length - 1] as number
      this.#gain?.apply(frame)
    }
    let sum = 0
    for (let i = 0; i < frame.length; i += 1) sum += (frame[i] as number) * (frame[i] as number)
    this.power += (sum / frame.length - this.power) * 0.2
    this.#detector.push(frame)
  }

  /** Leads what was said last into silence. */
  fade(): void {
    const { frame } = this
    for (let i = 0; i < frame.length; i += 1) {
      this.#last *= 7 / 8
      frame[i] = this.#last
    }
    this.#last = frame[frame.length - 1] as number
    this.#gain?.apply(frame)
  }

  give(mix: Int16Array): void {
    if (this.#output.ended) this.leave()
    else if (this.#output.bufferedMs <= MAX_WAITING_MS) void this.#sink.write(mix)
  }

  async #read(): Promise<void> {
    try {
      for (;;) {
        const result = await this.#iterator.next()
        if (result.done === true || this.#gone) return
        const { samples } = result.value
        this.#droppedSamples += samples.length - this.#queue.push(samples)
      }
    } catch {
      // A source that fails is one that has ended.
    }
  }

  #setGain(): void {
    this.#gain ??= new Gain(this.#sampleRate)
    this.#gain.moveTo(this.#muted ? 0 : factorOf('gainDb', this.#gainDb))
  }
}
