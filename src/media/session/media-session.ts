import { SipError } from '../../runtime/errors.ts'
import type { UdpSocket } from '../../runtime/runtime.ts'
import type { AudioSink } from '../audio/audio-sink.ts'
import { LiveAudioSink } from '../audio/audio-sink.ts'
import type { AudioSource } from '../audio/audio-source.ts'
import { LiveAudioSource } from '../audio/audio-source.ts'
import type { Recording, RecordingOptions } from '../audio/recording.ts'
import type { RecordingSink } from '../audio/recording-sink.ts'
import type { AudioCodec } from '../codec/codec.ts'
import { findCodec } from '../codec/codec.ts'
import { PCMA, PCMU } from '../codec/g711.ts'
import type { PacedHandle } from '../rtp/pacer.ts'
import type { MediaPort } from '../rtp/port-pool.ts'
import type { MediaAddress, NegotiatedAudio, NegotiatedCodec } from '../sdp/negotiated.ts'
import { SessionDescriptions } from './descriptions.ts'
import { mediaDtmfChannel, mediaEventChannel, publishReport } from './diagnostics.ts'
import { DigitInput } from './digit-input.ts'
import { resolveDtmf } from './digit-roads.ts'
import type { DtmfRoad } from './digit-roads.ts'
import { DigitSender } from './digit-sender.ts'
import type { DigitSignalling } from './digit-signalling.ts'
import { familyOf, reachable } from './addresses.ts'
import type { OfferWishes } from './offer-wishes.ts'
import { EarlyPackets } from './early-packets.ts'
import { MediaFlow } from './flow.ts'
import type { TurnListener } from './flow-types.ts'
import { SessionRecordings } from './recordings.ts'
import { RtcpSession, rtcpOptions } from './rtcp-session.ts'
import { changeBetween, mediaStats } from './summaries.ts'
import { Unheard } from './unheard.ts'
import type {
  DtmfDigit,
  DtmfStart,
  MediaChange,
  MediaEvent,
  MediaSessionOptions,
  MediaStats,
  SendDtmfOptions,
} from './types.ts'

/** Every turn handles so much audio, whatever the length of packets. */
const FRAME_MS = 20

/**
 * The audio of one call: socket, codecs, jitter buffer, source and sink, renegotiated as often as the parties like.
 * Source and sink stay the same through every renegotiation; so does the SSRC while codecs have the same RTP clock.
 *
 * From the first agreement on, `input` gives one frame every 20 ms for as long as we are to receive, silence when the
 * network brings nothing; `output` is sent while we are to send. On hold both stand still: nothing written is lost.
 */
export class MediaSession {
  /** Set to hear that nothing came for `timeoutMs` although it should; called once until media comes back. */
  onTimeout: ((silentMs: number) => void) | undefined
  /** The peer's first valid packet. */
  onFirstPacket: ((remote: MediaAddress) => void) | undefined
  /** An offer/answer was applied. */
  onChange: ((change: MediaChange) => void) | undefined
  /** A recording has broken off; the call goes on. */
  onRecordingError: ((error: Error, file: string | undefined) => void) | undefined
  /** Each digit as it ends, besides the iterables of `dtmf()`. */
  onDtmf: ((digit: DtmfDigit) => void) | undefined
  /**
   * Each digit with the first of its packets, as the key goes down, and then `onDtmf` as it ends: for both exactly once,
   * in this order, whatever was lost on the way.
   */
  onDtmfStart: ((digit: DtmfStart) => void) | undefined

  readonly #options: MediaSessionOptions
  readonly #codecs: readonly AudioCodec[]
  readonly #port: MediaPort
  readonly #descriptions: SessionDescriptions
  readonly #local: MediaAddress
  readonly #openedAt: number
  readonly #digitsIn: DigitInput
  readonly #digitsOut: DigitSender
  readonly #recordings: SessionRecordings
  #early: EarlyPackets | undefined
  #source: LiveAudioSource | undefined
  #sink: LiveAudioSink | undefined
  #flow: MediaFlow | undefined
  #rtcp: RtcpSession | undefined
  #unheard: Unheard | undefined
  #audio: NegotiatedAudio | undefined
  #paced: PacedHandle | undefined
  #expectMedia = true
  #networkErrors = 0
  #signallingInClear = false
  #keysInClear = false
  #trusted: string | undefined
  #closed = false
  #closing: Promise<void> | undefined

  private constructor(options: MediaSessionOptions, port: MediaPort) {
    const { clock, random } = options.runtime
    this.#options = options
    this.#port = port
    this.#codecs = options.codecs ?? DEFAULT_CODECS
    this.#openedAt = clock.now()
    const dtmf = resolveDtmf(options.dtmf)
    const address = options.advertise ?? reachable(port.rtp.local, options.runtime.network)
    this.#local = { address, family: familyOf(address), port: port.port }
    this.#descriptions = new SessionDescriptions({
      ...options,
      codecs: this.#codecs,
      local: this.#local,
      dtmf,
      random,
    })
    this.#recordings = new SessionRecordings({
      publish: event => this.#publish(event),
      onFail: (error, file) => this.onRecordingError?.(error, file),
      onSome: () => this.#tellTurns(this.#flow),
    })
    this.#digitsIn = new DigitInput({
      clock,
      openedAt: this.#openedAt,
      settings: dtmf,
      onStart: start => this.onDtmfStart?.(start),
      onDigit: digit => {
        this.#publishDigit('in', digit.digit, digit.durationMs, digit.via)
        this.#flow?.bridged?.outgoing.digit(digit)
        this.onDtmf?.(digit)
      },
    })
    this.#digitsOut = new DigitSender({
      clock,
      frameMs: FRAME_MS,
      send: dtmf.send,
      onDigit: (digit, durationMs, via) => this.#publishDigit('out', digit, durationMs, via),
    })
    port.rtp.onMessage = (data, remote) => {
      this.#early ??= new EarlyPackets()
      this.#early.push(data, remote.address, remote.port, clock.now())
    }
    // An ICMP refusal, for instance: the peer may not be listening yet.
    port.rtp.onError = () => {
      this.#networkErrors += 1
    }
    this.#publish({ kind: 'open' })
  }

  /** Takes a port and is ready to describe itself. Rejects with `SIP_LIMIT` when no port is free. */
  static async open(options: MediaSessionOptions): Promise<MediaSession> {
    return new MediaSession(options, await options.ports.acquire())
  }

  /** What the other party says. Its rate is that of the first codec agreed on, or of the first offered if read before. */
  get input(): AudioSource {
    return this.#liveSource()
  }

  /** What we say; what is written before the first agreement waits. Same rate as `input`. */
  get output(): AudioSink {
    return this.#liveSink()
  }

  /** The codec we send with. @throws {SipError} `SIP_STATE` before the first agreement */
  get codec(): NegotiatedCodec {
    if (this.#audio === undefined) {
      throw new SipError('SIP_STATE', 'no codec is agreed on yet; await answer() or endpoint.call() first')
    }
    return this.#audio.codec
  }

  /** The SDES suite that protects the audio both ways (RFC 4568 §6.2); `undefined` for plain RTP. */
  get encryption(): string | undefined {
    return this.#audio?.crypto?.suite
  }

  /** What was agreed last; `undefined` before the first agreement. */
  get negotiated(): NegotiatedAudio | undefined {
    return this.#audio
  }

  /** The codec we send with is one that nobody here decodes: `input` is silence, `output` is not sent, a bridge passes it on. */
  get passthrough(): boolean {
    const { name, clockRate } = this.codec
    return findCodec(this.#codecs, name, clockRate)?.passthrough === true
  }

  /**
   * Those the session was opened with.
   * @internal
   */
  get codecs(): readonly AudioCodec[] {
    return this.#codecs
  }

  /**
   * `undefined` before the first agreement.
   * @internal
   */
  get flow(): MediaFlow | undefined {
    return this.#flow
  }

  /** Where our RTP is received, as the peer is told. */
  get local(): MediaAddress {
    return this.#local
  }

  /** We put the peer on hold. */
  get localHold(): boolean {
    return this.#audio?.localHold ?? false
  }

  get remoteHold(): boolean {
    return this.#audio?.remoteHold ?? false
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Default true. Set to false while silence is no fault, as in early media; `timeoutMs` then counts from when it is true again. */
  get expectMedia(): boolean {
    return this.#expectMedia
  }

  set expectMedia(expected: boolean) {
    this.#expectMedia = expected
    this.#flow?.watch(expected)
  }

  /**
   * Where the peer's signalling comes from, numeric. Media from there is taken for the peer's at once, whatever private
   * address its SDP names; from an address that nobody named only after some packets in a row.
   */
  trust(address: string): void {
    this.#trusted = address
    this.#flow?.trust(address)
  }

  /** Whether signalling is encrypted on its way to the next hop; until it is said, nothing is known against it. */
  noteSignalling(encrypted: boolean): void {
    this.#signallingInClear = !encrypted
    this.#tellKeysInClear()
  }

  /**
   * An offer with what we wish now; call `acceptAnswer` or `rollback` next. What is not named stays as it is.
   * @throws {SipError} `SIP_STATE` while another is unanswered
   * @throws {OptionError} a codec that this session was not opened with; an address that is none
   */
  createOffer(wishes: OfferWishes = {}): string {
    return this.#descriptions.offer(wishes)
  }

  /**
   * The first offer again, of plain RTP, when that of SRTP was refused; `undefined` when it was not SRTP that was offered, or nothing
   * else will do.
   */
  createPlainOffer(): string | undefined {
    return this.#descriptions.plainOffer()
  }

  /** Answers an offer and applies it. @throws {SdpError} with the status to refuse it with; nothing has changed then */
  answerOffer(offer: string | Uint8Array): string {
    const { text, audio } = this.#descriptions.answer(offer)
    // Before our answer nobody knows where to send to.
    this.#early?.forget()
    this.#apply(audio)
    return text
  }

  /**
   * Applies the answer to `createOffer`; once more when another answer to the same offer comes, as from a fork.
   * @throws {SdpError} nothing has changed then
   */
  acceptAnswer(answer: string | Uint8Array): NegotiatedAudio {
    const audio = this.#descriptions.accept(answer)
    this.#apply(audio)
    this.#early?.release(this.#options.runtime.clock.now(), (bytes, address, port, at) =>
      this.#flow?.datagram(bytes, address, port, at),
    )
    return audio
  }

  /** Takes back the last offer or answer, whose request failed; what was agreed before is in force again. Idempotent. */
  rollback(): void {
    this.#descriptions.rollback()
    const audio = this.#descriptions.agreed
    if (audio !== undefined && audio !== this.#audio) this.#apply(audio)
  }

  /**
   * Digits in order, each once. While nobody reads they are kept (64, the oldest are dropped) and go to the next
   * reader; `fresh` forgets those. Several readers each get every digit. Ends with the call, and when `signal` aborts.
   */
  dtmf(
    options: { readonly signal?: AbortSignal; readonly fresh?: boolean } = {},
  ): AsyncIterableIterator<DtmfDigit> {
    return this.#digitsIn.queue.read(options)
  }

  /** A digit that came by signalling; false: digits from there are not wanted (`dtmf.receive`). */
  digitFromSignalling(digit: string, durationMs: number): boolean {
    if (this.closed || !this.#digitsIn.takes('info')) return false
    this.#digitsIn.signalled(digit, durationMs)
    return true
  }

  /** What carries digits in the signalling of the call; without one there is no such road. */
  set signalling(signalling: DigitSignalling) {
    this.#digitsOut.signalling = signalling
  }

  /**
   * Sends digits, one after the other, by the road that `via` or else the options of the call name; `w` or `,` pauses 500 ms, `!` is a
   * flash. Audio waits while a digit is sent in RTP. Settles after the gap behind the last digit, or when the call ends. Rejects with an
   * `OptionError` for a bad digit, `SIP_STATE` when the peer does not take digits by that road, the reason of `signal`.
   */
  sendDtmf(digits: string, options: SendDtmfOptions = {}): Promise<void> {
    return this.#digitsOut.send(digits, options)
  }

  /** Counters since the session was opened; still there after `close`. */
  stats(): MediaStats {
    return mediaStats({
      flow: this.#flow,
      rtcp: this.#rtcp,
      packetMs: this.#audio?.ptime ?? FRAME_MS,
      source: this.#source,
      sink: this.#sink,
      keysInClear: this.#keysInClear,
      early: this.#early?.dropped ?? 0,
      unheardMs: this.#unheard?.ms ?? 0,
      networkErrors: this.#networkErrors,
      dtmfReceived: this.#digitsIn.received,
      dtmfMerged: this.#digitsIn.merged,
      dtmfSent: this.#digitsOut.sent,
      dtmfDropped: this.#digitsIn.queue.dropped,
    })
  }

  /** Records both directions, side by side in time, to a file or a sink: WAV, or Opus in Ogg. Rejects when the file cannot be made. */
  async record(target: string | RecordingSink, options: RecordingOptions = {}): Promise<Recording> {
    if (this.closed) throw new SipError('SIP_STATE', 'the call is over; there is nothing left to record')
    const recording = await this.#recordings.open(target, {
      ...options,
      callRate: this.#liveSource().sampleRate,
      random: this.#options.runtime.random,
      originMs: this.#openedAt,
    })
    if (this.closed) await recording.stop()
    return recording
  }

  /** Ends source and sink, finishes recordings, gives the port back; settles when the recordings are written. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #apply(audio: NegotiatedAudio): void {
    if (this.closed) return
    const before = this.#audio
    this.#audio = audio
    const flow = (this.#flow ??= this.#newFlow())
    this.#digitsIn.configure(audio, this.#liveSource().sampleRate)
    this.#tellTurns(flow)
    flow.apply(audio)
    this.#rtcp?.apply(audio)
    this.#paced ??= this.#options.pacer.add(flow, FRAME_MS)
    const { codec, direction, remote, crypto } = audio
    this.#publish({
      kind: 'negotiated',
      codec: codec.name,
      direction,
      ...(remote && { remote }),
      ...(crypto && { encryption: crypto.suite }),
    })
    this.#tellKeysInClear()
    this.onChange?.(changeBetween(before, audio))
  }

  /** Once a call: the keys of SRTP are as secret as the signalling that carries them (RFC 4568 §7). */
  #tellKeysInClear(): void {
    if (this.#keysInClear || !this.#signallingInClear || this.#audio?.crypto === undefined) return
    this.#keysInClear = true
    this.#publish({ kind: 'keys-in-clear', encryption: this.#audio.crypto.suite })
  }

  #liveSource(): LiveAudioSource {
    this.#source ??= new LiveAudioSource({
      sampleRate: this.#sampleRate(),
      ...(this.#options.inputFrames !== undefined && { capacityFrames: this.#options.inputFrames }),
    })
    return this.#source
  }

  #liveSink(): LiveAudioSink {
    this.#sink ??= new LiveAudioSink({
      sampleRate: this.#sampleRate(),
      clock: this.#options.runtime.clock,
      ...(this.#options.highWaterMs !== undefined && { highWaterMs: this.#options.highWaterMs }),
    })
    return this.#sink
  }

  #sampleRate(): number {
    const agreed = this.#audio?.codec
    const codec = this.#codecs.find(
      codec =>
        codec.name.toLowerCase() === agreed?.name.toLowerCase() && codec.clockRate === agreed.clockRate,
    )
    return this.#source?.sampleRate ?? this.#sink?.sampleRate ?? (codec ?? this.#codecs[0] ?? PCMU).sampleRate
  }

  #newFlow(): MediaFlow {
    const { clock, random, resolver } = this.#options.runtime
    const { timeoutMs = 30_000 } = this.#options
    const flow = new MediaFlow({
      clock,
      random,
      resolver,
      socket: this.#port.rtp,
      codecs: this.#codecs,
      source: this.#liveSource(),
      sink: this.#liveSink(),
      digits: this.#digitsOut,
      frameMs: FRAME_MS,
      idle: this.#options.idle ?? 'silence',
      symmetric: this.#options.symmetric ?? true,
      timeoutMs,
      firstPacketTimeoutMs: this.#options.firstPacketTimeoutMs ?? timeoutMs,
      delay: this.#options.jitterBuffer,
      startedAt: this.#openedAt,
      events: {
        onFirstPacket: (remote, codec) => {
          this.#publish({ kind: 'first-packet', remote, ...(codec !== undefined && { codec }) })
          this.onFirstPacket?.(remote)
        },
        onCodec: codec => this.#publish({ kind: 'codec', codec }),
        onLatched: remote => this.#publish({ kind: 'latched', remote }),
        onStranger: ({ address, port, packets, spoofed }) => {
          const remote = { address, family: familyOf(address), port }
          this.#publish({ kind: 'stranger', remote, packets, spoofed })
        },
        onTimeout: silentMs => {
          this.#publish({ kind: 'timeout' })
          this.onTimeout?.(silentMs)
        },
        onDigitStart: digit => this.#digitsIn.eventBegan(digit),
        onDigit: digit => this.#digitsIn.eventEnded(digit),
      },
    })
    const receive: UdpSocket['onMessage'] = (data, remote) => flow.arrive(data, remote)
    this.#port.rtp.onMessage = receive
    flow.watch(this.#expectMedia)
    if (this.#trusted !== undefined) flow.trust(this.#trusted)
    if (this.#options.rtcp !== false) {
      this.#rtcp = new RtcpSession({
        ...rtcpOptions(this.#options.rtcp),
        clock,
        random,
        flow,
        port: this.#port,
        symmetric: this.#options.symmetric ?? true,
        unheard: (this.#unheard = new Unheard(() => this.#publish({ kind: 'unheard' }))),
        onReport: () => publishReport(this.#options, () => this.stats()),
      })
    }
    return flow
  }

  /** Whoever records, or listens for digits, hears of every turn. */
  #tellTurns(flow: MediaFlow | undefined): void {
    if (flow === undefined) return
    const digits = this.#digitsIn
    const tell: TurnListener = (dueAt, heard, sent) => {
      if (heard !== undefined) digits.turn(dueAt + FRAME_MS - this.#openedAt)
      this.#recordings.turn(dueAt, heard, sent)
    }
    flow.receiver.ear = digits.ear
    flow.onTurn = !this.#recordings.some && digits.ear === undefined ? undefined : tell
  }

  async #close(): Promise<void> {
    this.#closed = true
    this.#paced?.remove()
    this.#rtcp?.close()
    this.#port.rtp.onMessage = undefined
    this.#port.release()
    this.#flow?.close()
    this.#digitsIn.end()
    this.#digitsOut.end()
    this.#liveSource().end()
    this.#liveSink().end()
    this.#publish({ kind: 'close' })
    await this.#recordings.stop()
  }

  #publish(event: Omit<MediaEvent, 'call' | 'at'>): void {
    if (!mediaEventChannel.hasSubscribers) return
    mediaEventChannel.publish({ call: this.#options.call, at: this.#options.runtime.clock.now(), ...event })
  }

  #publishDigit(direction: 'in' | 'out', digit: string, durationMs: number, via: DtmfRoad): void {
    if (!mediaDtmfChannel.hasSubscribers) return
    const at = this.#options.runtime.clock.now()
    mediaDtmfChannel.publish({ call: this.#options.call, at, direction, via, digit, durationMs })
  }
}

const DEFAULT_CODECS: readonly AudioCodec[] = [PCMU, PCMA]
