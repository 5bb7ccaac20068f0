import type { RtpView } from '../rtp/packet.ts'
import { RelayNumbering } from '../rtp/relay-numbering.ts'
import type { NegotiatedAudio, NegotiatedCodec } from '../sdp/negotiated.ts'
import { BridgeFeed } from './bridge-feed.ts'
import type { MediaFlow } from './flow.ts'
import { isDecodable, relayedTypes } from './relay-match.ts'
import { ToldPresses } from './told-presses.ts'
import type { DtmfDigit } from './types.ts'

/**
 * How a call hears another: `relayed`, the payloads as they came; `transcoded`, through PCM; `own`, not at all: it hears what is written to its
 * own output, as while one of the two is on hold; `no-codec`, the same because neither of the others is possible.
 */
export type RelayMode = 'relayed' | 'transcoded' | 'own' | 'no-codec'

export interface RelayOptions {
  /** The audio is decoded into `input` of the one who speaks, too. */
  readonly tap: boolean
  /** A digit that did not go as a packet and has to go by another road. */
  readonly onDigit: (digit: DtmfDigit) => void
  readonly onMode: () => unknown
}

/** One direction of a bridge: what comes to `from` is sent by `to`. */
export class Relay {
  readonly #from: MediaFlow
  readonly #to: MediaFlow
  readonly #options: RelayOptions
  readonly #numbering = new RelayNumbering()
  #feed: BridgeFeed | undefined
  #mode: RelayMode = 'own'
  #types: Int16Array = new Int16Array(128)
  /** Every payload type of audio that was agreed on for what comes. */
  readonly #known = new Map<number, NegotiatedCodec>()
  /** Of the audio that comes now. */
  #payloadType: number
  #ssrc: number
  /** Digits of our own take the place of what comes. */
  #interrupted = false
  #recorded: Int16Array | undefined
  /** Presses that went by another road already; none on most calls. */
  #toldPresses: ToldPresses | undefined
  #packets = 0
  #withheld = 0

  constructor(from: MediaFlow, to: MediaFlow, options: RelayOptions) {
    this.#from = from
    this.#to = to
    this.#options = options
    this.#payloadType = from.receiver.payloadType
    this.#ssrc = to.sender.ssrc
  }

  get mode(): RelayMode {
    return this.#mode
  }

  /** Packets that were sent on as they came. */
  get packets(): number {
    return this.#packets
  }

  /** Packets that were not: doubled, too late, in place of digits, or of a payload type that the other did not agree to. */
  get withheld(): number {
    return this.#withheld + this.#numbering.dropped
  }

  /** Somebody wants to hear what comes as sound: decoding costs, so it is not done otherwise. */
  get listens(): boolean {
    return (
      this.#mode === 'transcoded' ||
      this.#options.tap ||
      this.#from.onTurn !== undefined ||
      this.#to.onTurn !== undefined
    )
  }

  /** Looks anew how the two go together: something was agreed, or other audio comes. */
  update(now: number): void {
    const from = this.#from.audio
    const to = this.#to.audio
    if (from === undefined || to === undefined) return
    for (const [payloadType, codec] of from.receivePayloadTypes) this.#known.set(payloadType, codec)
    this.#types = relayedTypes(from, to, this.#known)
    const mode = this.#choose(from, to)
    if (this.#ssrc !== this.#to.sender.ssrc || mode !== 'relayed') this.#stop(now)
    this.#ssrc = this.#to.sender.ssrc
    if (mode === this.#mode) return
    this.#feed?.clear()
    if (mode === 'relayed') this.#to.sender.pause()
    this.#mode = mode
    this.#options.onMode()
  }

  /** Audio or comfort noise came; true when it is to be decoded as well. */
  audio(view: RtpView, now: number): boolean {
    const { payloadType } = view
    if (payloadType !== this.#payloadType && this.#from.receiver.payloadType === payloadType) {
      this.#payloadType = payloadType
      this.update(now)
    }
    this.#forward(view, now, true)
    return this.listens
  }

  /** A telephone event came. */
  event(view: RtpView, now: number): void {
    if (this.#toldPresses?.has(view, now) === true) this.#withheld += 1
    else this.#forward(view, now, false)
  }

  /** A digit ended, whichever road it came by. */
  digit(digit: DtmfDigit): void {
    if (this.#mode === 'own' || this.#mode === 'no-codec' || (digit.via as string) === 'inband') return
    if (this.#mode === 'relayed' && this.#relaysEvents()) {
      if (digit.via === 'rtp') return
      // Its events may still come: the other would take them for another press.
      this.#toldPresses ??= new ToldPresses()
      this.#toldPresses.add(digit.digit, this.#from.now)
    }
    this.#options.onDigit(digit)
  }

  /** Sound of `from`, in its turn. */
  heard(frame: Int16Array): void {
    if (this.#mode === 'relayed' && this.#from.onTurn === undefined && this.#to.onTurn === undefined) return
    this.#feed ??= new BridgeFeed(this.#from.sampleRate, this.#to.sampleRate)
    this.#feed.push(frame)
  }

  /** The turn of `to`; what it says, for a recording. */
  say(skipped: number, now: number): Int16Array | undefined {
    const { sender, target } = this.#to
    if (target === undefined) {
      sender.rest(skipped + 1)
      return undefined
    }
    if (this.#mode === 'transcoded') return sender.turn(this.#feed ?? nothing, target, skipped)
    if (this.#mode !== 'relayed') return sender.turn(this.#to.sink, target, skipped)
    this.#interrupted = this.#to.digits.busy
    if (this.#interrupted) {
      this.#stop(now)
      return sender.turn(nothing, target, skipped)
    }
    if (this.#numbering.running) sender.rtp.moveTo(this.#numbering.timestampNow(now))
    else sender.rest(skipped + 1)
    return this.#to.onTurn === undefined ? undefined : this.#record()
  }

  /** The bridge is over: `to` goes on with its own audio where the relay has left off. */
  close(now: number): void {
    this.#stop(now)
    this.#mode = 'own'
  }

  #choose(from: NegotiatedAudio, to: NegotiatedAudio): RelayMode {
    const receives = from.direction === 'sendrecv' || from.direction === 'recvonly'
    const sends = to.direction === 'sendrecv' || to.direction === 'sendonly'
    if (from.localHold || to.localHold || !receives || !sends) return 'own'
    const codec = from.receivePayloadTypes.get(this.#payloadType) ?? from.codec
    if ((this.#types[codec.receivePayloadType] as number) >= 0) return 'relayed'
    return isDecodable(this.#from.codecs, codec) && isDecodable(this.#to.codecs, to.codec)
      ? 'transcoded'
      : 'no-codec'
  }

  #relaysEvents(): boolean {
    for (const payloadType of this.#from.audio?.receiveTelephoneEvents.keys() ?? []) {
      if ((this.#types[payloadType] as number) >= 0) return true
    }
    return false
  }

  #forward(view: RtpView, now: number, timed: boolean): void {
    if (this.#mode !== 'relayed') return
    const { target, sender } = this.#to
    const payloadType = this.#types[view.payloadType] as number
    if (payloadType < 0 || target === undefined || this.#interrupted) {
      this.#withheld += 1
      return
    }
    const numbering = this.#numbering
    // Another SSRC of ours has numbers of its own.
    if (sender.ssrc !== this.#ssrc) this.update(now)
    if (!numbering.map(view, now, sender.rtp, timed)) return
    this.#packets += 1
    // Whoever listens learns that the sound of another begins.
    sender.relay(view, payloadType, view.marker || (numbering.begins && timed), numbering, target)
  }

  #stop(now: number): void {
    const { sender } = this.#to
    if (this.#numbering.running) sender.rtp.moveTo(this.#numbering.timestampAt(now))
    this.#numbering.stop(this.#to.audio?.codec.clockRate ?? 8000)
  }

  #record(): Int16Array | undefined {
    this.#recorded ??= new Int16Array(this.#to.sampleRate / 50)
    return (this.#feed?.readFrame(this.#recorded) ?? 0) > 0 ? this.#recorded : undefined
  }
}

const nothing = {
  readFrame(out: Int16Array): number {
    out.fill(0)
    return 0
  },
}
