import { OpenAIRealtimeWebSocket } from '@openai/agents-realtime'
import type {
  OpenAIRealtimeWebSocketOptions,
  RealtimeClientMessage,
  RealtimeSessionConfig,
  RealtimeSessionPayload,
  RealtimeTransportLayerConnectOptions,
  TransportLayerAudio,
} from '@openai/agents-realtime'
import type { AudioFrame } from '../../../media/audio/audio-source.ts'
import type { DtmfDigit } from '../../../media/session/types.ts'
import { OptionError } from '../../../runtime/errors.ts'
import type { Runtime, TlsOptions } from '../../../runtime/runtime.ts'
import type { AgentSession } from '../../agent.ts'
import { encodeAudio } from '../../streams/audio-format.ts'
import type { StreamFormat } from '../../streams/dialect.ts'
import { base64Of } from '../../streams/json.ts'
import { defaultRuntime } from '../../engine/default-runtime.ts'
import { SdkSocket } from './sdk-socket.ts'
import { SpokenItems } from '../../openai/spoken-items.ts'

export interface PhoneTransportOptions extends Pick<
  OpenAIRealtimeWebSocketOptions,
  'model' | 'apiKey' | 'url'
> {
  /**
   * What the model hears and speaks. Default: G.711 as it is where the call is G.711 (`pcmu`, `pcma`), else linear PCM at 24 kHz (`pcm`). It goes
   * before the formats of the session's config.
   */
  readonly audio?: PhoneAudio
  /** Whether the call ends when the connection to the model does. Default true. */
  readonly hangupOnClose?: boolean
  /** Default 10,000. */
  readonly connectTimeoutMs?: number
  /** The most of the model's audio that waits to be played, in milliseconds up to 120,000, the default; more is dropped and counted. */
  readonly maxBufferedMs?: number
  /** On the upgrade, besides those of the SDK. */
  readonly headers?: Readonly<Record<string, string>>
  readonly tls?: TlsOptions
  /** Where the network and the time come from. Default: this machine. */
  readonly runtime?: Pick<Runtime, 'clock' | 'network'>
}

export type PhoneAudio = 'pcmu' | 'pcma' | 'pcm'

/** Why the model is gone. `code` is the close code of the WebSocket (RFC 6455 §7.4.1); absent when our side closed it. */
export interface PhoneTransportClosed {
  readonly by: 'call' | 'session' | 'model'
  readonly code?: number
  readonly reason?: string
}

/** `RealtimeSession` on a phone call: `new RealtimeSession(agent, { transport: phoneTransport(session) })`. @throws OptionError */
export function phoneTransport(session: AgentSession, options: PhoneTransportOptions = {}): PhoneTransport {
  return new PhoneTransport(session, options)
}

/**
 * The transport layer of a `RealtimeSession` whose microphone and loudspeaker are a phone call. Besides the events of the SDK it emits `dtmf`
 * (a `DtmfDigit`) and `call_ended`; both reach the session's `transport_event` too, as `{ type: 'dtmf', digit, durationMs }` and
 * `{ type: 'call_ended' }`.
 */
export class PhoneTransport extends OpenAIRealtimeWebSocket {
  /** The call. */
  readonly call: AgentSession
  /** Settles when the connection to the model has ended, whoever ended it. */
  readonly closed: Promise<PhoneTransportClosed>
  readonly #options: PhoneTransportOptions
  readonly #format: StreamFormat
  readonly #voice: SpokenItems
  readonly #counts = { framesNotSent: 0 }
  readonly #settle: (closed: PhoneTransportClosed) => void
  #socket: SdkSocket | undefined
  #stop: (() => void) | undefined
  #closed: PhoneTransportClosed | undefined
  #contentIndex = 0
  #hungUp = false
  #activeResponse: string | undefined
  /** Responses that were cut off: what still comes of them is not played. */
  readonly #discarded = new Set<string>()

  constructor(session: AgentSession, options: PhoneTransportOptions = {}) {
    const { model, apiKey, url } = options
    // Set once there is a `this`.
    let open: ((url: string, apiKey: string) => Promise<SdkSocket>) | undefined
    super({
      ...(model !== undefined && { model }),
      ...(apiKey !== undefined && { apiKey }),
      ...(url !== undefined && { url }),
      // It is open, which the SDK would wait for.
      skipOpenEventListeners: true,
      createWebSocket: async at => (await open?.(at.url, at.apiKey)) as unknown as SdkWebSocket,
    })
    open = (at, key) => this.#open(at, key)
    checkPhoneOptions(options)
    this.call = session
    this.#options = options
    this.#format = formats[options.audio ?? audioOf(session)]
    this.#voice = new SpokenItems(session.output, this.#format, options.maxBufferedMs ?? 120_000)
    let settle: ((closed: PhoneTransportClosed) => void) | undefined
    this.closed = new Promise(resolve => (settle = resolve))
    this.#settle = closed => settle?.(closed)
    this.on('response.created', event => (this.#activeResponse = idOf(event)))
    this.on('response.done', event => {
      const id = idOf(event)
      if (id === undefined) return
      this.#discarded.delete(id)
      if (this.#activeResponse === id) this.#activeResponse = undefined
    })
    this.on('response.output_audio.delta', event => {
      this.#contentIndex = (event as { content_index?: number }).content_index ?? 0
    })
    this.on('response.output_audio.done', event => {
      const { item_id: itemId = '', content_index: index = 0 } = event as {
        item_id?: string
        content_index?: number
      }
      this.#voice.done(itemId, index)
    })
  }

  /** What was too much: audio of the model that found the buffer full, and frames of the caller that the model's side did not take. */
  get counters(): { readonly droppedMs: number; readonly framesNotSent: number } {
    return { droppedMs: Math.round(this.#voice.droppedMs), framesNotSent: this.#counts.framesNotSent }
  }

  /** Whether `hangUp` ended the call. */
  get hungUp(): boolean {
    return this.#hungUp
  }

  // The SDK's WebSocket layer says `null` and `never`, its interface `boolean | null` and `void`: a call can be muted.
  override get muted(): null {
    return this.call.input.muted as unknown as null
  }

  /** Whether the model hears silence instead of the caller. */
  override mute(muted: boolean): never {
    if (muted) this.call.input.mute()
    else this.call.input.unmute()
    return undefined as never
  }

  /** Connects, and relays from then on. Rejects when the call has ended, too. */
  override async connect(options: RealtimeTransportLayerConnectOptions): Promise<void> {
    const { signal } = this.call
    signal.throwIfAborted()
    await super.connect(options)
    this.#relay()
  }

  /** Once the connection is closed nothing is sent, and nobody minds: a tool may still return. */
  override sendEvent(event: RealtimeClientMessage): void {
    if (this.#closed === undefined) super.sendEvent(event)
  }

  override requestResponse(response?: Record<string, unknown>): void {
    if (this.#closed === undefined) super.requestResponse(response)
  }

  override buildSessionPayload(config: Partial<RealtimeSessionConfig>): RealtimeSessionPayload {
    const payload = super.buildSessionPayload(config)
    const audio = payload['audio'] as { input?: object; output?: object } | undefined
    const format = wireFormats[this.#format.encoding]
    return {
      ...payload,
      audio: { ...audio, input: { ...audio?.input, format }, output: { ...audio?.output, format } },
    }
  }

  /** Drops what the model has said and the caller has not heard, and tells the model where that was. */
  override interrupt(cancelOngoingResponse = true): void {
    if (this.status !== 'connected') return
    const active = this.#activeResponse
    const cut = this.#voice.cut()
    if (active === undefined && cut.length === 0) return
    this.#activeResponse = undefined
    if (active !== undefined) this.#discard(active)
    if (cancelOngoingResponse) this._cancelResponse()
    if (cut.length === 0) return
    this.emit('audio_interrupted')
    for (const { itemId, contentIndex, heardMs } of cut) {
      this.sendEvent({
        type: 'conversation.item.truncate',
        item_id: itemId,
        content_index: contentIndex,
        audio_end_ms: heardMs,
      })
    }
  }

  override _interrupt(_elapsedTime: number, cancelOngoingResponse = true): void {
    this.interrupt(cancelOngoingResponse)
  }

  /**
   * Hangs up once the caller has heard all that was said; not when the caller interrupts that. The sentence it gives is for the model: as
   * it is the `execute` of a tool.
   */
  async hangUp(): Promise<string> {
    const { interrupted } = await this.#voice.heard()
    if (interrupted && !this.call.signal.aborted) return 'The caller interrupted: the call goes on.'
    this.#hungUp = !this.call.signal.aborted
    await this.call.hangup()
    return 'The call has ended.'
  }

  /** Transfers the call, a SIP or tel URI, once the caller has heard all that was said. For a tool: says how it ended, and never throws. */
  async transferCall(target: string): Promise<string> {
    await this.#voice.heard()
    try {
      const { outcome } = await this.call.transfer(target)
      if (outcome === 'transferred') return 'The caller was transferred.'
      return `The transfer did not work (${outcome}): the caller is still here.`
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      return `The transfer did not work (${why}): the caller is still here.`
    }
  }

  /** Presses keys (`0-9 * # A-D`, `w` waits half a second). For a tool: never throws. */
  async pressKeys(digits: string): Promise<string> {
    try {
      await this.call.sendDtmf(digits)
      return 'The keys were pressed.'
    } catch (error) {
      return `No key was pressed: ${error instanceof Error ? error.message : String(error)}`
    }
  }

  protected override _onAudio(event: TransportLayerAudio): void {
    if (this.#discarded.has(event.responseId)) return
    const item = {
      responseId: event.responseId,
      itemId: this.currentItemId ?? '',
      contentIndex: this.#contentIndex,
    }
    this.#voice.play(item, new Uint8Array(event.data))
    super._onAudio(event)
  }

  protected override _onClose(): void {
    const closed = this.#closed ?? { by: this.call.signal.aborted ? 'call' : 'session' }
    this.#closed = closed
    this.#stop?.()
    this.#socket = undefined
    try {
      super._onClose()
    } finally {
      if (this.#options.hangupOnClose !== false) void this.call.hangup()
      this.#settle(closed)
    }
  }

  async #open(url: string, apiKey: string): Promise<SdkSocket> {
    const { connectTimeoutMs = 10_000, headers, tls, runtime = defaultRuntime() } = this.#options
    const { clock, network } = runtime
    const { signal } = this.call
    const giveUp = new AbortController()
    const hungUp = (): void => giveUp.abort(signal.reason)
    const timer = clock.setTimer(clock.now() + connectTimeoutMs, () =>
      giveUp.abort(new Error(`the model did not answer within ${connectTimeoutMs} ms`)),
    )
    signal.addEventListener('abort', hungUp)
    try {
      if (signal.aborted) hungUp()
      const connection = await network.openWebSocket({
        url,
        headers: { Authorization: `Bearer ${apiKey}`, ...this.getCommonRequestHeaders(), ...headers },
        signal: giveUp.signal,
        maxMessageBytes: MAX_MESSAGE_BYTES,
        ...(tls !== undefined && { tls }),
      })
      this.#socket = new SdkSocket(connection, {
        onClose: (code, reason) => (this.#closed ??= { by: 'model', code, reason }),
        onFault: error => this._onError(error),
      })
      return this.#socket
    } finally {
      timer.cancel()
      signal.removeEventListener('abort', hungUp)
    }
  }

  #relay(): void {
    const { input, signal } = this.call
    // A live relay: what was said while the model was dialled would keep it that much behind.
    input.clear()
    const frames = input.at(this.#format.sampleRate)[Symbol.asyncIterator]()
    const digits = this.call.dtmf()[Symbol.asyncIterator]()
    const hungUp = (): void => this.#callEnded()
    signal.addEventListener('abort', hungUp)
    this.#stop = () => {
      this.#stop = undefined
      signal.removeEventListener('abort', hungUp)
      void frames.return?.()
      void digits.return?.()
    }
    if (signal.aborted) return hungUp()
    Promise.all([this.#relayAudio(frames), this.#relayDigits(digits)]).catch((error: unknown) => {
      // Somebody else reads what the caller says: a mistake of the program, which the session tells of.
      this._onError(error)
      this.close()
    })
  }

  #callEnded(): void {
    this.emit('*', { type: 'call_ended' })
    this.emit('call_ended')
    this.close()
  }

  async #relayAudio(frames: AsyncIterator<AudioFrame>): Promise<void> {
    for (;;) {
      const { done, value } = await frames.next()
      if (done === true || this.#socket === undefined) return
      if (this.#socket.bufferedBytes > MAX_UNSENT_BYTES) this.#counts.framesNotSent += 1
      else {
        const audio = base64Of(encodeAudio(this.#format, value.samples))
        this.sendEvent({ type: 'input_audio_buffer.append', audio })
      }
    }
  }

  async #relayDigits(digits: AsyncIterator<DtmfDigit>): Promise<void> {
    for (;;) {
      const { done, value } = await digits.next()
      if (done === true || this.#socket === undefined) return
      this.emit('*', { type: 'dtmf', digit: value.digit, durationMs: value.durationMs })
      this.emit('dtmf', value)
    }
  }

  #discard(responseId: string): void {
    this.#discarded.add(responseId)
    if (this.#discarded.size <= MAX_DISCARDED) return
    for (const oldest of this.#discarded) {
      this.#discarded.delete(oldest)
      return
    }
  }
}

type SdkWebSocket = Awaited<ReturnType<NonNullable<OpenAIRealtimeWebSocketOptions['createWebSocket']>>>

/** Items come back with their audio when the SDK asks for them after a truncation: minutes of it, in base64. */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024

/** Frames for a model that does not take them are dropped beyond so many octets: about 15 s of G.711, 4 s of PCM. */
const MAX_UNSENT_BYTES = 256 * 1024

/** Responses whose end never came. */
const MAX_DISCARDED = 100

const formats: Readonly<Record<PhoneAudio, StreamFormat>> = {
  pcmu: { encoding: 'PCMU', sampleRate: 8000 },
  pcma: { encoding: 'PCMA', sampleRate: 8000 },
  pcm: { encoding: 'L16', sampleRate: 24_000 },
}

const wireFormats: Readonly<Record<StreamFormat['encoding'], { type: string; rate?: number }>> = {
  PCMU: { type: 'audio/pcmu' },
  PCMA: { type: 'audio/pcma' },
  L16: { type: 'audio/pcm', rate: 24_000 },
}

function audioOf({ codec, input }: AgentSession): PhoneAudio {
  if (codec === 'PCMU' || (codec === undefined && input.sampleRate === 8000)) return 'pcmu'
  return codec === 'PCMA' ? 'pcma' : 'pcm'
}

function idOf(event: unknown): string | undefined {
  return (event as { response?: { id?: string } }).response?.id
}

/** @throws OptionError */
export function checkPhoneOptions({ audio, connectTimeoutMs, maxBufferedMs }: PhoneTransportOptions): void {
  checkMs('connectTimeoutMs', connectTimeoutMs ?? 1, 600_000)
  checkMs('maxBufferedMs', maxBufferedMs ?? 1, 120_000)
  if (audio !== undefined && !Object.hasOwn(formats, audio))
    throw new OptionError('audio', `${JSON.stringify(audio)} is not spoken; give pcmu, pcma or pcm`)
}

function checkMs(field: string, value: number, most: number): void {
  if (!(value >= 1 && value <= most))
    throw new OptionError(field, `${value} is not usable; give 1 to ${most}`)
}
