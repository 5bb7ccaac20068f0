import type { AudioFrame } from '../../media/audio/audio-source.ts'
import type { DtmfDigit } from '../../media/session/types.ts'
import type { Clock, Network, Timer } from '../../runtime/runtime.ts'
import type { WebSocketConnection } from '../../runtime/web.ts'
import type { AgentSession } from '../agent.ts'
import { SpokenItems } from '../sdk/openai-agents/spoken-items.ts'
import { encodeAudio } from '../streams/audio-format.ts'
import type { SessionEndReason } from '../streams/bot-session.ts'
import type { StreamFormat } from '../streams/dialect.ts'
import { base64Of, objectFrom, objectOf } from '../streams/json.ts'
import type { JsonObject } from '../streams/json.ts'
import type { Failure, ModelDialect, ModelEvent } from './dialect.ts'
import { limit, openLine } from './line.ts'
import { live } from './live.ts'
import type { OpenAiAudio, OpenAiSettings, OpenAiTalk } from './options.ts'
import { phoneTools, wireTool } from './phone-tools.ts'
import { realtime } from './realtime.ts'
import { ToolBench } from './tool-bench.ts'
import { Transcript } from './transcript.ts'

export interface ConversationParts {
  readonly clock: Clock
  readonly network: Network
  readonly onConnected: () => void
  readonly onFirstAudio: () => void
  /** At once when it is known, before the call's record is closed. */
  readonly onEnd: (reason: SessionEndReason, counters: Readonly<Record<string, number>>) => void
}

/** Frames for a model that does not take them are dropped beyond so many octets: about 15 s of G.711, 4 s of PCM. */
const MAX_UNSENT_BYTES = 256 * 1024

/** Responses whose end never came. */
const MAX_DISCARDED = 100

/** Answers that failed for want of capacity, in a row. */
const MAX_RETRIES = 3
const RETRYABLE: ReadonlySet<string> = new Set(['rate_limit_exceeded', 'server_error'])

/** Close codes of an end in order; the API has codes of its own above 3000, which are errors (RFC 6455 §7.4.1). */
const ORDERLY: ReadonlySet<number> = new Set([1000, 1001, 1005])

/** Live says when it is quiet by being quiet: so long. And no good-bye takes longer than the second. */
const QUIET_MS = 1500
const MAX_GOODBYE_MS = 10_000

/** One call's conversation with a model, over one connection or several in a row. */
export class Conversation implements OpenAiTalk {
  readonly session: AgentSession
  readonly #settings: OpenAiSettings
  readonly #parts: ConversationParts
  readonly #dialect: ModelDialect
  readonly #format: StreamFormat
  readonly #voice: SpokenItems
  readonly #tools: ToolBench
  readonly #transcript = new Transcript()
  readonly #counts = { malformed: 0, problems: 0, framesNotSent: 0, reconnects: 0 }
  readonly #discarded = new Set<string>()
  readonly #over: Promise<SessionEndReason>
  #finish!: (reason: SessionEndReason) => void
  #ended = false
  #line: WebSocketConnection | undefined
  /** Of the connection: what belongs to an earlier one means nothing to this one. */
  #epoch = 0
  #ready: { resolve(): void; reject(error: Error): void } | undefined
  #wasReady = false
  #spoke = false
  #lastAudioAt = 0
  /** The response under way; empty when it was asked for and has not begun. */
  #active: string | undefined
  #wanted: { readonly instructions?: string } | undefined
  #retries = 0
  #keys = ''
  readonly #timers: { keys?: Timer; silence?: Timer; retry?: Timer } = {}

  constructor(session: AgentSession, settings: OpenAiSettings, parts: ConversationParts) {
    this.session = session
    this.#settings = settings
    this.#parts = parts
    this.#dialect = { realtime, live }[settings.dialect]
    this.#format = formats[settings.audio ?? audioOf(session)]
    this.#voice = new SpokenItems(session.output, this.#format, settings.maxBufferedMs)
    this.#tools = new ToolBench({
      tools: [
        ...settings.tools,
        ...phoneTools(settings, {
          session,
          heardOut: () => this.#heardOut(),
          end: () => this.#finish({ kind: 'asked', detail: 'the model hung up' }),
        }),
      ],
      ...(settings.onToolCall !== undefined && { onToolCall: settings.onToolCall }),
      onFailed: (code, message) => this.#problem('tool', { code, message }),
    })
    this.#over = new Promise(resolve => {
      this.#finish = reason => {
        if (this.#ended) return
        this.#ended = true
        parts.onEnd(reason, this.#counters)
        resolve(reason)
      }
    })
  }

  async run(): Promise<SessionEndReason> {
    const { session } = this
    const hungUp = (): void =>
      this.#finish({
        kind: 'call',
        detail: this.#wasReady ? 'the call ended' : 'the call ended while the model was dialled',
      })
    session.signal.addEventListener('abort', hungUp)
    if (session.signal.aborted) hungUp()
    else
      this.#connect().then(
        () => this.#begin(),
        (error: unknown) => this.#unreachable(error),
      )
    const reason = await this.#over
    session.signal.removeEventListener('abort', hungUp)
    for (const timer of Object.values(this.#timers)) timer.cancel()
    const line = this.#line
    this.#line = undefined
    for (const event of this.#dialect.close()) line?.send(JSON.stringify(event))
    line?.close(reason.kind === 'failed' && reason.problem === 'malformed' ? 1007 : 1000)
    await this.#hearing
    return reason
  }

  send(event: JsonObject): void {
    this.#line?.send(JSON.stringify(event))
  }

  tell(text: string): void {
    this.send(this.#dialect.tell(text))
  }

  respond(instructions?: string): void {
    if (this.#dialect.turns && this.#active !== undefined) {
      this.#wanted = { ...(instructions !== undefined && { instructions }) }
      return
    }
    this.#wanted = undefined
    this.#active = ''
    this.send(this.#dialect.respond(instructions))
  }

  interrupt(): void {
    if (this.#active !== undefined && this.#active !== '')
      for (const event of this.#dialect.cancel()) this.send(event)
    this.#cut()
  }

  #hearing: Promise<unknown> = Promise.resolve()

  /** The first connection is up. */
  #begin(): void {
    if (this.#ended) return
    const { session } = this
    const { greeting, firstAudioTimeoutMs } = this.#settings
    const { clock } = this.#parts
    this.#wasReady = true
    this.#parts.onConnected()
    if (firstAudioTimeoutMs !== undefined) {
      const detail = `the model said nothing within ${firstAudioTimeoutMs} ms`
      this.#timers.silence = clock.setTimer(clock.now() + firstAudioTimeoutMs, () => {
        if (!this.#spoke) this.#finish({ kind: 'failed', problem: 'silent', detail })
      })
    }
    // A live relay: what was said while the model was dialled would keep it that much behind.
    session.input.clear()
    const frames = session.input.at(this.#format.sampleRate)[Symbol.asyncIterator]()
    const digits = session.dtmf()[Symbol.asyncIterator]()
    const hearing = Promise.all([this.#relayAudio(frames), this.#relayDigits(digits)]).catch(
      (cause: unknown) => {
        const detail = `what the caller says cannot be read: ${messageOf(cause)}`
        this.#finish({ kind: 'failed', problem: 'broken', detail, cause })
      },
    )
    this.#hearing = this.#over.then(async () => {
      await Promise.all([frames.return?.(), digits.return?.()])
      await hearing
    })
    if (greeting === undefined) return
    if (this.#dialect.turns) this.#active = ''
    for (const event of this.#dialect.greet(greeting)) this.send(event)
  }

  /** Settles when the session is set up. */
  async #connect(): Promise<void> {
    const { clock, network } = this.#parts
    const { connectTimeoutMs } = this.#settings
    const attempt = limit(
      clock,
      connectTimeoutMs,
      this.session.signal,
      `it was not ready within ${connectTimeoutMs} ms`,
    )
    this.#epoch += 1
    const epoch = this.#epoch
    let line: WebSocketConnection | undefined
    try {
      const { signal } = attempt
      line = await openLine(network, this.#settings, signal)
      const up = new Promise<void>((resolve, reject) => {
        this.#ready = { resolve, reject }
        signal.addEventListener('abort', () => reject(signal.reason))
      })
      up.catch(() => {})
      line.onClose = (code, reason) => this.#closed(epoch, code, reason)
      line.onMessage = data => this.#receive(epoch, data)
      const tools = this.#tools.own.map(wireTool)
      const format = wireFormats[this.#settings.dialect][this.#format.encoding]
      for (const event of this.#dialect.open(this.#settings, format, tools, this.#transcript.turns))
        line.send(JSON.stringify(event))
      await up
      this.#line = line
      // Ended meanwhile: nobody else closes it.
      if (this.#ended) line.close()
    } catch (error) {
      this.#epoch += 1
      line?.close()
      throw error
    } finally {
      this.#ready = undefined
      attempt.done()
    }
  }

  #unreachable(cause: unknown): void {
    const detail = `the model cannot be reached: ${messageOf(cause)}`
    this.#finish({ kind: 'failed', problem: 'unreachable', detail, cause })
  }

  async #reconnect(detail: string): Promise<void> {
    const { attempts, delayMs, maxDelayMs } = this.#settings.reconnect
    const underWay = this.#active !== undefined || this.#tools.busy
    this.#line = undefined
    this.#active = undefined
    this.#wanted = undefined
    this.#discarded.clear()
    this.#tools.forget()
    for (let attempt = 0; attempt < attempts && !this.#ended; attempt += 1) {
      await this.session.sleep(Math.min(maxDelayMs, delayMs * 2 ** attempt)).catch(() => {})
      if (this.#ended) return
      try {
        await this.#connect()
        this.#counts.reconnects += 1
        if (underWay && this.#dialect.turns) this.respond()
        return
      } catch {
        // The next attempt, if there is one, says more than this.
      }
    }
    this.#finish({ kind: 'failed', problem: 'broken', detail })
  }

  async #relayAudio(frames: AsyncIterator<AudioFrame>): Promise<void> {
    for (;;) {
      const { done, value } = await frames.next()
      if (done === true || this.#ended) return
      const line = this.#line
      if (line === undefined) continue
      if (line.bufferedBytes > MAX_UNSENT_BYTES) this.#counts.framesNotSent += 1
      else this.send(this.#dialect.audio(base64Of(encodeAudio(this.#format, value.samples))))
    }
  }

  async #relayDigits(digits: AsyncIterator<DtmfDigit>): Promise<void> {
    const { dtmf = { gatherMs: 1000 } } = this.#settings
    for (;;) {
      const { done, value } = await digits.next()
      if (done === true || this.#ended) return
      if (typeof dtmf === 'function') this.#guard('dtmf', () => dtmf(value, this))
      else if (dtmf !== false) this.#gather(value.digit, dtmf.gatherMs)
    }
  }

  #gather(digit: string, gatherMs: number): void {
    const { clock } = this.#parts
    this.#keys = (this.#keys + digit).slice(-128)
    this.#timers.keys?.cancel()
    this.#timers.keys = clock.setTimer(clock.now() + gatherMs, () => {
      const keys = this.#keys
      this.#keys = ''
      if (this.#ended) return
      if (this.#dialect.turns) this.interrupt()
      this.tell(`The caller pressed these keys of the phone: ${keys}`)
      if (this.#dialect.turns) this.respond()
    })
  }

  #receive(epoch: number, data: string | Uint8Array): void {
    if (this.#ended || epoch !== this.#epoch) return
    const json = typeof data === 'string' ? objectFrom(data) : undefined
    if (json === undefined) return this.#malformed('no JSON object')
    const event = this.#dialect.read(json)
    if (event.kind !== 'audio') {
      const { onEvent } = this.#settings
      if (onEvent !== undefined) this.#guard('onEvent', () => onEvent(json, this))
      if (this.#ended) return
    }
    this.#act(epoch, event)
  }

  #act(epoch: number, event: ModelEvent): void {
    switch (event.kind) {
      case 'ready':
        return this.#ready?.resolve()
      case 'audio':
        return this.#speak(event)
      case 'audio-done':
        return this.#voice.done(this.#itemId(event.itemId), event.contentIndex)
      case 'speech':
        if (this.#interruptible) this.#cut()
        return
      case 'response':
        this.#active = event.id
        return
      case 'response-over':
        return this.#responded(event.id, event.failure)
      case 'tool':
        return this.#tools.add(event)
      case 'words':
        return this.#transcript.add(event, event.piece)
      case 'error':
        return this.#failed(event.failure)
      case 'over':
        return this.#sessionOver(epoch, event)
      case 'malformed':
        return this.#malformed(event.reason)
      default:
    }
  }

  #speak({ item, audio }: Extract<ModelEvent, { kind: 'audio' }>): void {
    if (this.#discarded.has(item.responseId)) return
    if (!this.#spoke) this.#parts.onFirstAudio()
    this.#spoke = true
    this.#lastAudioAt = this.#parts.clock.now()
    this.#voice.play({ ...item, itemId: this.#itemId(item.itemId) }, audio)
  }

  #responded(id: string, failure: Failure | undefined): void {
    this.#discarded.delete(id)
    this.#active = undefined
    if (failure === undefined) this.#retries = 0
    else {
      this.#problem('model', failure)
      if (RETRYABLE.has(failure.code)) return this.#retry(failure)
    }
    const epoch = this.#epoch
    const done = this.#tools.work(this, (callId, output) => {
      if (epoch === this.#epoch && !this.#ended) this.send(this.#dialect.toolOutput(callId, output))
    })
    if (done === undefined) {
      if (this.#wanted !== undefined) this.respond(this.#wanted.instructions)
      return
    }
    void done.then(() => {
      if (epoch === this.#epoch && !this.#ended) this.respond()
    })
  }

  #retry({ code }: Failure): void {
    const { clock } = this.#parts
    if (this.#retries >= MAX_RETRIES) {
      const detail = `the model gave no answer, ${MAX_RETRIES + 1} times in a row: ${code}`
      this.#finish({ kind: 'failed', problem: 'broken', detail })
      return
    }
    this.#timers.retry?.cancel()
    this.#timers.retry = clock.setTimer(clock.now() + 1000 * 2 ** this.#retries, () => {
      if (!this.#ended && this.#active === undefined) this.respond()
    })
    this.#retries += 1
  }

  #failed(failure: Failure): void {
    if (this.#ready !== undefined) {
      const { code, message } = failure
      return this.#ready.reject(new Error(`it refused the session (${code}): ${message}`))
    }
    if (this.#active === '') this.#active = undefined
    // Somebody's turn had begun that we had not heard of: after it.
    if (failure.code === 'conversation_already_has_active_response') this.#wanted ??= {}
    else this.#problem('model', failure)
  }

  #sessionOver(epoch: number, { reason, expired }: Extract<ModelEvent, { kind: 'over' }>): void {
    if (this.#ready !== undefined) return this.#ready.reject(new Error(reason))
    if (!expired || this.#settings.onExpiry === 'end') return this.#finish({ kind: 'engine', detail: reason })
    const line = this.#line
    // What it still says, its close included, is of the old session.
    if (epoch === this.#epoch) this.#epoch += 1
    line?.close()
    void this.#reconnect(reason)
  }

  #closed(epoch: number, code: number, reason: string): void {
    if (this.#ended || epoch !== this.#epoch) return
    const words = reason.replaceAll(/\p{Cc}+/gu, ' ').trim()
    const said = `it closed with ${code}${words === '' ? '' : ` ${words}`}`
    if (this.#ready !== undefined) return this.#ready.reject(new Error(said))
    if (ORDERLY.has(code)) return this.#finish({ kind: 'engine', detail: said })
    void this.#reconnect(code === 1006 ? 'the connection to the model broke' : `the model failed: ${said}`)
  }

  /** Drops what was not heard, and tells the model where that was. */
  #cut(): void {
    const active = this.#active
    if (active !== undefined && active !== '') {
      this.#discarded.add(active)
      if (this.#discarded.size > MAX_DISCARDED) this.#discarded.clear()
    }
    const own = `${this.#epoch} `
    for (const { itemId, contentIndex, heardMs } of this.#voice.cut()) {
      if (!itemId.startsWith(own)) continue
      for (const event of this.#dialect.truncate(itemId.slice(own.length), contentIndex, heardMs))
        this.send(event)
    }
  }

  get #interruptible(): boolean {
    const input = objectOf(objectOf(this.#settings.session['audio'])['input'])
    return objectOf(input['turn_detection'])['interrupt_response'] !== false
  }

  async #heardOut(): Promise<boolean> {
    const { clock } = this.#parts
    if (!this.#dialect.turns) {
      const latest = clock.now() + MAX_GOODBYE_MS
      this.#lastAudioAt = Math.max(this.#lastAudioAt, clock.now())
      while (!this.#ended && clock.now() < latest && clock.now() - this.#lastAudioAt < QUIET_MS)
        await this.session.sleep(100).catch(() => {})
    }
    const { interrupted } = await this.#voice.heard()
    return !interrupted || this.session.signal.aborted
  }

  #itemId(itemId: string): string {
    return `${this.#epoch} ${itemId}`
  }

  #malformed(reason: string): void {
    this.#counts.malformed += 1
    if (this.#counts.malformed <= this.#settings.maxMalformed) return
    const detail = `the model does not speak ${this.#settings.dialect}, the last message: ${reason}`
    this.#finish({ kind: 'failed', problem: 'malformed', detail })
  }

  #problem(source: 'model' | 'tool', { code, message }: Failure): void {
    this.#counts.problems += 1
    const { onProblem } = this.#settings
    if (onProblem !== undefined) this.#guard('onProblem', () => onProblem({ source, code, message }))
  }

  /** A handler that throws is a mistake of the program, and ends the call as such. */
  #guard(what: string, run: () => unknown): void {
    try {
      run()
    } catch (cause) {
      const detail = `${what} threw: ${messageOf(cause)}`
      this.#finish({ kind: 'failed', problem: 'broken', detail, cause })
    }
  }

  /** What was too much or not well, above 0 only. */
  get #counters(): Readonly<Record<string, number>> {
    const all = { ...this.#counts, ...this.#tools.counts, droppedMs: Math.round(this.#voice.droppedMs) }
    return Object.fromEntries(Object.entries(all).filter(([, count]) => count > 0))
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function audioOf({ codec, input }: AgentSession): OpenAiAudio {
  if (codec === 'PCMU' || (codec === undefined && input.sampleRate === 8000)) return 'pcmu'
  return codec === 'PCMA' ? 'pcma' : 'pcm'
}

const formats: Readonly<Record<OpenAiAudio, StreamFormat>> = {
  pcmu: { encoding: 'PCMU', sampleRate: 8000 },
  pcma: { encoding: 'PCMA', sampleRate: 8000 },
  pcm: { encoding: 'L16', sampleRate: 24_000 },
}

/** Live wants a rate with each. */
const wireFormats: Readonly<
  Record<OpenAiSettings['dialect'], Readonly<Record<StreamFormat['encoding'], JsonObject>>>
> = {
  realtime: {
    PCMU: { type: 'audio/pcmu' },
    PCMA: { type: 'audio/pcma' },
    L16: { type: 'audio/pcm', rate: 24_000 },
  },
  live: {
    PCMU: { type: 'audio/pcmu', rate: 8000 },
    PCMA: { type: 'audio/pcma', rate: 8000 },
    L16: { type: 'audio/pcm', rate: 24_000 },
  },
}
