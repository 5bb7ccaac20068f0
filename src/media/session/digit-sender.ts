import { OptionError, SipError } from '../../runtime/errors.ts'
import type { Clock } from '../../runtime/runtime.ts'
import { TelephoneEventSender, checkDigits } from '../rtp/telephone-event.ts'
import type { CheckedDigits } from '../rtp/telephone-event.ts'
import type { NegotiatedAudio } from '../sdp/negotiated.ts'
import type { DtmfRoad } from './digit-roads.ts'
import { signalDigits } from './digit-signalling.ts'
import type { DigitSignalling } from './digit-signalling.ts'
import { DigitTones } from './digit-tones.ts'
import type { SendDtmfOptions } from './types.ts'

interface Request {
  digits: CheckedDigits
  /** What was asked for; `auto` is decided when its turn comes. */
  wish: 'auto' | DtmfRoad
  /** The road it is on; undefined before its turn. */
  road: DtmfRoad | undefined
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
  over: boolean
  /** Ends a wait between two digits. */
  wake: (() => void) | undefined
}

/** What to send in place of a frame of audio. Reused: valid until the next call. */
export interface DigitFrame {
  /** An event; undefined for audio: silence, or the tones that `render` makes. */
  payload: Uint8Array | undefined
  payloadType: number
  timestamp: number
  marker: boolean
}

export interface DigitSenderOptions {
  readonly clock: Clock
  readonly frameMs: number
  readonly send: 'auto' | DtmfRoad
  /** A digit begins. */
  readonly onDigit: (digit: string, durationMs: number, via: DtmfRoad) => void
}

/** Requests for digits, one after the other, each settled when its last gap is over, whichever roads they take. */
export class DigitSender {
  /** Set where the call can carry digits in its signalling. */
  signalling: DigitSignalling | undefined
  readonly #options: DigitSenderOptions
  readonly #requests: Request[] = []
  readonly #frame: DigitFrame = { payload: undefined, payloadType: 0, timestamp: 0, marker: false }
  #audio: NegotiatedAudio | undefined
  #events: TelephoneEventSender | undefined
  #tones: DigitTones | undefined
  /** Whose tones those are. */
  #toned: Request | undefined
  /** The frame given last has tones in it. */
  #renders = false
  #sent = 0
  /** Something was asked for and is not over yet: one look tells a call without digits that there is nothing to do. */
  #busy = false
  #ended = false

  constructor(options: DigitSenderOptions) {
    this.#options = options
  }

  /** Digits begun. */
  get sent(): number {
    return this.#sent
  }

  /** Digits take the place of audio, or may in the next frame; those that go by signalling never do. */
  get busy(): boolean {
    if (!this.#busy) return false
    const request = this.#requests[0]
    if (request !== undefined) return request.road !== 'info'
    return this.#tones !== undefined || this.#events?.active === true
  }

  /** Tones take the place of audio: they need not wait for a packet to be full. */
  get sounding(): boolean {
    return this.#tones !== undefined
  }

  configure(audio: NegotiatedAudio): void {
    const before = this.#audio
    this.#audio = audio
    const { telephoneEvent: agreed } = audio
    const same =
      before?.telephoneEvent?.clockRate === agreed?.clockRate &&
      before?.codec.clockRate === audio.codec.clockRate
    if (this.#events !== undefined && same) return
    const former = this.#events
    this.#events =
      agreed &&
      new TelephoneEventSender({
        clockRate: agreed.clockRate,
        timestampRate: audio.codec.clockRate,
        frameMs: this.#options.frameMs,
      })
    if (agreed === undefined) {
      const lost = this.#requests.filter(({ road, wish }) => (road ?? wish) === 'rtp')
      for (const request of lost) this.#settle(request, notAgreed())
    } else if (former !== undefined) {
      // The stream of the other clock has ended with the digit under way; those behind it go on in the new one.
      const current = this.#requests[0]
      if (current?.road === 'rtp') this.#events?.append({ ...current.digits, keys: former.takeRest() })
    }
  }

  send(text: string, options: SendDtmfOptions): Promise<void> {
    const { signal, via } = options
    if (this.#ended) return Promise.resolve()
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error)
    const wish = via ?? this.#options.send
    let digits: CheckedDigits
    try {
      if (wish !== 'auto' && wish !== 'rtp' && wish !== 'info' && wish !== 'inband')
        throw new OptionError('via', `${wish as string} is none of auto, rtp, info, inband`)
      // Bad digits are refused now, not when their turn comes.
      digits = checkDigits(text, options)
      this.#roadFor(wish, digits)
    } catch (error) {
      return Promise.reject(error)
    }
    if (text === '') return Promise.resolve()
    if (this.#requests.length >= MAX_REQUESTS) {
      const message = `${MAX_REQUESTS} sendDtmf calls are waiting; await them before the next`
      return Promise.reject(new SipError('SIP_LIMIT', message))
    }
    return new Promise((resolve, reject) => {
      const settled = (): void => signal?.removeEventListener('abort', abort)
      const request: Request = {
        digits,
        wish,
        road: undefined,
        over: false,
        wake: undefined,
        resolve: () => {
          settled()
          resolve()
        },
        reject: reason => {
          settled()
          reject(reason)
        },
      }
      const abort = (): void => {
        if (request.road === 'rtp') this.#events?.clear()
        else if (request.road === 'inband') this.#tones?.clear()
        this.#settle(request, signal?.reason)
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#requests.push(request)
      this.#busy = true
      this.#advance()
    })
  }

  /** The frame that begins at `timestamp`; `undefined` when audio may have it. What was given up half-way is ended first. */
  next(timestamp: number): DigitFrame | undefined {
    if (!this.#busy) return undefined
    if (this.#tones?.active === true) return this.#toneFrame()
    this.#endTones()
    const events = this.#events
    if (events?.active === true) return this.#eventFrame(events, timestamp)
    const request = this.#requests[0]
    if (request === undefined) {
      this.#busy = false
      return undefined
    }
    if (request.road === 'rtp') {
      this.#settle(request)
      return this.next(timestamp)
    }
    return request.road === 'inband' ? this.#toneFrame() : undefined
  }

  /** The audio of the frame that `next` gave without a payload. */
  render(out: Int16Array): void {
    if (!this.#renders) {
      out.fill(0)
      return
    }
    if (this.#tones === undefined) this.#beginTones((out.length * 1000) / this.#options.frameMs)
    this.#tones?.render(out)
  }

  /** A hold begins: what waits is sent when it is over. */
  interrupt(): void {
    this.#tones?.interrupt()
  }

  /** The call is over: what waits is settled. */
  end(): void {
    this.#ended = true
    for (const request of this.#requests.splice(0)) this.#settle(request)
  }

  #toneFrame(): DigitFrame {
    this.#renders = true
    this.#frame.payload = undefined
    return this.#frame
  }

  #eventFrame(events: TelephoneEventSender, timestamp: number): DigitFrame | undefined {
    const event = events.next(timestamp)
    const agreed = this.#audio?.telephoneEvent
    if (event === undefined || agreed === undefined) return undefined
    this.#renders = false
    const frame = this.#frame
    frame.payload = event.payload
    frame.payloadType = agreed.sendPayloadType
    frame.timestamp = event.timestamp
    frame.marker = event.marker
    if (event.marker && event.digit !== undefined)
      this.#began(event.digit, this.#requests[0]?.digits.durationMs ?? 0, 'rtp')
    return frame
  }

  #beginTones(sampleRate: number): void {
    const request = this.#requests[0]
    if (request?.road !== 'inband') return
    this.#toned = request
    this.#tones = new DigitTones(request.digits, sampleRate, (digit, durationMs) =>
      this.#began(digit, durationMs, 'inband'),
    )
  }

  #endTones(): void {
    if (this.#tones === undefined) return
    this.#tones = undefined
    if (this.#toned !== undefined) this.#settle(this.#toned)
    this.#toned = undefined
  }

  /** Begins the first request where none is under way. */
  #advance(): void {
    const request = this.#requests[0]
    if (request === undefined || request.road !== undefined) return
    try {
      request.road = this.#roadFor(request.wish, request.digits)
      if (request.road === 'rtp') this.#events?.append(request.digits)
      else if (request.road === 'info') void this.#signal(request, this.signalling)
    } catch (error) {
      this.#settle(request, error)
    }
  }

  async #signal(request: Request, signalling: DigitSignalling | undefined): Promise<void> {
    if (signalling === undefined) return
    const { clock } = this.#options
    try {
      const keys = await signalDigits({
        clock,
        signalling,
        digits: request.digits,
        onDigit: (digit, durationMs) => this.#began(digit, durationMs, 'info'),
        stopped: () => request.over,
        wait: untilMs =>
          new Promise(resolve => {
            const timer = clock.setTimer(untilMs, resolve)
            request.wake = () => {
              timer.cancel()
              resolve()
            }
          }),
      })
      if (keys.length > 0 && !request.over && request.wish === 'auto') {
        // Its Allow promised too much: the rest goes as tones.
        request.digits = { ...request.digits, keys }
        request.wish = 'inband'
        request.road = undefined
        this.#advance()
        return
      }
      this.#settle(request, keys.length > 0 ? notTaken() : undefined)
    } catch (error) {
      this.#settle(request, error)
    }
  }

  #roadFor(wish: 'auto' | DtmfRoad, { keys }: CheckedDigits): DtmfRoad {
    const audio = this.#audio
    if (audio === undefined && wish !== 'info') throw notAgreed()
    const events = audio?.telephoneEvent !== undefined
    const signalled = this.signalling?.available === true
    const road = wish !== 'auto' ? wish : events ? 'rtp' : signalled ? 'info' : 'inband'
    if (road === 'rtp' && !events) throw notAgreed()
    if (road === 'info' && this.signalling === undefined) throw noSignalling()
    if (road === 'inband' && keys.includes(FLASH))
      throw new OptionError(
        'digits',
        '! (flash) has no tone; it needs telephone events or INFO, which the other party does not take',
      )
    return road
  }

  #began(digit: string, durationMs: number, via: DtmfRoad): void {
    this.#sent += 1
    this.#options.onDigit(digit, durationMs, via)
  }

  #settle(request: Request, error?: unknown): void {
    if (request.over) return
    request.over = true
    request.wake?.()
    const index = this.#requests.indexOf(request)
    if (index >= 0) this.#requests.splice(index, 1)
    if (error === undefined) request.resolve()
    else request.reject(error)
    if (!this.#ended) this.#advance()
  }
}

function notAgreed(): SipError {
  return new SipError(
    'SIP_STATE',
    'the other party takes no telephone events (none in its SDP, or none yet); send the digits by INFO or as tones (via), or not at all',
  )
}

function noSignalling(): SipError {
  return new SipError('SIP_STATE', 'this media has no signalling to send digits by; use call.sendDtmf()')
}

function notTaken(): SipError {
  return new SipError(
    'SIP_STATE',
    'the other party takes no digits by INFO (it refused the request); send them as telephone events or tones (via)',
  )
}

/** Event code of the hook flash (RFC 4733 §3.2, RFC 2833). */
const FLASH = 16
/** Calls of `sendDtmf` that wait for their turn. */
const MAX_REQUESTS = 64
