import { SipError } from '../../runtime/errors.ts'
import { TelephoneEventSender } from '../rtp/telephone-event.ts'
import type { NegotiatedTelephoneEvent } from '../sdp/negotiated.ts'
import type { SendDtmfOptions } from './types.ts'

interface Request {
  readonly digits: string
  readonly options: SendDtmfOptions
  readonly resolve: () => void
  readonly reject: (reason: unknown) => void
  begun: boolean
}

/** What to send in place of a frame of audio; without `payload` a silent frame. Reused: valid until the next call. */
export interface DigitFrame {
  payload: Uint8Array | undefined
  payloadType: number
  timestamp: number
  marker: boolean
}

/** Requests for digits, one after the other, each settled when its last gap is over. */
export class DigitSender {
  /** A digit begins. */
  readonly #onDigit: (digit: string, durationMs: number) => void
  readonly #frameMs: number
  readonly #requests: Request[] = []
  readonly #frame: DigitFrame = { payload: undefined, payloadType: 0, timestamp: 0, marker: false }
  #agreed: NegotiatedTelephoneEvent | undefined
  #sender: TelephoneEventSender | undefined
  #sent = 0
  /** Something was asked for and is not over yet: one look tells a call without digits that there is nothing to do. */
  #busy = false
  #ended = false

  constructor(options: {
    readonly frameMs: number
    readonly onDigit: (digit: string, durationMs: number) => void
  }) {
    this.#frameMs = options.frameMs
    this.#onDigit = options.onDigit
  }

  /** Digits begun. */
  get sent(): number {
    return this.#sent
  }

  /** Digits are being sent, or wait. */
  get busy(): boolean {
    return this.#busy
  }

  configure(agreed: NegotiatedTelephoneEvent | undefined): void {
    const before = this.#agreed
    this.#agreed = agreed
    if (agreed === undefined) {
      this.#sender = undefined
      for (const request of this.#requests.splice(0)) request.reject(notAgreed())
    } else if (this.#sender === undefined || before?.clockRate !== agreed.clockRate) {
      this.#sender = new TelephoneEventSender({ clockRate: agreed.clockRate, frameMs: this.#frameMs })
      const current = this.#requests[0]
      if (current?.begun === true) this.#finish(current)
    }
  }

  send(digits: string, options: SendDtmfOptions): Promise<void> {
    const { signal } = options
    if (this.#ended) return Promise.resolve()
    if (signal?.aborted === true) return Promise.reject(signal.reason as Error)
    if (this.#agreed === undefined) return Promise.reject(notAgreed())
    try {
      // Bad digits are refused now, not when their turn comes.
      new TelephoneEventSender({ clockRate: 8000 }).start(digits, options)
    } catch (error) {
      return Promise.reject(error)
    }
    if (digits === '') return Promise.resolve()
    if (this.#requests.length >= MAX_REQUESTS) {
      const message = `${MAX_REQUESTS} sendDtmf calls are waiting; await them before the next`
      return Promise.reject(new SipError('SIP_LIMIT', message))
    }
    return new Promise((resolve, reject) => {
      const settled = (): void => signal?.removeEventListener('abort', abort)
      const request: Request = {
        digits,
        options,
        begun: false,
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
        if (request.begun) this.#sender?.clear()
        this.#finish(request)
        request.reject(signal?.reason)
      }
      signal?.addEventListener('abort', abort, { once: true })
      this.#requests.push(request)
      this.#busy = true
    })
  }

  /** The frame that begins at `timestamp`; `undefined` when audio may have it. */
  next(timestamp: number): DigitFrame | undefined {
    if (!this.#busy) return undefined
    const sender = this.#sender
    if (sender === undefined || this.#agreed === undefined) return undefined
    if (!sender.active) {
      const request = this.#requests[0]
      if (request === undefined) {
        this.#busy = false
        return undefined
      }
      if (request.begun) {
        this.#finish(request)
        request.resolve()
        return this.next(timestamp)
      }
      request.begun = true
      sender.start(request.digits, request.options)
    }
    const event = sender.next(timestamp)
    if (event === undefined) return undefined
    const frame = this.#frame
    frame.payload = event.payload
    frame.payloadType = this.#agreed.sendPayloadType
    frame.timestamp = event.timestamp
    frame.marker = event.marker
    if (event.marker && event.digit !== undefined) {
      this.#sent += 1
      this.#onDigit(event.digit, this.#requests[0]?.options.durationMs ?? DEFAULT_MS)
    }
    return frame
  }

  /** The call is over: what waits is settled. */
  end(): void {
    this.#ended = true
    for (const request of this.#requests.splice(0)) request.resolve()
  }

  #finish(request: Request): void {
    const index = this.#requests.indexOf(request)
    if (index >= 0) this.#requests.splice(index, 1)
  }
}

function notAgreed(): SipError {
  return new SipError(
    'SIP_STATE',
    'the other party takes no telephone events (none in its SDP); send the digits by INFO, or not at all',
  )
}

/** Calls of `sendDtmf` that wait for their turn. */
const MAX_REQUESTS = 64
const DEFAULT_MS = 160
