import { OptionError } from '../../runtime/errors.ts'
import type { Runtime, TlsOptions } from '../../runtime/runtime.ts'
import type { AgentSession } from '../agent.ts'
import type { AfterEngine } from '../engine/engine-end.ts'
import type { DialectName, StreamDialect, StreamFormat } from './dialect.ts'
import { dialectNamed } from './dialects.ts'
import type { StreamIds } from './ids.ts'

/** Where the bot of one call is. */
export interface StreamTarget {
  readonly url: string
  /** Besides those of the options. */
  readonly parameters?: Readonly<Record<string, string>>
  readonly headers?: Readonly<Record<string, string>>
}

export interface StreamAgentOptions extends AfterEngine {
  /** `ws:` or `wss:`, or a function that finds it for each call; `signal` aborts with the call and with `connectTimeoutMs`. */
  readonly url:
    | string
    | ((session: AgentSession, signal: AbortSignal) => StreamTarget | Promise<StreamTarget>)
  /** Whose protocol the bot speaks. */
  readonly dialect: DialectName
  /** Audio to the bot, one of the formats of the dialect. Default: its first, docs/engines.md has the table. */
  readonly format?: StreamFormat
  /** Custom values for the bot: Twilio's `<Parameter>`, Telnyx's `custom_parameters`, Vonage's headers. */
  readonly parameters?:
    | Readonly<Record<string, string>>
    | ((session: AgentSession) => Readonly<Record<string, string>>)
  /** On the upgrade. */
  readonly headers?: Readonly<Record<string, string>>
  /** Twilio: signs the upgrade (`X-Twilio-Signature`). Telnyx: the streaming auth token. Not for the others, which have `headers`. */
  readonly authToken?: string
  /** In place of those made from the call: an `AC…` the bot expects, for example. */
  readonly ids?: Partial<StreamIds> | ((session: AgentSession) => Partial<StreamIds>)
  /** Subprotocols to offer. Default: none. */
  readonly protocols?: readonly string[]
  readonly tls?: TlsOptions
  /** Default 10,000. */
  readonly connectTimeoutMs?: number
  /** How long the bot may take to its first audio, in milliseconds from the connection. Default: for ever. */
  readonly firstAudioTimeoutMs?: number
  /** The most of the bot's audio that waits to be played, in milliseconds up to 120,000, the default; more is dropped and counted. */
  readonly maxBufferedMs?: number
  /** So many messages that are not of the dialect are passed over; one more ends the engine. Default 100. */
  readonly maxMalformed?: number
  /** Where the network and the time come from. Default: this machine. */
  readonly runtime?: Pick<Runtime, 'clock' | 'network'>
}

/** The options, checked. */
export interface StreamSettings extends Omit<StreamAgentOptions, 'dialect' | 'format'> {
  readonly dialect: StreamDialect
  readonly format: StreamFormat
  readonly connectTimeoutMs: number
  readonly maxBufferedMs: number
  readonly maxMalformed: number
}

/** @throws OptionError */
export function checkedSettings(options: StreamAgentOptions): StreamSettings {
  const dialect = dialectNamed(options.dialect)
  checkUrl(options.url)
  const { authToken, firstAudioTimeoutMs } = options
  if (authToken !== undefined && dialect.name !== 'twilio' && dialect.name !== 'telnyx')
    throw new OptionError('authToken', `${dialect.name} has none; give headers: { Authorization: … }`)
  if (firstAudioTimeoutMs !== undefined) checked('firstAudioTimeoutMs', firstAudioTimeoutMs, 3_600_000)
  return {
    ...options,
    dialect,
    format: formatFor(dialect, options.format),
    connectTimeoutMs: checked('connectTimeoutMs', options.connectTimeoutMs ?? 10_000, 600_000),
    maxBufferedMs: checked('maxBufferedMs', options.maxBufferedMs ?? 120_000, 120_000),
    maxMalformed: checked('maxMalformed', options.maxMalformed ?? 100, 1_000_000),
  }
}

/** A URL made for each call is looked at when the bot is dialled. */
function checkUrl(url: unknown): void {
  if (typeof url === 'function') return
  if (typeof url !== 'string' || !/^wss?:\/\/[^/]/.test(url))
    throw new OptionError('url', 'give ws:// or wss:// and the rest of the address of the bot')
}

function formatFor(dialect: StreamDialect, wanted: StreamFormat | undefined): StreamFormat {
  const { formats, name } = dialect
  const found =
    wanted === undefined
      ? formats[0]
      : formats.find(
          ({ encoding, sampleRate }) => encoding === wanted.encoding && sampleRate === wanted.sampleRate,
        )
  if (found !== undefined) return found
  const known = formats.map(({ encoding, sampleRate }) => `${encoding} at ${sampleRate}`).join(', ')
  throw new OptionError('format', `${name} does not carry that; it has ${known}`)
}

function checked(field: string, value: number, most: number): number {
  if (!(value >= 1 && value <= most))
    throw new OptionError(field, `${value} is not usable; give 1 to ${most}`)
  return value
}
