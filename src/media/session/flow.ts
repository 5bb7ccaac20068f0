import type { Clock, UdpSocket } from '../../runtime/runtime.ts'
import type { LiveAudioSink } from '../audio/audio-sink.ts'
import type { LiveAudioSource } from '../audio/audio-source.ts'
import type { AudioCodec } from '../codec/codec.ts'
import { SymmetricLatch } from '../rtp/latch.ts'
import type { SymmetricLatchSnapshot } from '../rtp/latch.ts'
import { MediaTimeout } from '../rtp/media-timeout.ts'
import type { PacedStream } from '../rtp/pacer.ts'
import type { MediaAddress, NegotiatedAudio } from '../sdp/negotiated.ts'
import { familyOf, resolveRemote } from './addresses.ts'
import { MediaCrypto } from './crypto.ts'
import type { DigitSender } from './digit-sender.ts'
import type { ControlChannel, FlowOptions, TurnListener } from './flow-types.ts'
import type { FlowBridge } from './media-bridge.ts'
import { MediaReceiver } from './receiver.ts'
import { scratchFrames } from './scratch.ts'
import { MediaSender } from './sender.ts'

/** RTP of one call both ways, turn by turn, as the last agreement has it. */
export class MediaFlow implements PacedStream {
  readonly sender: MediaSender
  /** Set while somebody records. */
  onTurn: TurnListener | undefined
  /** Set while the call has RTCP. */
  control: ControlChannel | undefined
  /** When `control` wants its turn, ms; here, so that a turn without RTCP reads nothing of it. */
  controlDueAt: number = Infinity
  readonly #options: FlowOptions
  readonly #receiver: MediaReceiver
  // What every packet needs lies in the flow itself: with hundreds of calls each object on the way costs the processor a wait.
  readonly #clock: Clock
  readonly #source: LiveAudioSource
  readonly #sink: LiveAudioSink
  readonly #startedAt: number
  /** Before so much silence nobody need look closer. */
  readonly #patienceMs: number
  readonly #frame: Int16Array
  readonly #timeout: MediaTimeout
  #audio: NegotiatedAudio | undefined
  #latch: SymmetricLatch | undefined
  /** Set while SRTP is agreed on. */
  #protected: MediaCrypto | undefined
  #crypto: MediaCrypto | undefined
  #receives = false
  #sends = false
  #expectMedia = true
  #heard = false
  #lastPacketAt: number
  /** `#lastPacketAt` as it was when the wait for a first packet began. */
  #waitingSince: number
  /** The last packet of the silence that the owner was told of. */
  #toldSilentSince = NaN
  #followed: object | undefined
  #trusted: string | undefined
  #skippedTicks = 0
  #bridged: FlowBridge | undefined
  /** The packet that waits for the next turn, whose it is and when it came. */
  #waiting: Uint8Array | undefined
  #waitingFrom: Pick<MediaAddress, 'address' | 'port'> | undefined
  #waitingAt = 0.5
  /** Set from `tick` to `speak`, with the turns that were skipped before. */
  #speaks = false
  #skipped = 0

  constructor(options: FlowOptions) {
    const { clock, events, source, sink, timeoutMs, firstPacketTimeoutMs } = options
    this.#options = options
    this.#clock = clock
    this.#source = source
    this.#sink = sink
    this.#startedAt = options.startedAt
    this.#patienceMs = Math.min(timeoutMs || Infinity, firstPacketTimeoutMs || Infinity)
    this.#frame = scratchFrames((source.sampleRate * options.frameMs) / 1000).heard
    this.#lastPacketAt = clock.now()
    this.#waitingSince = this.#lastPacketAt
    this.#timeout = new MediaTimeout(this.#lastPacketAt, {
      initialMs: firstPacketTimeoutMs,
      runningMs: timeoutMs,
    })
    this.#receiver = new MediaReceiver({
      codecs: options.codecs,
      sampleRate: source.sampleRate,
      frameMs: options.frameMs,
      ...(options.delay !== undefined && { delay: options.delay }),
      onDigitStart: digit => events.onDigitStart(digit),
      onDigit: digit => events.onDigit(digit),
      onCodec: codec => {
        if (this.#heard) events.onCodec(codec)
      },
    })
    this.sender = new MediaSender({ ...options, sampleRate: sink.sampleRate })
  }

  /** It knows of everything that came. */
  get receiver(): MediaReceiver {
    this.#settle()
    return this.#receiver
  }

  /** What was agreed last. */
  get audio(): NegotiatedAudio | undefined {
    return this.#audio
  }

  /** Where packets may be sent to now. */
  get target(): Pick<MediaAddress, 'address' | 'port'> | undefined {
    return this.#sends ? this.#latch?.remote : undefined
  }

  get sink(): LiveAudioSink {
    return this.#options.sink
  }

  get digits(): DigitSender {
    return this.#options.digits
  }

  get codecs(): readonly AudioCodec[] {
    return this.#options.codecs
  }

  /** Samples per second of what is heard and said. */
  get sampleRate(): number {
    return this.#source.sampleRate
  }

  get now(): number {
    return this.#clock.now()
  }

  /** Set while the call is bridged to another. */
  get bridged(): FlowBridge | undefined {
    return this.#bridged
  }

  bridge(bridge: FlowBridge | undefined): void {
    this.#settle()
    this.#bridged = bridge
    this.#receiver.relay = bridge?.outgoing
  }

  /** Who spoke beside the peer, and where the peer is; `undefined` before the first agreement. */
  get sources(): SymmetricLatchSnapshot | undefined {
    return this.#latch?.snapshot()
  }

  /** The address the peer's signalling comes from, numeric: behind a NAT its media is likely to come from there too. */
  trust(address: string): void {
    this.#trusted = address
    this.#latch?.trust(address)
  }

  get skippedTicks(): number {
    return this.#skippedTicks
  }

  apply(audio: NegotiatedAudio): void {
    this.#settle()
    this.#audio = audio
    this.#secure(audio)
    this.#receiver.configure(audio)
    this.sender.configure(audio)
    this.#options.digits.configure(audio)
    const receives = audio.direction === 'sendrecv' || audio.direction === 'recvonly'
    if (receives && !this.#receives) this.#receiver.restart()
    this.#receives = receives
    if (!sendsIn(audio)) this.#options.digits.interrupt()
    this.#aim(audio)
    this.watch(this.#expectMedia)
    this.#bridged?.update()
  }

  /** Silence counts as a fault only where media is expected, we are to receive, and nobody is on hold. */
  watch(expectMedia: boolean): void {
    this.#settle()
    this.#expectMedia = expectMedia
    const timeout = this.#timeout
    if (!expectMedia || !this.#receives || this.#audio?.held !== false) {
      timeout.pause()
      return
    }
    if (timeout.paused) {
      this.#lastPacketAt = this.#clock.now()
      this.#waitingSince = this.#lastPacketAt
    }
    timeout.resume(this.#lastPacketAt)
  }

  /**
   * What comes to the port of RTP. The next packet of a stream that runs waits for the turn in which it may be heard, as nobody can tell
   * the difference: its code is at hand then, and not when the process has just woken from the kernel for this one packet.
   */
  arrive(bytes: Uint8Array, remote: Pick<MediaAddress, 'address' | 'port'>): void {
    this.#settle()
    const now = this.#clock.now()
    const ordinary = ((bytes[1] as number) & 0x7f) === this.#receiver.payloadType
    if (!ordinary || this.#bridged !== undefined) {
      this.datagram(bytes, remote.address, remote.port, now)
      return
    }
    this.#waiting = bytes
    this.#waitingFrom = remote
    this.#waitingAt = now
  }

  /** What came to the port of RTP, where RTCP may come too (RFC 5761 §4); `now` is when it came. */
  datagram(bytes: Uint8Array, address: string, port: number, now: number = this.#clock.now()): void {
    const latch = this.#latch
    if (latch === undefined) return
    if (isRtcp(bytes)) {
      this.controlDatagram(bytes, address, port)
      return
    }
    if (this.#protected !== undefined) {
      // Only what is authentic may decide where our packets go.
      const length = this.#protected.unprotectRtp(bytes, now)
      if (length < 0) return
      if (this.#protected.byFormerKey && (address !== latch.remote.address || port !== latch.remote.port)) {
        this.#protected.countForeign()
        return
      }
      bytes = bytes.subarray(0, length)
    }
    if (!this.#receiver.datagram(bytes, address, port, latch, now)) {
      const stranger = latch.takeReport()
      if (stranger !== undefined) this.#options.events.onStranger(stranger)
      return
    }
    this.#lastPacketAt = now
    if (latch.remote !== this.#followed) this.#follows(latch.remote)
  }

  /** RTCP, whichever port it came to. */
  controlDatagram(bytes: Uint8Array, address: string, port: number): void {
    const { control } = this
    const latch = this.#latch
    if (control === undefined || latch === undefined) return
    const now = this.#clock.now()
    const length = this.#protected?.unprotectRtcp(bytes, now) ?? bytes.length
    if (length < 0) return
    if (this.#protected?.byFormerKey === true && address !== latch.remote.address) {
      this.#protected.countForeign()
      return
    }
    control.datagram(length === bytes.length ? bytes : bytes.subarray(0, length), address, port, now)
  }

  /** Where the peer's RTP comes from; undefined before the first agreement. */
  get latch(): SymmetricLatch | undefined {
    return this.#latch
  }

  /** Every RTCP packet of ours leaves here. */
  sendControl(socket: UdpSocket, packet: Uint8Array, remote: Pick<MediaAddress, 'address' | 'port'>): void {
    if (this.#protected === undefined) socket.send(packet, remote.port, remote.address)
    else this.#protected.sendControl(socket, packet, remote.port, remote.address)
  }

  /** The suite agreed on; `undefined` for plain RTP. */
  get encryption(): string | undefined {
    return this.#audio?.crypto?.suite
  }

  /** SRTP of this call; stays, with its counters, when the call goes on without. */
  get crypto(): MediaCrypto | undefined {
    return this.#crypto
  }

  close(): void {
    this.#bridged?.close()
    this.receiver.digits.flush()
    this.#speaks = false
    this.#crypto?.close()
    this.sender.close()
    this.#receiver.close()
  }

  /** The pacer's turn, due at `dueAt`; `skipped` turns before it never came. */
  tick(dueAt: number, skipped: number, now: number): void {
    this.#settle()
    this.#skippedTicks += skipped
    const bridge = this.#bridged
    if (bridge === undefined && this.onTurn === undefined) {
      this.#hear(now, dueAt)
      this.#skipped = skipped
      this.#speaks = true
    } else this.#wholeTurn(bridge, dueAt, skipped, now)
    if (now >= this.controlDueAt) this.control?.tick(now)
    // After a stall what came meanwhile is still in the socket: the next turn knows better.
    if (skipped === 0 && now - this.#lastPacketAt >= this.#patienceMs) this.#checkTimeout(now)
  }

  speak(): void {
    if (!this.#speaks) return
    this.#speaks = false
    this.#say(this.#skipped)
  }

  flush(): void {
    this.sender.flush()
  }

  #settle(): void {
    const bytes = this.#waiting
    const from = this.#waitingFrom
    if (bytes === undefined || from === undefined) return
    this.#waiting = undefined
    this.datagram(bytes, from.address, from.port, this.#waitingAt)
  }

  // What is heard and what is said belong together here, and the frames are good until the next call's turn.
  #wholeTurn(bridge: FlowBridge | undefined, dueAt: number, skipped: number, now: number): void {
    const heard = bridge === undefined ? this.#hear(now, dueAt) : this.#hearBridged(bridge, now, dueAt)
    const sent = bridge === undefined ? this.#say(skipped) : bridge.incoming.say(skipped, now)
    if (this.onTurn !== undefined) this.onTurn(dueAt, heard, sent)
  }

  #secure({ crypto }: NegotiatedAudio): void {
    const { socket } = this.#options
    if (crypto !== undefined) {
      this.#crypto ??= new MediaCrypto(socket)
      if (this.#crypto.configure(crypto, this.sender.ssrc, this.#clock.now())) this.sender.changeSource()
    }
    this.#protected = crypto === undefined ? undefined : this.#crypto
    this.sender.out = this.#protected ?? socket
  }

  #checkTimeout(now: number): void {
    const since = this.#lastPacketAt
    if (since !== this.#waitingSince) this.#timeout.packet(since)
    if (!this.#timeout.check(now) || this.#toldSilentSince === since) return
    this.#toldSilentSince = since
    this.#options.events.onTimeout(now - since)
  }

  #hear(now: number, dueAt: number): Int16Array | undefined {
    this.#receiver.expireDigits(now)
    if (!this.#receives) return undefined
    const concealed = this.#receiver.frame(now, this.#frame)
    this.#source.push(this.#frame, dueAt - this.#startedAt, concealed)
    return this.#frame
  }

  // Of a bridged call only what somebody listens to is decoded.
  #hearBridged(bridge: FlowBridge, now: number, dueAt: number): Int16Array | undefined {
    this.#receiver.expireDigits(now)
    if (!this.#receives) return undefined
    const { outgoing } = bridge
    if (!outgoing.listens) {
      if (bridge.draining > 0) {
        bridge.draining -= 1
        this.#receiver.frame(now, this.#frame)
      }
      return undefined
    }
    bridge.draining = DRAIN_TURNS
    const concealed = this.#receiver.frame(now, this.#frame)
    if (bridge.tap) this.#source.push(this.#frame, dueAt - this.#startedAt, concealed)
    outgoing.heard(this.#frame)
    return this.#frame
  }

  #say(skipped: number): Int16Array | undefined {
    if (this.#sends && this.#latch !== undefined) {
      return this.sender.turn(this.#sink, this.#latch.remote, skipped)
    }
    this.sender.rest(skipped + 1)
    return undefined
  }

  #follows(remote: { readonly address: string; readonly port: number }): void {
    const { events } = this.#options
    const { address, port } = remote
    const signalled = this.#audio?.remote
    const found = { address, family: familyOf(address), port }
    this.#followed = remote
    if (address !== signalled?.address || port !== signalled.port) events.onLatched(found)
    if (this.#heard) return
    this.#heard = true
    events.onFirstPacket(found, this.#receiver.codec)
  }

  /** Points at the peer's address; a name is looked up first, and until then nothing is sent. */
  #aim(audio: NegotiatedAudio): void {
    const sends = sendsIn(audio)
    this.#sends = false
    if (audio.remote === undefined) return
    const aim = (remote: MediaAddress | undefined): void => {
      if (this.#audio !== audio || remote === undefined) return
      this.#sends = sends
      const mode = this.#options.symmetric ? 'latch' : 'strict'
      // With SRTP only packets that were authenticated come to the latch.
      const traits = { clockRate: this.#receiver.clockRate, authenticated: audio.crypto !== undefined }
      if (this.#latch !== undefined) {
        this.#latch.reset(remote, traits)
        return
      }
      this.#latch = new SymmetricLatch({ expected: remote, mode, ...traits })
      this.#latch.trust(this.#trusted)
    }
    const remote = resolveRemote(audio.remote, this.#options.resolver)
    if (remote instanceof Promise) remote.then(aim, () => undefined)
    else aim(remote)
  }
}

/** Turns in which what a bridged call had before is played to nobody: the longest delay of speech, and its concealment. */
const DRAIN_TURNS = 10

function sendsIn({ direction }: NegotiatedAudio): boolean {
  return direction === 'sendrecv' || direction === 'sendonly'
}

/** RTCP and not RTP: version 2 and a packet type of 192 to 223 (RFC 5761 §4). */
function isRtcp(bytes: Uint8Array): boolean {
  const type = bytes[1] as number
  return type >= 192 && type <= 223 && (bytes[0] as number) >> 6 === 2
}
