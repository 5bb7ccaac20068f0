import { LiveAudioSink } from '../../media/audio/audio-sink.ts'
import { encodeAudio } from '../streams/audio-format.ts'
import type { StreamDialect, StreamFormat, StreamMessage } from '../streams/dialect.ts'

export interface CarrierVoiceOptions {
  readonly dialect: StreamDialect
  /** Of what the carrier plays. */
  readonly format: StreamFormat
  /** How much audio the carrier is given ahead of what it plays, ms. */
  readonly leadMs: number
  readonly now: () => number
  /** False where the dialect has no such message. */
  readonly send: (message: StreamMessage) => boolean
  /** Whether the peer reads: nothing more is given to one that does not. */
  readonly hasRoom: () => boolean
}

/** A mark behind so many samples of what was sent since the last clear, due back when they have been played. */
interface Pending {
  readonly name: string
  readonly position: number
  readonly dueAtMs: number
}

/** A mark goes with so much audio, ms, and with the last of a sentence. */
const MARK_EVERY_MS = 100

/** A carrier that echoes no mark so long after the audio before it must have been played is not asked again, until one comes after all. */
const ECHO_LATE_MS = 2000

/**
 * What we say, on its way to a carrier that plays it: given a little ahead, so that little is lost by a clear, and counted as played when
 * the carrier's marks come back. Where there are no marks, by the time it must have taken. `tick` is called every 20 ms.
 */
export class CarrierVoice {
  readonly output: LiveAudioSink
  readonly #options: CarrierVoiceOptions
  readonly #frame: Int16Array
  readonly #perMs: number
  #pending: Pending[] = []
  /** Marks of before the last clear are not ours any more. */
  #epoch = 0
  #marks = 0
  /** Samples since the last clear. */
  #sent = 0
  #played = 0
  #sinceMark = 0
  /** By our reckoning, when the carrier will have played all it has. */
  #playedAtMs = 0
  /** The position known last, and when it was known. */
  #known = { position: 0, atMs: 0 }
  #messages = 0
  #marksMissing = 0
  #stalledTicks = 0
  /** False where the dialect has no marks, and as long as the carrier returns none. */
  #echoes = true

  constructor(options: CarrierVoiceOptions) {
    const { format, dialect } = options
    this.#options = options
    this.#frame = new Int16Array((format.sampleRate * dialect.frameMs) / 1000)
    this.#perMs = format.sampleRate / 1000
    this.output = new LiveAudioSink({ sampleRate: format.sampleRate, heardLater: () => this.#clear() })
  }

  /** Audio messages. */
  get messages(): number {
    return this.#messages
  }

  /** Marks that did not come back in time. */
  get marksMissing(): number {
    return this.#marksMissing
  }

  /** Frames that were due while the peer did not read. */
  get stalledTicks(): number {
    return this.#stalledTicks
  }

  tick(): void {
    const { leadMs, now, hasRoom } = this.#options
    const nowMs = now()
    if (this.#sent > this.#played) this.#reckon(nowMs)
    while (this.#playedAtMs - nowMs < leadMs && this.output.hasFrame(this.#frame.length)) {
      if (!hasRoom()) {
        this.#stalledTicks += 1
        return
      }
      this.#sendFrame(nowMs)
      if (this.#sinceMark >= MARK_EVERY_MS * this.#perMs) this.#mark()
    }
    if (this.#sinceMark > 0 && !this.output.hasFrame(this.#frame.length)) this.#mark()
  }

  /** A mark came back; false when it is none of ours. */
  echo(name: string, reached: boolean): boolean {
    if (!name.startsWith('offhook-')) return false
    this.#echoes = true
    const index = this.#pending.findIndex(pending => pending.name === name)
    const found = this.#pending[index]
    // One from before a clear comes back too, and says nothing of what was heard since.
    if (found === undefined || !reached) return true
    this.#pending.splice(0, index + 1)
    this.#setPlayed(found.position)
    this.#known = { position: found.position, atMs: this.#options.now() }
    return true
  }

  #sendFrame(nowMs: number): void {
    const { format, dialect, send } = this.#options
    const count = this.output.readFrame(this.#frame)
    const samples = dialect.exactFrames === true ? this.#frame : this.#frame.subarray(0, count)
    send({ kind: 'media', audio: encodeAudio(format, samples) })
    this.#messages += 1
    if (this.#playedAtMs <= nowMs) {
      this.#playedAtMs = nowMs
      if (this.#pending.length === 0) this.#known = { position: this.#sent, atMs: nowMs }
    }
    this.#playedAtMs += samples.length / this.#perMs
    this.#sent += count
    this.#sinceMark += count
  }

  #mark(): void {
    this.#sinceMark = 0
    if (!this.#echoes) return
    this.#marks += 1
    const name = `offhook-${this.#epoch}-${this.#marks}`
    if (this.#options.send({ kind: 'mark', name }))
      this.#pending.push({ name, position: this.#sent, dueAtMs: this.#playedAtMs })
    else this.#echoes = false
  }

  /** Where no marks come back, time has to tell. */
  #reckon(nowMs: number): void {
    const oldest = this.#pending[0]
    if (oldest === undefined) return this.#setPlayed(this.#byTime(nowMs))
    // The oldest tells also in the midst of a speech that does not end.
    if (nowMs < oldest.dueAtMs + ECHO_LATE_MS) return
    this.#marksMissing += this.#pending.length
    this.#pending = []
    this.#echoes = false
    this.#setPlayed(this.#byTime(nowMs))
  }

  #byTime(nowMs: number): number {
    return Math.floor(this.#sent - Math.max(0, this.#playedAtMs - nowMs) * this.#perMs)
  }

  #setPlayed(position: number): void {
    if (position <= this.#played) return
    this.output.played(position - this.#played)
    this.#played = position
  }

  /** Barge-in: first what has been heard by now, between the marks by the time since the last one. */
  #clear(): void {
    const { now, send } = this.#options
    const nowMs = now()
    if (this.#sent > this.#played) {
      const since = this.#known.position + (nowMs - this.#known.atMs) * this.#perMs
      const next = this.#pending[0]?.position ?? this.#sent
      this.#setPlayed(Math.floor(Math.min(since, next, this.#byTime(nowMs))))
    }
    const cleared = this.#playedAtMs > nowMs && send({ kind: 'clear' })
    // What a carrier cannot be told to drop it will play to its end.
    if (cleared) this.#playedAtMs = nowMs
    this.#epoch += 1
    this.#pending = []
    this.#sent = 0
    this.#played = 0
    this.#sinceMark = 0
    this.#known = { position: 0, atMs: Math.max(nowMs, this.#playedAtMs) }
  }
}
