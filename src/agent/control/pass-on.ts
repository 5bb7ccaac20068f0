import { bridge } from '../../call/bridge.ts'
import type { Bridge, BridgeOptions } from '../../call/bridge.ts'
import type { Call } from '../../call/call.ts'
import type { TransferOptions, TransferResult } from '../../call/transfer-options.ts'
import { SipError } from '../../runtime/errors.ts'
import type { ConsultOptions, NotConsulted } from './consultation.ts'
import { consult } from './consultation.ts'

export interface PassOnOptions extends ConsultOptions {
  /** For the REFER. Default: `hold`, so that the caller does not hear the agent meanwhile. */
  readonly transfer?: Omit<TransferOptions, 'signal'>
  readonly bridge?: BridgeOptions
}

/** How a caller was passed on: a value. */
export type PassOnResult =
  /** By REFER: the caller's own phone or switchboard has called the target. */
  | { readonly outcome: 'transferred'; readonly transfer: TransferResult }
  /** REFER was refused; the two are bridged here. Await `bridge.ended` before returning. */
  | {
      readonly outcome: 'bridged'
      readonly transfer: TransferResult
      readonly bridge: Bridge
      readonly target: Call
    }
  /** REFER was tried and came to nothing, or nobody knows: calling the target a second time would ring it twice. */
  | { readonly outcome: 'not-transferred' | 'unknown'; readonly transfer: TransferResult }
  /** REFER was refused, and the target could not be called from here either. */
  | (NotConsulted & { readonly transfer: TransferResult })

/**
 * Passes a caller on by REFER, and where that is refused, as many carriers do, by a bridge: to a URI (blind), or to a call of ours (attended). Unless it is
 * `transferred` or `bridged`, the agent has the caller back.
 * @throws OptionError; SipError SIP_STATE a call that is not up
 */
export async function passOn(
  caller: Call,
  target: string | Call,
  options: PassOnOptions,
): Promise<PassOnResult> {
  const { signal } = options
  const transfer = await caller.transfer(target, {
    hold: true,
    ...options.transfer,
    ...(signal !== undefined && { signal }),
  })
  const { outcome } = transfer
  if (outcome === 'transferred') return { outcome, transfer }
  if (caller.endedValue !== undefined) {
    return outcome === 'refused' ? { outcome: 'caller-gone', transfer } : { outcome: 'unknown', transfer }
  }
  if (outcome !== 'refused')
    return { outcome: outcome === 'failed' ? 'not-transferred' : 'unknown', transfer }
  const through = { hangup: 'both', ...options.bridge } as const
  try {
    if (typeof target !== 'string') {
      return { outcome: 'bridged', transfer, bridge: await bridge(caller, target, through), target }
    }
    const consultation = await consult(caller, target, options)
    if (consultation.outcome !== 'answered') return { ...consultation, transfer }
    const { consulted } = consultation
    try {
      return { outcome: 'bridged', transfer, bridge: await consultation.connect(through), target: consulted }
    } catch (error) {
      await consultation.back()
      throw error
    }
  } catch (error) {
    if (caller.endedValue !== undefined) return { outcome: 'caller-gone', transfer }
    if (error instanceof SipError && error.code !== 'SIP_OPTION')
      return { outcome: 'failed', error, transfer }
    throw error
  }
}
