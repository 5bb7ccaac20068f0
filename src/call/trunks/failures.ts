import { SipError } from '../../runtime/errors.ts'
import type { SipErrorCode } from '../../runtime/errors.ts'
import { SipAuthError } from '../../sip/auth/client.ts'
import { SipResponseError } from '../../sip/dialog/errors.ts'
import type { SipResponse } from '../../sip/message/message.ts'
import { SipTimeoutError } from '../../sip/transaction/errors.ts'
import { SipTransportError } from '../../sip/transport/errors.ts'
import { adviceFor } from './advice.ts'
import type { Carrier } from './carrier.ts'
import type { FailoverSettings } from './options.ts'

/** What a carrier says about a call that failed. */
export interface CarrierFailure {
  readonly statusCode: number
  readonly reasonPhrase: string
  /** Its own code: `32203` of `X-Twilio-Error`, `D42` of Telnyx. */
  readonly code: string | undefined
  readonly text: string | undefined
}

/** One way a call was tried. */
export interface LeftWay {
  readonly trunk: string
  readonly edge: string
  readonly reason: string
  readonly failure: CarrierFailure | undefined
  readonly error: SipError
}

/** No trunk took the call. `code` is that of the last error, which is the cause. */
export class TrunkCallError extends SipError {
  override readonly name: string = 'TrunkCallError'
  /** Every way that was tried, in order. */
  readonly left: readonly LeftWay[]
  /** What the last carrier said, where it answered. */
  readonly failure: CarrierFailure | undefined
  readonly statusCode: number | undefined

  constructor(code: SipErrorCode, left: readonly LeftWay[]) {
    const last = left.at(-1)
    super(
      code,
      `no trunk took the call: ${left.map(way => `${way.trunk} (${way.edge}): ${way.reason}`).join('; ')}`,
      { cause: last?.error },
    )
    this.left = left
    this.failure = last?.failure
    this.statusCode = last?.failure?.statusCode
  }
}

/** What the carrier says with this response. */
export function carrierFailure({ failure }: Carrier, response: SipResponse): CarrierFailure {
  const { statusCode, reasonPhrase } = response
  const said = failure?.header === undefined ? undefined : response.headers.get(failure.header)?.trim()
  const [, code, text] = /^(\S+)\s*(.*)$/s.exec(said ?? '') ?? []
  return {
    statusCode,
    reasonPhrase,
    code: code ?? failure?.reason?.exec(reasonPhrase)?.[1],
    text: text === '' ? undefined : text,
  }
}

/** One way that led nowhere, in words. */
export function leftWay(carrier: Carrier, trunk: string, edge: string, error: SipError): LeftWay {
  const response =
    error instanceof SipResponseError || error instanceof SipAuthError ? error.response : undefined
  const failure = response === undefined ? undefined : carrierFailure(carrier, response)
  return { trunk, edge, reason: reasonOf(error, failure), failure, error }
}

function reasonOf(error: SipError, failure: CarrierFailure | undefined): string {
  if (error instanceof SipTimeoutError && error.left.length === 0 && error.provisionals === 0)
    return `no response (Timer ${error.timer})`
  if (failure === undefined || error instanceof SipAuthError) return error.message
  const { statusCode, reasonPhrase, code, text } = failure
  const plain = `${statusCode} ${reasonPhrase}`.trimEnd()
  const said =
    code === undefined || plain.includes(code)
      ? plain
      : `${plain}, ${[code, text].filter(part => part !== undefined).join(' ')}`
  const advice = adviceFor(statusCode)
  return advice === undefined ? said : `${said}: ${advice}`
}

/** How far an attempt came before it failed. */
export type Heard = 'nothing' | 'trying' | 'progress'

/**
 * Whether another edge or trunk may be tried without a phone ringing twice: the rules that servers of one domain are tried by (RFC 3263 §4.3).
 * Nothing must have been heard of the INVITE; and what failed has to be the way, not the call.
 */
export function mayGoOn(
  error: unknown,
  heard: Heard,
  { statuses, afterTrying }: Required<FailoverSettings>,
): boolean {
  if (heard === 'progress') return false
  if (error instanceof SipResponseError)
    return statuses.includes(error.statusCode) && (heard === 'nothing' || afterTrying)
  if (heard === 'trying') return false
  if (error instanceof SipTimeoutError) return error.provisionals === 0
  if (error instanceof SipTransportError) return error.failure !== 'cancelled' && error.failure !== 'shutdown'
  // The trunk itself refused, before anything was sent.
  return error instanceof SipError && error.code === 'SIP_LIMIT'
}

/** Whether a failed call, or OPTIONS, speaks against the edge. */
export function isEdgesFault(error: unknown): boolean {
  if (error instanceof SipResponseError) return isSick(error.statusCode)
  if (error instanceof SipTimeoutError) return error.provisionals === 0
  return error instanceof SipTransportError && error.failure !== 'cancelled' && error.failure !== 'shutdown'
}

const sick: ReadonlySet<number> = new Set([408, 500, 502, 503, 504])

/** Any other answer, a refusal even, shows that somebody is there. */
export function isSick(statusCode: number): boolean {
  return sick.has(statusCode)
}
