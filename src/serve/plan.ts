import type { EndpointOptions } from '../call/options.ts'
import { parseAdvertise, parseListen, resolveRtpOptions } from '../call/options.ts'
import { admitTrunk } from '../call/trunks/admit.ts'
import { trunks as presets } from '../call/trunks/options.ts'
import type { TrunkOptions, TrunkSettings } from '../call/trunks/options.ts'
import { codecNames } from '../media/codec/catalogue.ts'
import { firstOf } from '../sip/auth/admission.ts'
import type { AdmissionPolicy } from '../sip/auth/admission.ts'
import { admitAddresses } from '../sip/auth/policies.ts'
import { twilioRest } from '../agent/twilio-rest/twilio-rest.ts'
import { planAgents, readTls } from './agents.ts'
import type { AgentMaker } from './agents.ts'
import type { EndpointConfig, ServeConfig, TrunkConfig } from './config.ts'
import type { TlsOptions } from '../runtime/runtime.ts'
import { noting, suggestion } from './problems.ts'
import type { FieldPath, FoundProblem } from './problems.ts'
import { planRoutes } from './routes.ts'
import type { PlannedRoutes } from './routes.ts'
import type { Redactor } from './secrets.ts'
import { planStreams } from './streams.ts'
import type { PlannedStreams } from './streams.ts'

/** A configuration that was found good, with all that it names loaded. */
export interface ServePlan {
  readonly file: string
  /** Relative paths of `config` begin here. */
  readonly folder: string
  /** With its secrets filled in: not to be printed but through `redactor`. */
  readonly config: ServeConfig
  /** For the endpoint; `runtime` and `admission` come with the server. */
  readonly endpoint: EndpointOptions
  readonly admission: AdmissionPolicy
  readonly trunks: ReadonlyMap<string, TrunkOptions>
  readonly agents: ReadonlyMap<string, AgentMaker>
  readonly routes: PlannedRoutes
  readonly streams: PlannedStreams | undefined
  /** Of `twilioRest`. */
  readonly restTls: TlsOptions | undefined
  readonly redactor: Redactor
}

export interface PlanPlaces {
  readonly file: string
  readonly folder: string
  readonly redactor: Redactor
  readonly problems: FoundProblem[]
}

/** Undefined when something is wrong; `problems` has it. */
export async function makePlan(
  config: ServeConfig,
  { file, folder, redactor, problems }: PlanPlaces,
): Promise<ServePlan | undefined> {
  const endpoint = planEndpoint(config, folder, problems)
  const trunks = planTrunks(config, problems)
  const admission = planAdmission(config, trunks, problems)
  const agents = await planAgents(config.agents ?? {}, folder, problems)
  checkRecording(config, problems)
  const routes = planRoutes(config, folder, problems)
  const streams = planStreams(config, folder, problems)
  const restTls = planTwilioRest(config, folder, problems)
  if (problems.length > 0 || routes === undefined || admission === undefined) return undefined
  return { file, folder, config, endpoint, admission, trunks, agents, routes, streams, restTls, redactor }
}

function planEndpoint(
  { endpoint, limits = {} }: ServeConfig,
  folder: string,
  problems: FoundProblem[],
): EndpointOptions {
  const { listen, publicAddress, tls, rtp, srtp, codecs, userAgent } = endpoint
  const { calls, callsPerTrunk: _ours, ...times } = limits
  const at = <T>(path: FieldPath, work: () => T): T | undefined => noting(problems, path, work)
  const listening = listen.map((value, index) =>
    at(['endpoint'], () => parseListen(value, `listen[${index}]`)),
  )
  noting(problems, ['endpoint'], () => parseAdvertise(publicAddress), { advertise: ['publicAddress'] })
  at(['endpoint'], () => resolveRtpOptions(rtp))
  checkCodecs(codecs, ['endpoint', 'codecs'], problems)
  const secure = listening.findIndex(one => one?.transport === 'tls' || one?.transport === 'wss')
  if (secure !== -1 && (tls?.cert === undefined || tls.key === undefined))
    problems.push({
      path: ['endpoint', 'tls'],
      message: `${listen[secure]} needs cert and key: give both, PEM files`,
    })
  const read = tls && at(['endpoint'], () => readTls(tls, folder))
  return {
    listen,
    ...(publicAddress === undefined ? {} : { advertise: publicAddress }),
    ...(read === undefined ? {} : { tls: read }),
    ...(rtp === undefined ? {} : { rtp }),
    ...(srtp === undefined ? {} : { srtp }),
    ...(codecs === undefined ? {} : { codecs }),
    ...(userAgent === undefined ? {} : { userAgent }),
    ...(calls === undefined ? {} : { limits: { calls } }),
    ...times,
  }
}

function checkCodecs(codecs: readonly string[] | undefined, path: FieldPath, problems: FoundProblem[]): void {
  const known = new Set(codecNames.map(name => name.toLowerCase()))
  for (const [index, name] of (codecs ?? []).entries()) {
    if (known.has(name.toLowerCase()) || name.startsWith('passthrough:')) continue
    problems.push({
      path: [...path, index],
      message: `there is no codec "${name}" here; ${suggestion(name, codecNames)}`,
    })
  }
}

function planTrunks(
  { trunks = {}, limits = {} }: ServeConfig,
  problems: FoundProblem[],
): ReadonlyMap<string, TrunkOptions> {
  const planned = new Map<string, TrunkOptions>()
  for (const [name, config] of Object.entries(trunks)) {
    const options = noting(problems, ['trunks', name], () =>
      presets[config.preset](settingsOf(name, config, limits.callsPerTrunk)),
    )
    if (options !== undefined) planned.set(name, options)
  }
  return planned
}

function settingsOf(
  name: string,
  { preset: _preset, inbound: _inbound, headers, ...settings }: TrunkConfig,
  callsPerTrunk: number | undefined,
): TrunkSettings {
  return {
    ...(callsPerTrunk === undefined ? {} : { maxCalls: callsPerTrunk }),
    ...settings,
    name,
    ...(headers === undefined ? {} : { headers: Object.entries(headers) }),
  }
}

/** The trunks by their addresses, then those of `admit`, then who proves a password: that one challenges everybody else. */
function planAdmission(
  { endpoint: { admit }, trunks = {} }: ServeConfig,
  planned: ReadonlyMap<string, TrunkOptions>,
  problems: FoundProblem[],
): AdmissionPolicy | undefined {
  const policies: AdmissionPolicy[] = []
  const challenging: AdmissionPolicy[] = []
  for (const [name, options] of planned) {
    const { inbound } = trunks[name]!
    if (inbound === false || (inbound === undefined && options.sources.length === 0)) continue
    const { digest, ...rest } = inbound ?? {}
    const path = ['trunks', name]
    const names = { addresses: ['sources'] }
    const known = options.sources.length > 0 || rest.header !== undefined
    if (known || digest === undefined) {
      const policy = noting(problems, path, () => admitTrunk(options, rest), names)
      if (policy !== undefined) policies.push(policy)
    }
    if (digest === undefined) continue
    if (challenging.length > 0)
      problems.push({
        path: [...path, 'inbound', 'digest'],
        message: 'only one trunk may be known by its password; know this one by sources or header',
      })
    const byPassword = noting(problems, path, () =>
      admitTrunk({ ...options, sources: [] }, { digest, ...(rest.trusted && { trusted: true }) }),
    )
    if (byPassword !== undefined) challenging.push(byPassword)
  }
  const others = admit === undefined ? undefined : admitted(admit, challenging.length > 0, problems)
  const all = [...policies, ...(others === undefined ? [] : [others]), ...challenging]
  if (all.length > 0 || problems.length > 0) return firstOf(...all)
  problems.push({
    path: ['endpoint', 'admit'],
    message:
      'nobody may call: give addresses, or everybody where only friends can reach this machine, or a trunk sources or inbound',
  })
  return undefined
}

function admitted(
  admit: NonNullable<EndpointConfig['admit']>,
  challenging: boolean,
  problems: FoundProblem[],
): AdmissionPolicy | undefined {
  if (admit !== 'everybody') {
    if (admit.length === 0) return undefined
    return noting(problems, ['endpoint', 'admit'], () => admitAddresses(admit), { addresses: [] })
  }
  if (challenging)
    problems.push({
      path: ['endpoint', 'admit'],
      message:
        'with everybody let in, no trunk is asked for its password; give addresses, or take inbound.digest out',
    })
  return () => ({ kind: 'admitted', by: 'everybody' })
}

function checkRecording({ recording, agents = {} }: ServeConfig, problems: FoundProblem[]): void {
  const names = Object.keys(agents)
  for (const [index, name] of (recording?.agents ?? []).entries()) {
    if (!names.includes(name))
      problems.push({
        path: ['recording', 'agents', index],
        message: `there is no agent "${name}"; ${suggestion(name, names)}`,
      })
  }
}

/** Its certificate, if any. */
function planTwilioRest(
  { twilioRest: rest, agents = {}, trunks = {} }: ServeConfig,
  folder: string,
  problems: FoundProblem[],
): TlsOptions | undefined {
  if (rest === undefined) return undefined
  const path = ['twilioRest']
  if (!Object.values(agents).some(agent => (agent as { dialect?: unknown } | null)?.dialect === 'twilio'))
    problems.push({
      path,
      message: 'no agent would use it: give one a url and dialect: twilio, or take this out',
    })
  const { trunk, tls } = rest
  if (trunk !== undefined && !Object.hasOwn(trunks, trunk))
    problems.push({
      path: [...path, 'trunk'],
      message: `there is no trunk "${trunk}"; ${suggestion(trunk, Object.keys(trunks))}`,
    })
  noting(problems, path, () => twilioRest(rest))
  if (tls === undefined) return undefined
  if (tls.cert !== undefined && tls.key !== undefined)
    return noting(problems, path, () => readTls(tls, folder))
  problems.push({ path: [...path, 'tls'], message: 'give both cert and key, PEM files' })
  return undefined
}
