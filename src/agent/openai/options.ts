import { OptionError } from '../../runtime/errors.ts'
import type { Runtime, TlsOptions } from '../../runtime/runtime.ts'
import type { DtmfDigit } from '../../media/session/types.ts'
import type { AgentSession } from '../agent.ts'
import type { AfterEngine } from '../engine/engine-end.ts'
import type { JsonObject } from '../streams/json.ts'
import type { OpenAiDialect } from './sip-calls.ts'

/** What the model hears and speaks: G.711 at 8 kHz, or 16-bit linear PCM at 24 kHz. */
export type OpenAiAudio = 'pcmu' | 'pcma' | 'pcm'

/** Something the model may do. */
export interface OpenAiTool {
  readonly name: string
  readonly description?: string
  /** JSON Schema of the arguments. Default: none are taken. */
  readonly parameters?: JsonObject
  /**
   * What the model is told: text, or anything that JSON can say. What it throws is told to the model as an error, and ends nothing. Default:
   * `onToolCall` of the options.
   */
  readonly run?: (input: JsonObject, talk: OpenAiTalk) => unknown
}

/** The model wants something done. */
export interface OpenAiToolCall {
  readonly id: string
  readonly name: string
  readonly input: JsonObject
}

/** A conversation under way, for handlers. After its end everything here does nothing. */
export interface OpenAiTalk {
  /** The call. */
  readonly session: AgentSession
  /** An event of the API, as it is; not during a reconnection. */
  send(event: JsonObject): void
  /** Tells the model something, in the caller's place (Realtime) or as an instruction (Live); during a reconnection the session to come. */
  tell(text: string): void
  /** Has the model speak (Realtime), when what it is saying is over. */
  respond(instructions?: string): void
  /** Drops what was said and not heard yet, and stops what the model is about to say. */
  interrupt(): void
}

/** The API told of an error, or a tool failed. None of them has ended the call. */
export interface OpenAiProblem {
  readonly source: 'model' | 'tool'
  /** `rate_limit_exceeded`, `invalid_value` …; of a tool, its name. */
  readonly code: string
  readonly message: string
}

export interface ReconnectSettings {
  /** In a row; after a connection that lasted ten seconds they count anew. Default 3. */
  readonly attempts?: number
  /** Before the first; each further one waits twice as long, up to `maxDelayMs`. Default 250. */
  readonly delayMs?: number
  /** Default 4,000. */
  readonly maxDelayMs?: number
}

export interface OpenAiAgentOptions extends AfterEngine {
  readonly apiKey: string
  readonly dialect: OpenAiDialect
  readonly model: string
  /** `wss:` of another region, of Azure, of a stand-in; Realtime's with its query. Default: that of OpenAI. */
  readonly url?: string
  /** On the upgrade; `api-key` or `authorization` takes the place of the bearer token. */
  readonly headers?: Readonly<Record<string, string>>
  readonly tls?: TlsOptions
  /** As the API has it: `instructions`, `audio`, `delegation` … The formats of its audio are set from the call. */
  readonly session?: JsonObject
  /** Default: G.711 as it is where the call is G.711, else linear PCM. */
  readonly audio?: OpenAiAudio
  /** With Live they belong to the Responses model that `session.delegation` names. */
  readonly tools?: readonly OpenAiTool[]
  /** For tools without a `run`, those of `session` among them. */
  readonly onToolCall?: (call: OpenAiToolCall, talk: OpenAiTalk) => unknown
  /** Gives the model `hang_up`: the call ends when the caller has heard the good-bye. Default false. */
  readonly endCall?: boolean
  /** Gives the model `transfer_call`: what it calls each place, and its SIP or tel URI. */
  readonly transferCall?: Readonly<Record<string, string>>
  /**
   * What becomes of keys: told to the model as text once none has come for so long (`gatherMs`, default 1,000), which interrupts it; or a
   * handler's; or ignored. Default: told.
   */
  readonly dtmf?: { readonly gatherMs: number } | ((digit: DtmfDigit, talk: OpenAiTalk) => void) | false
  /** The model speaks first: what it is told to say, or `true` for what its instructions say. Default: it waits for the caller. */
  readonly greeting?: string | true
  /** When the connection breaks in the middle of a call. What was said so far is told to the new session, as far as there are transcripts. */
  readonly reconnect?: ReconnectSettings | false
  /** When the session has reached the API's longest: a new one, or the end. Default `reconnect`. */
  readonly onExpiry?: 'reconnect' | 'end'
  /** Each event of the API but audio, before we act on it. */
  readonly onEvent?: (event: JsonObject, talk: OpenAiTalk) => void
  readonly onProblem?: (problem: OpenAiProblem) => void
  /** Until the session is set up. Default 10,000. */
  readonly connectTimeoutMs?: number
  /** How long the model may take to its first audio once the session is set up. Default: for ever. */
  readonly firstAudioTimeoutMs?: number
  /** The most of the model's audio that waits to be played, up to 120,000 ms, the default; more is dropped and counted. */
  readonly maxBufferedMs?: number
  /** So many messages that cannot be read are passed over; one more ends the engine. Default 100. */
  readonly maxMalformed?: number
  /** Where the network and the time come from. Default: this machine. */
  readonly runtime?: Pick<Runtime, 'clock' | 'network'>
}

/** The options, checked. */
export interface OpenAiSettings extends Omit<OpenAiAgentOptions, 'reconnect' | 'url'> {
  readonly url: string
  readonly session: JsonObject
  readonly tools: readonly OpenAiTool[]
  readonly reconnect: Required<ReconnectSettings>
  readonly connectTimeoutMs: number
  readonly maxBufferedMs: number
  readonly maxMalformed: number
}

/** @throws OptionError */
export function checkedSettings(options: OpenAiAgentOptions): OpenAiSettings {
  const {
    apiKey,
    dialect,
    model,
    session = {},
    audio,
    firstAudioTimeoutMs,
    dtmf,
    transferCall = {},
  } = options
  if (typeof apiKey !== 'string' || apiKey === '')
    throw new OptionError('apiKey', 'it is missing; give the key of the project')
  if (dialect !== 'realtime' && dialect !== 'live')
    throw new OptionError('dialect', `${JSON.stringify(dialect)} is none; give realtime or live`)
  if (typeof model !== 'string' || model === '')
    throw new OptionError('model', 'it is missing; give gpt-realtime or gpt-live-1, for example')
  if (audio !== undefined && !['pcmu', 'pcma', 'pcm'].includes(audio))
    throw new OptionError('audio', `${JSON.stringify(audio)} is not spoken; give pcmu, pcma or pcm`)
  const url = options.url ?? places[dialect](model)
  if (!/^wss?:\/\//.test(url)) throw new OptionError('url', 'no WebSocket; give wss://…')
  const empty = Object.entries(transferCall).find(
    ([name, uri]) => name.trim() === '' || !/^(?:tel|sips?):/.test(uri),
  )
  if (empty !== undefined)
    throw new OptionError(
      'transferCall',
      `${JSON.stringify(empty[0])} has no name or no URI; give sip:… or tel:…`,
    )
  if (firstAudioTimeoutMs !== undefined) checked('firstAudioTimeoutMs', firstAudioTimeoutMs, 3_600_000)
  if (typeof dtmf === 'object') checked('dtmf.gatherMs', dtmf.gatherMs, 60_000)
  const { reconnect = {} } = options
  const { attempts = 3, delayMs = 250, maxDelayMs = 4000 } = reconnect === false ? { attempts: 0 } : reconnect
  if (!(Number.isInteger(attempts) && attempts >= 0 && attempts <= 100))
    throw new OptionError('reconnect.attempts', `${attempts} is not usable; give 0 to 100`)
  return {
    ...options,
    url,
    session,
    tools: checkedTools(options),
    reconnect: {
      attempts,
      delayMs: checked('reconnect.delayMs', delayMs, 60_000),
      maxDelayMs: checked('reconnect.maxDelayMs', maxDelayMs, 60_000),
    },
    connectTimeoutMs: checked('connectTimeoutMs', options.connectTimeoutMs ?? 10_000, 600_000),
    maxBufferedMs: checked('maxBufferedMs', options.maxBufferedMs ?? 120_000, 120_000),
    maxMalformed: checked('maxMalformed', options.maxMalformed ?? 100, 1_000_000),
  }
}

function checkedTools({
  dialect,
  tools = [],
  session,
  endCall,
  transferCall,
  onToolCall,
}: OpenAiAgentOptions): readonly OpenAiTool[] {
  const hasPlaces = Object.keys(transferCall ?? {}).length > 0
  // Ours are beside them: the API takes no two of one name.
  const names = new Set([...(endCall === true ? ['hang_up'] : []), ...(hasPlaces ? ['transfer_call'] : [])])
  for (const { name, run } of tools) {
    if (!/^[\w-]{1,64}$/.test(name))
      throw new OptionError('tools', `${JSON.stringify(name)} is no name; give letters, digits, _ and -`)
    if (names.has(name))
      throw new OptionError(
        'tools',
        `${name} is there twice; endCall and transferCall bring hang_up and transfer_call`,
      )
    if (run === undefined && onToolCall === undefined)
      throw new OptionError('tools', `nobody runs ${name}; give it a run, or give onToolCall`)
    names.add(name)
  }
  const any = names.size > 0
  const delegation = session?.['delegation'] as { type?: unknown; responses?: unknown } | null | undefined
  if (
    any &&
    dialect === 'live' &&
    (delegation?.type !== 'responses' || typeof delegation.responses !== 'object')
  )
    throw new OptionError(
      'session.delegation',
      "Live's tools are called by a Responses model; give { type: 'responses', responses: { model } }",
    )
  return tools
}

const places: Readonly<Record<OpenAiDialect, (model: string) => string>> = {
  realtime: model => `wss://api.openai.com/v1/realtime?model=${encodeURIComponent(model)}`,
  // The model is told in the first message.
  live: () => 'wss://api.openai.com/v1/live/sessions',
}

function checked(field: string, value: number, most: number): number {
  if (!(value >= 1 && value <= most))
    throw new OptionError(field, `${value} is not usable; give 1 to ${most}`)
  return value
}
