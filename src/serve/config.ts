import type { Agent } from '../agent/agent.ts'
import type { OpenAiAgentOptions } from '../agent/openai/options.ts'
import type { StreamAgentOptions } from '../agent/streams/options.ts'
import type { MaxCallsSettings } from '../call/trunks/call-slots.ts'
import type { CarrierName } from '../call/trunks/carriers.ts'
import type { TrunkAuth, TrunkTransport } from '../call/trunks/carrier.ts'
import type { FailoverSettings, TrunkHealthSettings } from '../call/trunks/options.ts'
import type { CpsSettings } from '../call/trunks/pacer.ts'
import type { RecordingFormat } from '../media/audio/recording-format.ts'
import type { SrtpMode } from '../media/session/srtp-options.ts'
import type { StreamsConfig } from './streams-config.ts'

/** What `offhook serve` is told, as it stands in the file; docs/serve.md has a line for each field. Times are milliseconds. */
export interface ServeConfig {
  readonly endpoint: EndpointConfig
  /** By name; routes and records call them so. */
  readonly trunks?: Readonly<Record<string, TrunkConfig>>
  /** By name; checked by kind, see `AgentConfig`. */
  readonly agents?: Readonly<Record<string, unknown>>
  /** Checked by `checkRoutes`. Default: everything goes to the one agent there is. */
  readonly routes?: readonly unknown[]
  /** ISO 3166-1, of numbers that come without a country code: `DE`. */
  readonly defaultCountry?: string
  /** Of calls that do not say. Default `production`. */
  readonly environment?: string
  /** In which trusted callers and trunks name it. */
  readonly environmentHeader?: string
  readonly recording?: RecordingConfig
  readonly traces?: TracesConfig
  readonly limits?: LimitsConfig
  readonly health?: HealthConfig
  readonly streams?: StreamsConfig
  readonly twilioRest?: TwilioRestConfig
  readonly drain?: DrainConfig
}

export interface EndpointConfig {
  readonly listen: readonly string[]
  readonly publicAddress?: string
  readonly tls?: TlsFiles
  readonly rtp?: { readonly minPort?: number; readonly maxPort?: number; readonly timeoutMs?: number }
  readonly srtp?: SrtpMode
  readonly codecs?: readonly string[]
  readonly userAgent?: string
  /** Who may call besides the trunks: addresses and blocks (CIDR), or `everybody`. */
  readonly admit?: 'everybody' | readonly string[]
}

/** PEM files. */
export interface TlsFiles {
  readonly cert?: string
  readonly key?: string
  readonly passphrase?: string
  readonly ca?: string
  readonly requestCert?: boolean | 'optional'
  readonly verify?: boolean
}

export interface TrunkConfig {
  readonly preset: CarrierName
  readonly account?: string
  readonly edges?: readonly string[]
  readonly hosts?: readonly string[]
  readonly transport?: TrunkTransport
  readonly secure?: boolean
  readonly srtp?: SrtpMode
  readonly auth?: TrunkAuth
  readonly credentials?: { readonly username: string; readonly password: string }
  readonly token?: string
  readonly caller?: string
  readonly displayName?: string
  readonly codecs?: readonly string[]
  readonly numbers?: 'e164' | 'digits' | 'as-given'
  readonly headers?: Readonly<Record<string, string>>
  readonly cps?: number | CpsSettings
  readonly maxCalls?: number | MaxCallsSettings
  readonly maxDurationMs?: number
  readonly health?: false | TrunkHealthSettings
  readonly failover?: FailoverSettings
  readonly sources?: readonly string[]
  readonly inbound?: false | TrunkInboundConfig
}

/** How calls from the trunk are known, besides by its `sources`. */
export interface TrunkInboundConfig {
  readonly header?: { readonly name: string; readonly secret: string; readonly secureOnly?: boolean }
  readonly digest?: {
    readonly username: string
    readonly password: string
    readonly realm: string
    readonly proxy?: boolean
  }
  readonly trusted?: boolean
}

/** Which kind it is, the field says that only that kind has: `builtIn`, `module`, `url`, `openai`. */
export type AgentConfig = BuiltInAgentConfig | ModuleAgentConfig | StreamAgentConfig | OpenAiAgentConfig

export interface BuiltInAgentConfig {
  readonly builtIn: 'echo' | 'menu'
}

export interface ModuleAgentConfig {
  /** A file whose default export is an agent, or a function that makes one; in module configs also the agent itself. */
  readonly module: string | Agent
}

export interface StreamAgentConfig extends Pick<
  StreamAgentOptions,
  | 'dialect'
  | 'format'
  | 'headers'
  | 'authToken'
  | 'protocols'
  | 'connectTimeoutMs'
  | 'firstAudioTimeoutMs'
  | 'maxBufferedMs'
  | 'maxMalformed'
> {
  readonly url: string
  readonly parameters?: Readonly<Record<string, string>>
  /** `hangup`, `finish`, or the name of another agent. */
  readonly onEngineEnd?: string
  /** The name of another agent. */
  readonly fallback?: string
  readonly tls?: Pick<TlsFiles, 'cert' | 'key' | 'passphrase' | 'ca' | 'verify'>
}

export interface OpenAiAgentConfig {
  readonly openai: OpenAiConfig
  /** `hangup`, `finish`, or the name of another agent. */
  readonly onEngineEnd?: string
  /** The name of another agent. */
  readonly fallback?: string
}

/** What plain data can say of `openAiAgent`; for tools of your own write a module. */
export type OpenAiConfig = Pick<
  OpenAiAgentOptions,
  | 'apiKey'
  | 'dialect'
  | 'model'
  | 'url'
  | 'headers'
  | 'session'
  | 'audio'
  | 'endCall'
  | 'transferCall'
  | 'greeting'
  | 'onExpiry'
  | 'connectTimeoutMs'
  | 'firstAudioTimeoutMs'
  | 'maxBufferedMs'
>

export interface RecordingConfig {
  readonly folder: string
  readonly format?: RecordingFormat
  /** Of these agents only. */
  readonly agents?: readonly string[]
}

export interface TracesConfig {
  readonly folder: string
  /** `calls.jsonl`. Default true. */
  readonly journal?: boolean
  /** `ID.json` of each call. Default false. */
  readonly records?: boolean
  /** `ID.ladder.txt` of each call. Default true. */
  readonly ladders?: boolean
  readonly maskDigits?: boolean
}

export interface LimitsConfig {
  readonly calls?: number
  /** Of each trunk that has no `maxCalls` of its own. */
  readonly callsPerTrunk?: number
  readonly maxDurationMs?: number
  readonly ringTimeoutMs?: number
}

export interface HealthConfig {
  readonly host?: string
  readonly port: number
  /** How many trunks have to be up to be ready. Default `any`. */
  readonly trunks?: 'all' | 'any' | 'none'
}

/** Where bots of Twilio's dialect hang up and transfer, as at Twilio. */
export interface TwilioRestConfig {
  readonly host?: string
  readonly port: number
  readonly accountSid?: string
  readonly authToken: string
  /** By which numbers of `<Dial>` are called. Default: REFER to `tel:`. */
  readonly trunk?: string
  readonly tls?: Pick<TlsFiles, 'cert' | 'key' | 'passphrase'>
}

export interface DrainConfig {
  /** Calls are hung up so long after the drain began. Default 30,000. */
  readonly limitMs?: number
}
