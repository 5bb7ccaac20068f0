import type { Agent, AgentSession } from '../agent/agent.ts'
import { consult } from '../agent/control/consultation.ts'
import type { ConsultOptions } from '../agent/control/consultation.ts'
import { passOn } from '../agent/control/pass-on.ts'
import { twilioRest } from '../agent/twilio-rest/twilio-rest.ts'
import type { Endpoint } from '../call/endpoint.ts'
import type { CarrierTrunk } from '../call/trunks/carrier-trunk.ts'
import { callProgress } from '../media/audio/call-progress.ts'
import { COUNTRY_TONES } from '../media/audio/country-tones.ts'
import type { Runtime, TlsOptions } from '../runtime/runtime.ts'
import type { TwilioRestConfig } from './config.ts'

/** What the server lends. */
export interface TwilioRestHost {
  readonly endpoint: Endpoint
  readonly runtime: Pick<Runtime, 'clock' | 'network'>
  readonly tls: TlsOptions | undefined
  /** Of the configuration in force: reloads put others in its place. */
  readonly trunkNamed: (name: string) => CarrierTrunk | undefined
  /** ISO 3166-1: how a phone sounds that rings. */
  readonly country: string | undefined
}

/** Twilio's HTTP interface for the bots of one server, listening. */
export interface ServedTwilioRest {
  readonly accountSid: string
  /** `http://127.0.0.1:8081`: what bots take for `https://api.twilio.com`. */
  readonly url: string
  track(agent: Agent): Agent
  close(): Promise<void>
}

const defaults = { host: '127.0.0.1', accountSid: `AC${'0'.repeat(32)}`, country: 'US' }

/** @throws OptionError; SipError SIP_TRANSPORT the port is taken */
export async function listenTwilioRest(
  config: TwilioRestConfig,
  host: TwilioRestHost,
): Promise<ServedTwilioRest> {
  const { accountSid = defaults.accountSid, authToken } = config
  const { runtime, tls } = host
  const rest = twilioRest({
    accountSid,
    authToken,
    runtime,
    dial: (session, target, signal) => dial(session, target, signal, config, host),
  })
  const listener = await rest.listen({
    host: config.host ?? defaults.host,
    port: config.port,
    ...(tls !== undefined && { tls }),
  })
  const { address, port, family } = listener.local
  return {
    accountSid,
    url: `${tls === undefined ? 'http' : 'https'}://${family === 6 ? `[${address}]` : address}:${port}`,
    track: agent => rest.track(agent),
    close: () => listener.close(),
  }
}

/** Numbers by the trunk, where one is named, as Twilio dials them itself; all else by REFER, or a bridge where that is refused. */
async function dial(
  session: AgentSession,
  target: string,
  signal: AbortSignal,
  { trunk: name }: TwilioRestConfig,
  { endpoint, trunkNamed, country = defaults.country }: TwilioRestHost,
): Promise<boolean> {
  const caller = endpoint.calls.find(({ id }) => id === session.id)
  if (caller === undefined) return false
  const tones = Object.hasOwn(COUNTRY_TONES, country) ? country : defaults.country
  const options = { signal, holdMusic: () => callProgress(tones, 'ringback') }
  const isUri = /^sips?:/i.test(target)
  const trunk = isUri || name === undefined ? undefined : trunkNamed(name)
  if (trunk === undefined) {
    const passed = await passOn(caller, isUri ? target : `tel:${target}`, { ...options, endpoint })
    if (passed.outcome === 'bridged') await passed.bridge.ended
    return DONE.has(passed.outcome)
  }
  const byTrunk: ConsultOptions['endpoint'] = {
    clock: endpoint.clock,
    call: (number, wishes) => trunk.call(number, wishes),
  }
  const consultation = await consult(caller, target, { ...options, endpoint: byTrunk })
  if (consultation.outcome !== 'answered') return false
  const through = await consultation.connect({ hangup: 'both' })
  await through.ended
  return true
}

/** Nothing is left to do for the next verb; whom nobody knows about may be ringing. */
const DONE: ReadonlySet<string> = new Set(['transferred', 'bridged', 'unknown'])
