import type { AgentSession } from '../agent/agent.ts'
import { consult } from '../agent/control/consultation.ts'
import type { Consultation, ConsultOptions, NotConsulted } from '../agent/control/consultation.ts'
import { passOn } from '../agent/control/pass-on.ts'
import type { Bridge } from '../call/bridge.ts'
import type { Call } from '../call/call.ts'
import type { Endpoint } from '../call/endpoint.ts'
import type { CarrierTrunk } from '../call/trunks/carrier-trunk.ts'
import { callProgress } from '../media/audio/call-progress.ts'
import { COUNTRY_TONES } from '../media/audio/country-tones.ts'
import { SipError } from '../runtime/errors.ts'

/** What `<Dial>` needs of the server. */
export interface DialHost {
  readonly endpoint: Endpoint
  /** By which numbers are called, in the configuration in force. */
  readonly trunk: () => CarrierTrunk | undefined
  /** ISO 3166-1: how a phone sounds that rings. */
  readonly country: string | undefined
  /** Why somebody could not be reached, where a busy or silent phone is not all there is to say. */
  readonly onError: (message: string) => void
}

type Ways = Pick<ConsultOptions, 'holdMusic'> & { readonly signal: AbortSignal }

const defaultCountry = 'US'

/**
 * Numbers by the trunk, where one is named, as Twilio dials them itself; all else by REFER, and a URI also by a bridge where that is refused. True when nothing is
 * left to do for the next verb. Never rejects: who cannot be reached is passed over.
 */
export async function dial(
  session: AgentSession,
  target: string,
  signal: AbortSignal,
  host: DialHost,
): Promise<boolean> {
  const { endpoint, country = defaultCountry, onError } = host
  const caller = endpoint.calls.find(({ id }) => id === session.id)
  const isUri = /^sips?:/i.test(target)
  const tones = Object.hasOwn(COUNTRY_TONES, country) ? country : defaultCountry
  const ways = { signal, holdMusic: () => callProgress(tones, 'ringback') }
  try {
    if (caller === undefined) return await passedOn(session, isUri ? target : `tel:${target}`, ways, host)
    return await (isUri ? dialUri(caller, target, ways, host) : dialNumber(caller, target, ways, host))
  } catch (error) {
    // Of a call that is over, or that has been given other TwiML, nothing is left to say.
    if (signal.aborted) return false
    if (!(error instanceof SipError)) throw error
    onError(`<Dial>: ${error.message}`)
    return false
  }
}

/** A call that came on a stream: its carrier passes it on. */
async function passedOn(
  session: AgentSession,
  uri: string,
  { signal }: Ways,
  { onError }: DialHost,
): Promise<boolean> {
  const { outcome, reason } = await session.transfer(uri, { signal })
  if (outcome === 'refused') onError(`<Dial>: the carrier does not pass the call on: ${reason}`)
  return outcome === 'transferred' || outcome === 'unknown'
}

async function dialUri(caller: Call, uri: string, ways: Ways, host: DialHost): Promise<boolean> {
  const { signal } = ways
  // Nobody speaks any more whom the caller should not hear: a hold would be two re-INVITEs for nothing.
  const transfer = { hold: false }
  const passed = await passOn(caller, uri, { ...ways, endpoint: host.endpoint, transfer, bridge: { signal } })
  switch (passed.outcome) {
    case 'transferred':
    // Calling the target a second time might ring it twice.
    case 'unknown':
      return true
    case 'bridged':
      return through(passed.bridge, passed.target)
    case 'not-transferred':
      return false
    default:
      return missed(passed, host)
  }
}

async function dialNumber(caller: Call, number: string, ways: Ways, host: DialHost): Promise<boolean> {
  const { endpoint, onError } = host
  const trunk = host.trunk()
  if (trunk === undefined) {
    const { outcome } = await caller.transfer(`tel:${number}`, { signal: ways.signal })
    if (outcome === 'refused')
      onError('<Dial> of a number: REFER was refused; name the trunk to call it by in twilioRest.trunk')
    return outcome === 'transferred' || outcome === 'unknown'
  }
  const byTrunk: ConsultOptions['endpoint'] = {
    clock: endpoint.clock,
    call: (dialled, wishes) => trunk.call(dialled, wishes),
  }
  const consultation = await consult(caller, number, { ...ways, endpoint: byTrunk })
  if (consultation.outcome !== 'answered') return missed(consultation, host)
  return through(await connect(consultation, ways.signal), consultation.consulted)
}

async function connect(consultation: Consultation, signal: AbortSignal): Promise<Bridge> {
  try {
    return await consultation.connect({ signal })
  } catch (error) {
    await consultation.back()
    throw error
  }
}

/** Until one of them hangs up, or the caller is given other TwiML: then the other one is let go. */
async function through(bridge: Bridge, other: Call): Promise<true> {
  await bridge.ended
  await other.hangup()
  return true
}

/** Busy and silent phones are a matter of every day. */
function missed({ outcome, error }: NotConsulted, { onError }: DialHost): false {
  if (error !== undefined && (outcome === 'refused' || outcome === 'failed'))
    onError(`<Dial>: ${error.message}`)
  return false
}
