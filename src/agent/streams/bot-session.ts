import type { AudioFrame } from '../../media/audio/audio-source.ts'
import { Reframer } from '../../media/audio/frames.ts'
import type { DtmfDigit } from '../../media/session/types.ts'
import type { Clock, Timer } from '../../runtime/runtime.ts'
import type { WebSocketConnection } from '../../runtime/web.ts'
import type { AgentSession } from '../agent.ts'
import type { EngineEnd } from '../engine/engine-end.ts'
import type { EngineReport } from '../engine/engine-report.ts'
import { encodeAudio } from './audio-format.ts'
import { BotVoice } from './bot-voice.ts'
import type { StreamFormat, StreamMessage } from './dialect.ts'
import type { StreamIds } from './ids.ts'
import type { StreamSettings } from './options.ts'

export interface BotSessionParts {
  readonly clock: Clock
  readonly connection: WebSocketConnection
  readonly ids: StreamIds
  readonly parameters: Readonly<Record<string, string>>
  readonly report: EngineReport
}

/** Frames for a bot that does not read are dropped beyond so many octets: about 20 s. */
const MAX_UNSENT_BYTES = 256 * 1024

/** Orders of a bot (digits, transfers) under way at a time; more are refused and counted. */
const MAX_ORDERS = 8

/** Close codes with which a server says that something went wrong (RFC 6455 §7.4.1). */
const FAILURES: ReadonlySet<number> = new Set([1002, 1003, 1006, 1007, 1008, 1009, 1011, 1012, 1013, 1014])

/** One conversation of a caller with a bot, from the open connection to its end. */
export class BotSession {
  readonly #session: AgentSession
  readonly #settings: StreamSettings
  readonly #parts: BotSessionParts
  readonly #voice: BotVoice
  readonly #botFormat: StreamFormat
  readonly #counts = {
    malformed: 0,
    ignored: 0,
    framesNotSent: 0,
    ordersRefused: 0,
  }
  readonly #end: Promise<EngineEnd>
  #finish!: (end: EngineEnd) => void
  #ended = false
  #spoke = false
  readonly #orders: Set<Promise<void>> = new Set()
  #sequence = 0
  #chunk = 0
  #firstFrameMs: number | undefined

  constructor(session: AgentSession, settings: StreamSettings, parts: BotSessionParts) {
    this.#session = session
    this.#settings = settings
    this.#parts = parts
    this.#botFormat = settings.dialect.botFormat ?? settings.format
    this.#voice = new BotVoice({
      output: session.output,
      maxBufferedMs: settings.maxBufferedMs,
      onMark: (name, reached) => {
        if (reached || settings.dialect.marksOnClear === 'echoed') this.#send({ kind: 'mark', name, reached })
      },
    })
    this.#end = new Promise(resolve => {
      this.#finish = end => {
        if (this.#ended) return
        this.#ended = true
        parts.report.ended(end, this.#counters)
        resolve(end)
      }
    })
  }

  async run(): Promise<EngineEnd> {
    const { connection } = this.#parts
    const { input, signal } = this.#session
    const hungUp = (): void => this.#finish({ kind: 'call', detail: 'the call ended' })
    if (signal.aborted) hungUp()
    signal.addEventListener('abort', hungUp)
    // A live relay: what was said while the bot was dialled would keep it that much behind.
    input.clear()
    const frames = input.at(this.#settings.format.sampleRate)[Symbol.asyncIterator]()
    const digits = this.#session.dtmf()[Symbol.asyncIterator]()
    const silence = this.#awaitFirstAudio()
    this.#greet()
    const hearing = Promise.all([this.#relayAudio(frames), this.#relayDigits(digits)]).catch(
      (cause: unknown) => {
        const detail = `what the caller says cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`
        this.#finish({ kind: 'failed', problem: 'broken', detail, cause })
      },
    )
    connection.onClose = (code, reason) => this.#closed(code, reason)
    connection.onMessage = data => this.#receive(data)
    const end = await this.#end
    signal.removeEventListener('abort', hungUp)
    silence?.cancel()
    if (end.kind !== 'engine' && this.#sequence > 0) this.#say({ kind: 'stop', reason: end.detail })
    connection.close(end.kind === 'failed' && end.problem === 'malformed' ? 1007 : 1000)
    await Promise.all([frames.return?.(), digits.return?.()])
    await hearing
    // A bot that transfers the call and leaves has not asked to cut the transfer short.
    if (end.kind !== 'asked') await Promise.all(this.#orders)
    return end
  }

  /** What was too much or not well. */
  get #counters(): Readonly<Record<string, number>> {
    const { droppedMs, marksDropped } = this.#voice
    return { ...this.#counts, droppedMs: Math.round(droppedMs), marksDropped }
  }

  #awaitFirstAudio(): Timer | undefined {
    const { firstAudioTimeoutMs, dialect } = this.#settings
    if (firstAudioTimeoutMs === undefined) return undefined
    const { clock } = this.#parts
    return clock.setTimer(clock.now() + firstAudioTimeoutMs, () => {
      if (this.#spoke) return
      const detail = `the engine (${dialect.name}) said nothing within ${firstAudioTimeoutMs} ms: look at its log`
      this.#finish({ kind: 'failed', problem: 'silent', detail })
    })
  }

  #greet(): void {
    const { ids, parameters } = this.#parts
    const { direction, local, remote } = this.#session
    const { authToken, dialect, format } = this.#settings
    const [caller, called] = direction === 'inbound' ? [remote, local] : [local, remote]
    const token = dialect.name === 'telnyx' ? authToken : undefined
    this.#send({ kind: 'connected', ...(token !== undefined && { token }) })
    this.#send({
      kind: 'start',
      ...ids,
      from: userOf(caller.uriText),
      to: userOf(called.uriText),
      parameters,
      format,
    })
  }

  async #relayAudio(frames: AsyncIterator<AudioFrame>): Promise<void> {
    const { format, dialect } = this.#settings
    const frameSamples = (format.sampleRate * dialect.frameMs) / 1000
    const reframer = new Reframer(frameSamples)
    for (;;) {
      const { done, value } = await frames.next()
      if (done === true || this.#ended) return
      const { samples, timestampMs } = value
      if (samples.length === frameSamples && reframer.waiting === 0) this.#sendFrame(samples, timestampMs)
      else {
        let atMs = timestampMs - (reframer.waiting * 1000) / format.sampleRate
        for (const frame of reframer.push(samples)) {
          this.#sendFrame(frame, atMs)
          atMs += dialect.frameMs
        }
      }
      this.#voice.tick(timestampMs)
    }
  }

  #sendFrame(samples: Int16Array, atMs: number): void {
    if (this.#parts.connection.bufferedBytes > MAX_UNSENT_BYTES) {
      this.#counts.framesNotSent += 1
      return
    }
    this.#firstFrameMs ??= atMs
    this.#chunk += 1
    this.#send({
      kind: 'media',
      audio: encodeAudio(this.#settings.format, samples),
      chunk: this.#chunk,
      timestampMs: Math.max(0, Math.round(atMs - this.#firstFrameMs)),
    })
  }

  async #relayDigits(digits: AsyncIterator<DtmfDigit>): Promise<void> {
    for (;;) {
      const { done, value } = await digits.next()
      if (done === true || this.#ended) return
      this.#send({ kind: 'dtmf', digits: value.digit, durationMs: value.durationMs })
    }
  }

  #receive(data: string | Uint8Array): void {
    if (this.#ended) return
    const message = this.#settings.dialect.bot.parse(data)
    switch (message.kind) {
      case 'media':
        if (message.streamId !== undefined && message.streamId !== this.#parts.ids.streamId)
          return this.#malformed('it names another stream')
        // The end of a sentence, to some speech engines.
        if (message.audio.length === 0) return
        if (!this.#spoke) this.#parts.report.speaks()
        this.#spoke = true
        return this.#voice.play(message.audio, message.format ?? this.#botFormat)
      case 'mark':
        return this.#voice.mark(message.name)
      case 'clear': {
        const { playedMs, droppedMs } = this.#voice.clear()
        return this.#send({ kind: 'cleared', playedMs, droppedMs })
      }
      case 'dtmf':
        return this.#order(() => this.#session.sendDtmf(message.digits))
      case 'transfer':
        return this.#order(async () => {
          const { outcome } = await this.#session.transfer(message.target)
          this.#send({ kind: 'transferred', outcome })
        })
      case 'hangup':
        return this.#finish({ kind: 'asked', detail: 'it asked to hang up' })
      case 'malformed':
        return this.#malformed(message.reason)
      default:
        this.#counts.ignored += 1
    }
  }

  #malformed(reason: string): void {
    this.#counts.malformed += 1
    if (this.#counts.malformed <= this.#settings.maxMalformed) return
    const { name } = this.#settings.dialect
    this.#finish({
      kind: 'failed',
      problem: 'malformed',
      detail: `the engine does not speak ${name}, the last message: ${reason}`,
    })
  }

  /** What takes time, and may go wrong without hurting the call: the bot is told. */
  #order(run: () => Promise<void>): void {
    if (this.#orders.size >= MAX_ORDERS) {
      this.#counts.ordersRefused += 1
      const message = `${MAX_ORDERS} orders are under way: give keys together, or wait`
      return this.#send({ kind: 'error', code: 'SIP_LIMIT', message })
    }
    const told = async (): Promise<void> => {
      try {
        await run()
      } catch (error) {
        this.#counts.ordersRefused += 1
        const { code = 'error', message = String(error) } = error as { code?: string; message?: string }
        this.#send({ kind: 'error', code, message })
      }
    }
    const order = told().finally(() => this.#orders.delete(order))
    this.#orders.add(order)
  }

  #closed(code: number, reason: string): void {
    if (this.#ended) return
    // Its words go into ladders and records: one line.
    const words = reason.replaceAll(/\p{Cc}+/gu, ' ').trim()
    const said = `it closed with ${code}${words === '' ? '' : ` ${words}`}`
    if (!FAILURES.has(code)) return this.#finish({ kind: 'engine', detail: said })
    const detail = code === 1006 ? 'the connection to the engine broke' : `the engine failed: ${said}`
    this.#finish({ kind: 'failed', problem: 'broken', detail })
  }

  #send(message: StreamMessage): void {
    if (!this.#ended) this.#say(message)
  }

  #say(message: StreamMessage): void {
    const { connection, ids, clock } = this.#parts
    const { dialect, format } = this.#settings
    const sequence = message.kind === 'connected' ? 0 : this.#sequence + 1
    const data = dialect.carrier.write(message, { ...ids, sequence, format, wallTime: clock.wallTime() })
    if (data === undefined) return
    connection.send(data)
    this.#sequence = Math.max(this.#sequence, sequence)
  }
}

/** The number or name of a SIP or tel URI. */
function userOf(uri: string): string {
  return /^(?:sips?|tel):(?<user>[^@;?>:]+)/i.exec(uri)?.groups?.['user'] ?? uri
}
