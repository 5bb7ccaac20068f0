import { VoiceActivityDetector } from '../audio/voice-activity.ts'
import { ComfortNoiseEncoder } from '../codec/comfort-noise.ts'
import type { AudioCodec } from '../codec/codec.ts'
import type { NegotiatedComfortNoise } from '../sdp/comfort-noise.ts'

/** What stands out by four times the power, 6 dB, may be the beginning of speech. */
const RISE = 4
/** Below this nothing stands out: -70 dBov. */
const FLOOR_POWER = 32_768 ** 2 * 1e-7
/** Noise above this is sent as it is, for whoever sends it may mean it: -30 dBov. */
const LOUDEST_POWER = 32_768 ** 2 * 1e-3
/** What can be foretold so well is a tone, and not to be replaced by noise. */
const TONE_GAIN_DB = 22
/** Speech goes on for so long after what stood out last. */
const HANGOVER_MS = 200
/** What stands out for so long without being speech is the new noise. */
const RELEARN_MS = 200
/** Share of a frame of 20 ms in the average of the noise. */
const SHARE = 0.1
/** A fall by so much is believed at once, or the noise of before would linger. */
const FALL = 0.1
/** Between descriptions, when the noise changes, and when it does not: one may get lost, and NATs forget. */
const SOONEST_MS = 200
const LATEST_MS = 2000

/**
 * Decides frame by frame whether what we say is speech to be sent or background to be described (RFC 3389), without delay:
 * the frame in which something rises above the background is sent whole. One stream, nothing is allocated per frame.
 */
export class SilenceSuppressor {
  readonly payloadType: number
  readonly #detector: VoiceActivityDetector
  readonly #encoder: ComfortNoiseEncoder
  readonly #samplesPerMs: number
  readonly #blockSamples: number
  /** Octets of a description: without a spectrum where the RTP clock does not tell which rate it would be for (G.722). */
  readonly #octets: number
  /** Power of the background, and that of the differences between its samples, which is where consonants stand out. */
  #noise = 0
  #edges = 0
  #lastSample = 0
  /** Of the frame looked at last. */
  #power = 0
  #edge = 0
  /** What has stood out without being speech, added up. */
  #risenMs = 0
  #risenPower = 0
  #risenEdge = 0
  #hangoverMs = 0
  #sinceDescribedMs = Infinity
  #speaking = true

  constructor(codec: AudioCodec, agreed: NegotiatedComfortNoise) {
    const { sampleRate } = codec
    this.payloadType = agreed.payloadType
    this.#detector = new VoiceActivityDetector({ sampleRate })
    this.#encoder = new ComfortNoiseEncoder({ sampleRate })
    this.#samplesPerMs = sampleRate / 1000
    this.#blockSamples = sampleRate / 200
    this.#octets = sampleRate === agreed.clockRate ? Infinity : 1
  }

  /** Whether it is speech that is sent. */
  get speaking(): boolean {
    return this.#speaking
  }

  /** Takes a frame at the codec's rate, and says whether it is to be sent. */
  push(pcm: Int16Array): boolean {
    const ms = pcm.length / this.#samplesPerMs
    const risen = this.#measure(pcm)
    const voice = this.#detector.push(pcm)
    this.#sinceDescribedMs += ms
    if (risen) this.#rise(pcm, ms, voice)
    else {
      this.#risenMs = 0
      this.#hangoverMs -= ms
      if (!this.#detector.voiced) this.#learn(pcm)
    }
    this.#speaking = voice || this.#hangoverMs > 0 || !this.#isBackground()
    // The description that begins a silence is due however long ago the last one was.
    if (this.#speaking) this.#sinceDescribedMs = Infinity
    return this.#speaking
  }

  /** For a frame that is not sent: the payload to send instead; `undefined` when none is due. Valid until the next. */
  description(): Uint8Array | undefined {
    const since = this.#sinceDescribedMs
    if (since < LATEST_MS && (since < SOONEST_MS || !this.#encoder.changed)) return undefined
    this.#sinceDescribedMs = 0
    const payload = this.#encoder.payload()
    return payload.length > this.#octets ? payload.subarray(0, this.#octets) : payload
  }

  /** Something else was sent meanwhile, or nothing: the silence has to be described anew. */
  interrupt(): void {
    this.#sinceDescribedMs = Infinity
  }

  /** Whether any 5 ms of it stand out from the background, in all or in the treble. */
  #measure(pcm: Int16Array): boolean {
    const block = this.#blockSamples
    const most = RISE * Math.max(this.#noise, FLOOR_POWER) * block
    const mostEdge = RISE * Math.max(this.#edges, FLOOR_POWER) * block
    let before = this.#lastSample
    let risen = false
    let power = 0
    let edge = 0
    for (let from = 0; from < pcm.length; from += block) {
      const end = Math.min(pcm.length, from + block)
      let blockPower = 0
      let blockEdge = 0
      for (let i = from; i < end; i += 1) {
        const sample = pcm[i] as number
        const step = sample - before
        before = sample
        blockPower += sample * sample
        blockEdge += step * step
      }
      risen ||= blockPower > most || blockEdge > mostEdge
      power += blockPower
      edge += blockEdge
    }
    this.#lastSample = before
    this.#power = power / pcm.length
    this.#edge = edge / pcm.length
    return risen
  }

  #rise(pcm: Int16Array, ms: number, voice: boolean): void {
    this.#hangoverMs = HANGOVER_MS
    if (this.#risenMs === 0 || voice) {
      this.#risenMs = 0
      this.#risenPower = 0
      this.#risenEdge = 0
    }
    if (voice) return
    this.#risenMs += ms
    this.#risenPower += this.#power * ms
    this.#risenEdge += this.#edge * ms
    if (this.#risenMs < RELEARN_MS) return
    this.#noise = this.#risenPower / this.#risenMs
    this.#edges = this.#risenEdge / this.#risenMs
    this.#hangoverMs = 0
    this.#risenMs = 0
    this.#encoder.reset()
    this.#encoder.analyse(pcm)
  }

  #learn(pcm: Int16Array): void {
    if (this.#power < this.#noise * FALL) {
      this.#encoder.reset()
      this.#noise = this.#power
      this.#edges = this.#edge
    }
    this.#noise += (this.#power - this.#noise) * SHARE
    this.#edges += (this.#edge - this.#edges) * SHARE
    this.#encoder.analyse(pcm)
  }

  #isBackground(): boolean {
    if (this.#noise > LOUDEST_POWER) return false
    return this.#noise < FLOOR_POWER || this.#encoder.predictionGainDb < TONE_GAIN_DB
  }
}
