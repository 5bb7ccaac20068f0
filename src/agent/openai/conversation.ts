import type { Clock, Network, Timer } from '../../runtime/runtime.ts'
import type { WebSocketConnection } from '../../runtime/web.ts'
import type { AgentSession } from '../agent.ts'
import type { EngineEnd } from '../engine/engine-end.ts'
import type { EngineReport } from '../engine/engine-report.ts'
import { SpokenItems } from './spoken-items.ts'
import type { StreamFormat } from '../streams/dialect.ts'
import { objectFrom, objectOf } from '../streams/json.ts'
import type { JsonObject } from '../streams/json.ts'
import { CallerEar } from './caller-ear.ts'
import type { Failure, ModelDialect, ModelEvent } from './dialect.ts'
import { audioOf, formats, wireFormats } from './formats.ts'
import { limit, openLine } from './line.ts'
import { live } from './live.ts'
import type { OpenAiSettings, OpenAiTalk } from './options.ts'
import { phoneTools, wireTool } from './phone-tools.ts'
import { realtime } from './realtime.ts'
import { Redial } from './redial.ts'
import { ToolBench } from './tool-bench.ts'
import { Transcript } from './transcript.ts'
import { Turns } from './turns.ts'
import type { Wanted } from './turns.ts'

export interface ConversationParts {
  readonly clock: Clock
  readonly network: Network
  readonly report: EngineReport
}

/** Frames for a model that does not take them are dropped beyond so many octets: about 15 s of G.711, 4 s of PCM. */
const MAX_UNSENT_BYTES = 256 * 1024

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
  readonly #turns = new Turns()
  readonly #redial: Redial
  /** Aborts with the end: what is being dialled is let go. */
  readonly #gone = new AbortController()
  readonly #over: Promise<EngineEnd>
  #finish!: (end: EngineEnd) => void
  #ended = false
  #line: WebSocketConnection | undefined
  /** Of the connection: what belongs to an earlier one means nothing to this one. */
  #epoch = 0
  #ready: { resolve(): void; reject(error: Error): void } | undefined
  #wasReady = false
  #spoke = false
  #lastAudioAt = 0
  /** Until nothing reads what the caller says any more. */
  #hearing: Promise<unknown> = Promise.resolve()
  #retries = 0
  readonly #timers: { silence?: Timer; retry?: Timer } = {}

  constructor(session: AgentSession, settings: OpenAiSettings, parts: ConversationParts) {
    this.session = session
    this.#settings = settings
    this.#parts = parts
    this.#dialect = { realtime, live }[settings.dialect]
    this.#redial = new Redial(settings.reconnect)
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
      this.#finish = end => {
        if (this.#ended) return
        this.#ended = true
        parts.report.ended(end, this.#counters)
        resolve(end)
        this.#gone.abort(new Error('the conversation is over'))
      }
    })
  }

  async run(): Promise<EngineEnd> {
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
    const end = await this.#over
    session.signal.removeEventListener('abort', hungUp)
    for (const timer of Object.values(this.#timers)) timer.cancel()
    const line = this.#line
    this.#line = undefined
    for (const event of this.#dialect.close()) line?.send(JSON.stringify(event))
    line?.close(end.kind === 'failed' && end.problem === 'malformed' ? 1007 : 1000)
    await this.#hearing
    return end
  }

  send(event: JsonObject): void {
    this.#line?.send(JSON.stringify(event))
  }

  tell(text: string): void {
    // The next session is to know it too, and while there is none it is told to nobody else.
    this.#transcript.add({ role: 'user', text }, false)
    this.send(this.#dialect.tell(text))
  }

  respond(instructions?: string): void {
    const wanted = { ...(instructions !== undefined && { instructions }) }
    if (this.#dialect.turns && !this.#turns.ask(wanted)) return
    this.send(this.#dialect.respond(instructions))
  }

  interrupt(): void {
    if (this.#turns.begun) for (const event of this.#dialect.cancel()) this.send(event)
    this.#cut()
  }

  /** The first connection is up. */
  #begin(): void {
    if (this.#ended) return
    const { greeting, firstAudioTimeoutMs } = this.#settings
    const { clock } = this.#parts
    this.#wasReady = true
    this.#parts.report.connected()
    if (firstAudioTimeoutMs !== undefined) {
      const detail = `the model said nothing within ${firstAudioTimeoutMs} ms`
      this.#timers.silence = clock.setTimer(clock.now() + firstAudioTimeoutMs, () => {
        if (!this.#spoke) this.#finish({ kind: 'failed', problem: 'silent', detail })
      })
    }
    const { dtmf = { gatherMs: 1000 } } = this.#settings
    const ear = new CallerEar(
      {
        session: this.session,
        clock,
        format: this.#format,
        gatherMs: typeof dtmf === 'object' ? dtmf.gatherMs : undefined,
        onAudio: audio => this.#hear(audio),
        onDigit: digit => {
          if (typeof dtmf === 'function') this.#guard('dtmf', () => dtmf(digit, this))
        },
        onKeys: keys => this.#pressed(keys),
      },
      cause => {
        const detail = `what the caller says cannot be read: ${messageOf(cause)}`
        this.#finish({ kind: 'failed', problem: 'broken', detail, cause })
      },
    )
    this.#hearing = this.#over.then(() => ear.close())
    if (greeting === undefined) return
    if (this.#dialect.turns) this.#turns.ask(greeting === true ? {} : { instructions: greeting })
    for (const event of this.#dialect.greet(greeting)) this.send(event)
  }

  /** Settles when the session is set up. */
  async #connect(): Promise<void> {
    const { clock, network } = this.#parts
    const { connectTimeoutMs } = this.#settings
    const attempt = limit(
      clock,
      connectTimeoutMs,
      this.#gone.signal,
      `it was not ready within ${connectTimeoutMs} ms`,
    )
    this.#epoch += 1
    const epoch = this.#epoch
    let line: WebSocketConnection | undefined
    try {
      const { signal } = attempt
      line = await openLine(network, this.#settings, signal)
      const up = new Promise<void>((resolve, reject) => {
        this.#ready = {
          resolve: () => {
            // At once: the connection may break with the next message.
            this.#ready = undefined
            this.#line = line
            this.#redial.up(clock.now())
            resolve()
          },
          reject,
        }
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
      // Ended meanwhile: nobody else closes it.
      if (this.#ended) line.close()
    } catch (error) {
      this.#epoch += 1
      this.#ready = undefined
      line?.close()
      throw error
    } finally {
      attempt.done()
    }
  }

  #unreachable(cause: unknown): void {
    const detail = `the model cannot be reached: ${messageOf(cause)}`
    this.#finish({ kind: 'failed', problem: 'unreachable', detail, cause })
  }

  async #reconnect(detail: string): Promise<void> {
    let underWay = this.#turns.busy || this.#tools.busy
    this.#line = undefined
    this.#turns.forget()
    this.#tools.forget()
    for (;;) {
      const waitMs = this.#redial.next(this.#parts.clock.now())
      if (waitMs === undefined) return this.#finish({ kind: 'failed', problem: 'broken', detail })
      await this.session.sleep(waitMs).catch(() => {})
      if (this.#ended) return
      try {
        await this.#connect()
        // Keys that were pressed meanwhile ask for an answer, too.
        underWay ||= this.#turns.busy
        this.#turns.forget()
        this.#counts.reconnects += 1
        if (underWay && this.#dialect.turns) this.respond()
        return
      } catch {
        // The next attempt, if there is one, says more than this.
      }
    }
  }

  #hear(audio: string): void {
    const line = this.#line
    if (line === undefined) return
    if (line.bufferedBytes > MAX_UNSENT_BYTES) this.#counts.framesNotSent += 1
    else this.send(this.#dialect.audio(audio))
  }

  #pressed(keys: string): void {
    if (this.#dialect.turns) this.interrupt()
    this.tell(`The caller pressed these keys of the phone: ${keys}`)
    if (this.#dialect.turns) this.respond()
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
        return this.#turns.begin(event.id)
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
    if (audio.length === 0 || this.#turns.discarded(item.responseId)) return
    if (!this.#spoke) this.#parts.report.speaks()
    this.#spoke = true
    this.#lastAudioAt = this.#parts.clock.now()
    this.#voice.play({ ...item, itemId: this.#itemId(item.itemId) }, audio)
  }

  #responded(id: string, failure: Failure | undefined): void {
    const wanted = this.#turns.over(id)
    if (failure === undefined) this.#retries = 0
    else this.#problem('model', failure)
    const again = failure !== undefined && RETRYABLE.has(failure.code) ? failure : undefined
    const { instructions }: Wanted = wanted ?? (again === undefined ? {} : this.#turns.asked)
    const epoch = this.#epoch
    const done = this.#tools.work(this, (callId, output) => {
      if (epoch === this.#epoch && !this.#ended) this.send(this.#dialect.toolOutput(callId, output))
    })
    const goOn = (): void => {
      if (epoch !== this.#epoch || this.#ended) return
      if (again === undefined) this.respond(instructions)
      else this.#retry(again, instructions)
    }
    if (done !== undefined) void done.then(goOn)
    else if (again !== undefined || wanted !== undefined) goOn()
  }

  #retry({ code }: Failure, instructions: string | undefined): void {
    const { clock } = this.#parts
    if (this.#retries >= MAX_RETRIES) {
      const detail = `the model gave no answer, ${MAX_RETRIES + 1} times in a row: ${code}`
      this.#finish({ kind: 'failed', problem: 'broken', detail })
      return
    }
    this.#timers.retry?.cancel()
    this.#timers.retry = clock.setTimer(clock.now() + 1000 * 2 ** this.#retries, () => {
      if (!this.#ended && !this.#turns.busy) this.respond(instructions)
    })
    this.#retries += 1
  }

  #failed(failure: Failure): void {
    if (this.#ready !== undefined) {
      const { code, message } = failure
      return this.#ready.reject(new Error(`it refused the session (${code}): ${message}`))
    }
    const another = failure.code === 'conversation_already_has_active_response'
    this.#turns.refused(another)
    if (!another) this.#problem('model', failure)
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
    this.#turns.discard()
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

  /** What was too much or not well. */
  get #counters(): Readonly<Record<string, number>> {
    return { ...this.#counts, ...this.#tools.counts, droppedMs: Math.round(this.#voice.droppedMs) }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
