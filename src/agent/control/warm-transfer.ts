import type { Bridge, BridgeOptions } from '../../call/bridge.ts'
import type { Call } from '../../call/call.ts'
import { SipError } from '../../runtime/errors.ts'
import type { Prompt } from '../menu.ts'
import type { ConsultOptions, Consultation, NotConsulted } from './consultation.ts'
import { consult } from './consultation.ts'
import { playPrompt } from './play.ts'

export interface WarmTransferOptions extends ConsultOptions {
  /** What the consulted party hears first, and the caller does not: who calls, and why. */
  readonly whisper?: Prompt
  /**
   * Speaks with the consulted party, behind the whisper, and decides: `true` connects the two, `false` hangs up on it and goes back to the caller. It may
   * use `threeWay()` in between. Default: connects.
   */
  readonly decide?: (consultation: Consultation) => Promise<boolean>
  readonly bridge?: BridgeOptions
}

/** How a warm transfer went: a value. Unless it is `connected` or `caller-gone`, the agent has the caller back. */
export type WarmTransferResult =
  | {
      readonly outcome: 'connected'
      /** The agent is out of it: await `bridge.ended` before returning. */
      readonly bridge: Bridge
      readonly consulted: Call
    }
  /** `decide` said no; or the consulted party hung up before it was connected. */
  | { readonly outcome: 'declined' | 'hung-up' }
  | NotConsulted

/**
 * Puts a caller through to somebody who has been told about it: hold music for the caller, a call, a whisper, the two together, the agent out.
 * @throws OptionError; what the prompts and `decide` throw: the consulted party is then hung up, the music over
 */
export async function warmTransfer(
  caller: Call,
  target: string,
  options: WarmTransferOptions,
): Promise<WarmTransferResult> {
  const { whisper, decide, signal } = options
  const consultation = await consult(caller, target, options)
  if (consultation.outcome !== 'answered') return consultation
  const { consulted, session } = consultation
  // Who no longer waits needs nobody.
  const gone = (): void => void consultation.back()
  caller.signal.addEventListener('abort', gone, { once: true })
  signal?.addEventListener('abort', gone, { once: true })
  if (signal?.aborted === true) gone()
  let connected = false
  try {
    if (whisper !== undefined) await playPrompt(session, whisper, { bargeIn: 'none' })
    const wanted =
      consulted.endedValue === undefined && (decide === undefined || (await decide(consultation)))
    if (caller.endedValue !== undefined) return { outcome: 'caller-gone' }
    if (signal?.aborted === true) return { outcome: 'aborted' }
    if (consulted.endedValue !== undefined) return { outcome: 'hung-up' }
    if (!wanted) return { outcome: 'declined' }
    const bridged = await consultation.connect(options.bridge)
    connected = true
    return { outcome: 'connected', bridge: bridged, consulted }
  } catch (error) {
    if (caller.endedValue !== undefined) return { outcome: 'caller-gone' }
    if (signal?.aborted === true) return { outcome: 'aborted' }
    if (consulted.endedValue !== undefined) return { outcome: 'hung-up' }
    if (error instanceof SipError && error.code === 'SIP_MEDIA') return { outcome: 'failed', error }
    throw error
  } finally {
    caller.signal.removeEventListener('abort', gone)
    signal?.removeEventListener('abort', gone)
    if (!connected) await consultation.back()
  }
}
