import { CallEndedError } from '../../call/call-ended.ts'
import type { CallEnded } from '../../call/call-ended.ts'
import { reportListenerError } from '../../call/emitter.ts'
import { sleep } from '../../call/sleep.ts'
import { streamChannel } from '../../call/stream-events.ts'
import type { StreamCounts } from '../../call/stream-events.ts'
import type { DtmfOptions } from '../../call/call-types.ts'
import type { TransferResult } from '../../call/transfer-options.ts'
import { mediaDtmfChannel } from '../../media/session/diagnostics.ts'
import { DigitQueue } from '../../media/session/digit-queue.ts'
import type { DtmfStart, SendDtmfOptions } from '../../media/session/types.ts'
import { SipError } from '../../runtime/errors.ts'
import type { Clock } from '../../runtime/runtime.ts'
import type { WebSocketConnection } from '../../runtime/web.ts'
import { NameAddr } from '../../sip/message/name-addr.ts'
import type { StreamMessage } from '../streams/dialect.ts'
import { CarrierEar } from './carrier-ear.ts'
import { CarrierVoice } from './carrier-voice.ts'
import { CarrierOrders } from './carrier-orders.ts'
import { sendDigits } from './digits.ts'
import { headersOf, uriOf } from './identity.ts'
import { refused, wordOfTransfer } from './transfer-result.ts'
import type { StreamCall, StreamLimits, StreamRoute, StreamSession } from './options.ts'

export interface CarrierCallParts {
  readonly clock: Clock
  readonly connection: WebSocketConnection
  readonly route: StreamRoute
  readonly limits: StreamLimits
  readonly leadMs: number
  readonly owner: object
  readonly openedAt: number
  readonly secure: boolean
  readonly onError: (error: Error) => void
}

/** One call whose stream has started. */
export class CarrierCall {
  readonly session: StreamSession
  readonly call: StreamCall
  readonly #parts: CarrierCallParts
  readonly #voice: CarrierVoice
  readonly #ear: CarrierEar
  readonly #orders: CarrierOrders
  readonly #digits = new DigitQueue()
  readonly #gone = new AbortController()
  readonly #ended: Promise<CallEnded>
  #settle!: (ended: CallEnded) => void
  #over: CallEnded | undefined
  readonly #startedAt: number
  #heardAt: number
  #readAt: number
  readonly #keyListeners = new Set<(start: DtmfStart) => void>()
  #telling: Promise<void> | undefined
  #transferred: ((outcome: string) => void) | undefined
  #sequence = 1
  readonly #counts = { malformed: 0, ignored: 0 }

  constructor(call: StreamCall, parts: CarrierCallParts) {
    const { clock, route, limits, connection } = parts
    this.call = call
    this.#parts = parts
    this.#startedAt = clock.now()
    this.#heardAt = this.#startedAt
    this.#readAt = this.#startedAt
    this.#orders = new CarrierOrders(clock, route.control ?? {}, call)
    this.#ear = new CarrierEar(route.dialect, call.format, this.#startedAt)
    this.#voice = new CarrierVoice({
      dialect: route.dialect,
      format: route.format ?? route.dialect.botFormat ?? call.format,
      leadMs: parts.leadMs,
      now: () => clock.now(),
      send: message => this.#send(message),
      hasRoom: () => connection.bufferedBytes <= limits.maxUnsentBytes,
    })
    this.#ended = new Promise(resolve => (this.#settle = resolve))
    this.session = this.#makeSession()
  }

  get isOver(): boolean {
    return this.#over !== undefined
  }

  /** Of messages that came too late to be of use, and those not of the dialect. */
  get discarded(): number {
    return this.#counts.malformed + this.#ear.late
  }

  begin(): void {
    const { owner, route, connection, secure, openedAt } = this.#parts
    const { id, callId, carrierIds, format, remote } = this.call
    connection.onMessage = data => this.#receive(data)
    connection.onClose = (code, reason) => this.#closed(code, reason)
    if (!streamChannel.hasSubscribers) return
    streamChannel.publish({
      kind: 'began',
      endpoint: owner,
      call: id,
      at: this.#startedAt,
      dialect: route.dialect.name,
      callId,
      carrierIds,
      from: this.session.remote.uriText,
      to: this.session.local.uriText,
      peer: `${secure ? 'wss' : 'ws'}:${remote.address}:${remote.port}`,
      openedAt,
      codec: format.encoding,
    })
  }

  /** Every 20 ms. */
  tick(): void {
    const { clock, limits, connection } = this.#parts
    const now = clock.now()
    this.#voice.tick()
    if (connection.bufferedBytes <= limits.maxUnsentBytes) this.#readAt = now
    const silentMs = now - this.#heardAt
    if (silentMs >= limits.idleTimeoutMs)
      return this.#timedOut(`no message came for ${Math.round(silentMs / 1000)} s`)
    if (now - this.#readAt >= limits.stallTimeoutMs) this.#timedOut('it no longer reads what is sent to it')
  }

  /** The agent threw, or the server closes. */
  end(by: CallEnded['by'], cause: CallEnded['cause'], error?: SipError): void {
    this.#letGo({ by, cause, q850: cause === 'failed' ? 41 : 16, ...(error !== undefined && { error }) })
  }

  /** Resolves when the carrier has been told, too. */
  async hangup(): Promise<CallEnded> {
    this.#letGo({ by: 'local', cause: 'hangup', q850: 16 })
    await this.#telling
    return this.#ended
  }

  /** Ends the call from here: over the stream, or over the carrier's interface where closing the stream does not end it. */
  #letGo(end: Omit<CallEnded, 'durationMs'>, code?: number): void {
    if (this.#over !== undefined) return
    const { onError } = this.#parts
    // Said first: nothing more is sent once it is over.
    const told = this.#send({ kind: 'hangup' })
    const asked = !told && this.#orders.canHangup
    this.#finish(end, !asked, code)
    if (!asked) return
    this.#telling = this.#orders
      .hangup()
      .catch((error: unknown) => onError(error instanceof Error ? error : new Error(String(error))))
      .finally(() => this.#close(end.by, code))
  }

  #makeSession(): StreamSession {
    const { call } = this
    const { clock } = this.#parts
    const { signal } = this.#gone
    return {
      id: call.id,
      callId: call.callId,
      direction: 'inbound',
      local: new NameAddr({ uri: uriOf(call.to) }),
      remote: new NameAddr({ uri: uriOf(call.from) }),
      headers: headersOf(call),
      signal,
      ended: this.#ended,
      input: this.#ear.input,
      output: this.#voice.output,
      codec: call.format.encoding,
      stream: call,
      dtmf: (options?: DtmfOptions) => this.#digits.read(options ?? {}),
      sendDtmf: (digits, options) => this.#sendDtmf(digits, options ?? {}),
      hangup: () => this.hangup(),
      sleep: ms => sleep(clock, ms, signal),
      transfer: target => this.#transfer(target),
      on: (event, listener) => {
        if (event !== 'dtmfStart') return () => {}
        const keyListener = listener as (start: DtmfStart) => void
        this.#keyListeners.add(keyListener)
        return () => this.#keyListeners.delete(keyListener)
      },
    }
  }

  async #sendDtmf(digits: string, options: SendDtmfOptions): Promise<void> {
    if (this.#over !== undefined) throw new CallEndedError(this.#over)
    const { dialect } = this.#parts.route
    const send = (keys: string): boolean => this.#send({ kind: 'dtmf', digits: keys })
    await sendDigits({ dialect, output: this.#voice.output, send }, digits, options)
    for (const digit of digits.replaceAll(/[w,]/g, '')) {
      this.#tellDigit('out', digit, options.durationMs ?? 160)
    }
  }

  #receive(data: string | Uint8Array): void {
    const { clock, route } = this.#parts
    if (this.#over !== undefined) return
    this.#heardAt = clock.now()
    const message = route.dialect.carrier.parse(data)
    switch (message.kind) {
      case 'media':
        if (message.track === 'outbound') {
          this.#counts.ignored += 1
          return
        }
        if (message.streamId !== undefined && message.streamId !== this.call.streamId)
          return this.#malformed('it is of another stream')
        return this.#ear.receive(message, this.#heardAt)
      case 'dtmf':
        return this.#pressed(message.digits, message.durationMs ?? 0)
      case 'mark':
        if (!this.#voice.echo(message.name, message.reached !== false)) this.#counts.ignored += 1
        return
      case 'stop':
        return this.#finish({ by: 'remote', cause: 'hangup', q850: 16 })
      case 'transferred':
        return this.#transferred?.(message.outcome)
      case 'error':
        // The carrier says that something it was sent was not good; the call goes on.
        if (this.#transferred === undefined) this.#counts.ignored += 1
        else this.#transferred(`refused: ${message.code}`)
        return
      case 'start':
        return this.#malformed('a second start')
      case 'malformed':
        return this.#malformed(message.reason)
      default:
        this.#counts.ignored += 1
    }
  }

  #malformed(reason: string): void {
    const { limits, route } = this.#parts
    this.#counts.malformed += 1
    if (this.#counts.malformed <= limits.maxMalformed) return
    const error = new SipError(
      'SIP_LIMIT',
      `too much of what came is not ${route.dialect.name}; the last: ${reason}`,
    )
    this.#letGo({ by: 'error', cause: 'failed', q850: 41, error }, 1007)
  }

  #pressed(digits: string, durationMs: number): void {
    const timestampMs = this.#parts.clock.now() - this.#startedAt
    for (const digit of digits.slice(0, 64)) {
      if (!/[0-9*#A-D]/.test(digit)) {
        this.#counts.ignored += 1
        continue
      }
      for (const listener of this.#keyListeners) {
        try {
          listener({ digit, via: 'info', timestampMs })
        } catch (error) {
          reportListenerError('dtmfStart', error)
        }
      }
      this.#digits.push({ digit, via: 'info', durationMs, timestampMs })
      this.#tellDigit('in', digit, durationMs)
    }
  }

  #tellDigit(direction: 'in' | 'out', digit: string, durationMs: number): void {
    if (!mediaDtmfChannel.hasSubscribers) return
    mediaDtmfChannel.publish({
      call: this.call.id,
      direction,
      digit,
      durationMs,
      at: this.#parts.clock.now(),
      via: 'info',
    })
  }

  async #transfer(target: unknown): Promise<TransferResult> {
    if (this.#over !== undefined) throw new CallEndedError(this.#over)
    const { clock, owner } = this.#parts
    if (typeof target !== 'string') {
      return refused('a call on a stream can only be transferred to a number or URI, not to another call')
    }
    const tell = (result?: TransferResult): void => {
      if (!streamChannel.hasSubscribers) return
      const event = { endpoint: owner, call: this.call.id, at: clock.now() }
      streamChannel.publish({ ...event, kind: 'transfer', target, ...(result !== undefined && { result }) })
    }
    tell()
    const result = await this.#passOn(target)
    tell(result)
    return result
  }

  async #passOn(target: string): Promise<TransferResult> {
    const { route, clock } = this.#parts
    if (this.#transferred !== undefined) return refused('a transfer is under way already')
    if (this.#send({ kind: 'transfer', target })) {
      return wordOfTransfer(clock, this.#gone.signal, take => (this.#transferred = take))
    }
    if (this.#orders.canTransfer) return this.#orders.transfer(target)
    return refused(
      `the protocol ${route.dialect.name} has no transfer: give "control" for the path, which asks the carrier over HTTP`,
    )
  }

  #timedOut(what: string): void {
    const error = new SipError('SIP_MEDIA_TIMEOUT', `the carrier is gone: ${what}`)
    this.#letGo({ by: 'timeout', cause: 'media-timeout', q850: 41, error })
  }

  #closed(code: number, reason: string): void {
    if (code === 1000 || code === 1001 || code === 1005)
      return this.#finish({ by: 'remote', cause: 'hangup', q850: 16 })
    const words = reason.replaceAll(/\p{Cc}+/gu, ' ').trim()
    const error = new SipError(
      'SIP_TRANSPORT',
      `the stream broke: it closed with ${code}${words === '' ? '' : ` ${words}`}`,
    )
    this.#finish({ by: 'transport', cause: 'failed', q850: 41, error })
  }

  #finish(end: Omit<CallEnded, 'durationMs'>, close = true, code?: number): void {
    if (this.#over !== undefined) return
    const { clock, owner } = this.#parts
    const at = clock.now()
    const ended: CallEnded = { ...end, durationMs: at - this.#startedAt }
    this.#over = ended
    this.#voice.output.end()
    this.#ear.end()
    this.#digits.end()
    this.#keyListeners.clear()
    if (streamChannel.hasSubscribers) {
      streamChannel.publish({
        kind: 'ended',
        endpoint: owner,
        call: this.call.id,
        at,
        ended,
        media: this.#media,
      })
    }
    this.#settle(ended)
    this.#gone.abort(new CallEndedError(ended))
    if (close) this.#close(end.by, code)
  }

  #close(by: CallEnded['by'], code = 1000): void {
    const { connection } = this.#parts
    connection.close(code)
    // A peer that does not read does not answer the close either.
    if (by === 'timeout') connection.destroy()
  }

  get #media(): StreamCounts {
    const ear = this.#ear
    const voice = this.#voice
    const counters = {
      ...this.#counts,
      floodedMs: ear.floodedMs,
      framesNotRead: ear.input.droppedFrames,
      messagesMissing: ear.missing,
      messagesLate: ear.late,
      marksMissing: voice.marksMissing,
      framesDelayed: voice.stalledTicks,
      droppedMs: Math.round(voice.output.refusedMs),
      digitsDropped: this.#digits.dropped,
    }
    return {
      codec: this.call.format.encoding,
      messagesSent: voice.messages,
      messagesReceived: ear.messages,
      discarded: this.discarded,
      counters: Object.fromEntries(Object.entries(counters).filter(([, count]) => count > 0)),
    }
  }

  /** False where the dialect has no such message. */
  #send(message: StreamMessage): boolean {
    if (this.#over !== undefined) return false
    const { clock, connection, route } = this.#parts
    const { streamId, callId, accountId, format } = this.call
    const data = route.dialect.bot.write(message, {
      streamId,
      callId,
      accountId,
      sequence: this.#sequence,
      format: route.format ?? route.dialect.botFormat ?? format,
      wallTime: clock.wallTime(),
    })
    if (data === undefined) return false
    this.#sequence += 1
    connection.send(data)
    return true
  }
}
