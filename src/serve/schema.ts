/** The shape of a configuration, field by field; what each means, docs/serve.md says. */
import { z } from 'zod'
import type { JsonObject } from '../agent/streams/json.ts'
import { carriers } from '../call/trunks/carriers.ts'
import type { CarrierName } from '../call/trunks/carriers.ts'
import type {
  BuiltInAgentConfig,
  EndpointConfig,
  ModuleAgentConfig,
  OpenAiAgentConfig,
  ServeConfig,
  StreamAgentConfig,
  TrunkConfig,
} from './config.ts'
import { number } from './numbers.ts'
import { dialectSchema, formatSchema, streamsSchema } from './streams-schema.ts'

const may = z.exactOptional

const port = number(0, 65_535)
const ms = number(0, 86_400_000)
const text = z.string().min(1)
const texts = z.array(text)
const textByName = z.record(text, z.string())
const srtp = z.enum(['off', 'optional', 'required'])

const endpoint: z.ZodType<EndpointConfig> = z.strictObject({
  listen: texts.min(1),
  publicAddress: may(text),
  tls: may(
    z.strictObject({
      cert: may(text),
      key: may(text),
      passphrase: may(text),
      ca: may(text),
      requestCert: may(z.union([z.boolean(), z.literal('optional')])),
      verify: may(z.boolean()),
    }),
  ),
  rtp: may(z.strictObject({ minPort: may(port), maxPort: may(port), timeoutMs: may(ms) })),
  srtp: may(srtp),
  codecs: may(texts.min(1)),
  userAgent: may(text),
  admit: may(z.union([z.literal('everybody'), texts])),
})

const trunk: z.ZodType<TrunkConfig> = z.strictObject({
  preset: z.enum(Object.keys(carriers) as [CarrierName, ...CarrierName[]]),
  account: may(text),
  edges: may(texts),
  hosts: may(texts),
  transport: may(z.enum(['udp', 'tcp', 'tls'])),
  secure: may(z.boolean()),
  srtp: may(srtp),
  auth: may(z.enum(['digest', 'register', 'address', 'token', 'certificate', 'none'])),
  credentials: may(z.strictObject({ username: text, password: text })),
  token: may(text),
  caller: may(text),
  displayName: may(text),
  codecs: may(texts.min(1)),
  numbers: may(z.enum(['e164', 'digits', 'as-given'])),
  headers: may(textByName),
  cps: may(
    z.union([
      number(0, 1_000_000),
      z.strictObject({
        limit: number(0, 1_000_000),
        excess: may(z.enum(['queue', 'refuse'])),
        queue: may(number(0, 1_000_000)),
        maxWaitMs: may(ms),
      }),
    ]),
  ),
  maxCalls: may(
    z.union([
      number(1, 1_000_000),
      z.strictObject({
        limit: number(1, 1_000_000),
        statusCode: may(number(400, 699)),
        retryAfterSeconds: may(number(0, 86_400)),
      }),
    ]),
  ),
  maxDurationMs: may(number(1, 604_800_000)),
  health: may(
    z.union([
      z.literal(false),
      z.strictObject({
        intervalMs: may(ms),
        timeoutMs: may(ms),
        downAfter: may(number(1, 1_000)),
        maxIntervalMs: may(ms),
      }),
    ]),
  ),
  failover: may(z.strictObject({ statuses: may(z.array(number(300, 699))), afterTrying: may(z.boolean()) })),
  sources: may(texts),
  inbound: may(
    z.union([
      z.literal(false),
      z.strictObject({
        header: may(z.strictObject({ name: text, secret: text, secureOnly: may(z.boolean()) })),
        digest: may(z.strictObject({ username: text, password: text, realm: text, proxy: may(z.boolean()) })),
        trusted: may(z.boolean()),
      }),
    ]),
  ),
})

/** Of the whole file, its agents and routes apart, which are checked by kind. */
export const configSchema: z.ZodType<ServeConfig> = z.strictObject({
  endpoint,
  trunks: may(z.record(text, trunk)),
  agents: may(z.record(text, z.unknown())),
  routes: may(z.array(z.unknown())),
  defaultCountry: may(z.string().regex(/^[A-Z]{2}$/)),
  environment: may(text),
  environmentHeader: may(text),
  recording: may(
    z.strictObject({
      folder: text,
      format: may(z.enum(['pcm', 'pcmu', 'pcma', 'opus'])),
      agents: may(texts),
    }),
  ),
  traces: may(
    z.strictObject({
      folder: text,
      journal: may(z.boolean()),
      records: may(z.boolean()),
      ladders: may(z.boolean()),
      maskDigits: may(z.boolean()),
    }),
  ),
  limits: may(
    z.strictObject({
      calls: may(number(1, 1_000_000)),
      callsPerTrunk: may(number(1, 1_000_000)),
      maxDurationMs: may(number(1, 604_800_000)),
      ringTimeoutMs: may(number(0, 86_400_000)),
    }),
  ),
  health: may(
    z.strictObject({
      host: may(text),
      port,
      trunks: may(z.enum(['all', 'any', 'none'])),
    }),
  ),
  streams: may(streamsSchema),
  twilioRest: may(
    z.strictObject({
      host: may(text),
      port,
      accountSid: may(text),
      authToken: text,
      trunk: may(text),
      tls: may(z.strictObject({ cert: may(text), key: may(text), passphrase: may(text) })),
    }),
  ),
  drain: may(z.strictObject({ limitMs: may(ms) })),
})

const builtInAgent: z.ZodType<BuiltInAgentConfig> = z.strictObject({ builtIn: z.enum(['echo', 'menu']) })

const moduleAgent: z.ZodType<ModuleAgentConfig> = z.strictObject({
  module: z.custom<ModuleAgentConfig['module']>(
    value => (typeof value === 'string' && value !== '') || isAgent(value),
    'give the path of a file, relative to this one',
  ),
})

const streamAgent: z.ZodType<StreamAgentConfig> = z.strictObject({
  url: z.string().regex(/^wss?:\/\/\S+$/),
  dialect: dialectSchema,
  format: may(formatSchema),
  parameters: may(textByName),
  headers: may(textByName),
  authToken: may(text),
  protocols: may(texts),
  onEngineEnd: may(text),
  fallback: may(text),
  connectTimeoutMs: may(number(1, 600_000)),
  firstAudioTimeoutMs: may(number(1, 3_600_000)),
  maxBufferedMs: may(number(1, 120_000)),
  maxMalformed: may(number(1, 1_000_000)),
  tls: may(
    z.strictObject({
      cert: may(text),
      key: may(text),
      passphrase: may(text),
      ca: may(text),
      verify: may(z.boolean()),
    }),
  ),
})

const openAi: z.ZodType<OpenAiAgentConfig> = z.strictObject({
  openai: z.strictObject({
    apiKey: text,
    dialect: z.enum(['realtime', 'live']),
    model: text,
    url: may(z.string().regex(/^wss?:\/\/\S+$/)),
    headers: may(textByName),
    session: may(z.record(text, z.json())) as z.ZodExactOptional<z.ZodType<JsonObject>>,
    audio: may(z.enum(['pcmu', 'pcma', 'pcm'])),
    endCall: may(z.boolean()),
    transferCall: may(textByName),
    greeting: may(z.union([text, z.literal(true)])),
    onExpiry: may(z.enum(['reconnect', 'end'])),
    connectTimeoutMs: may(number(1, 600_000)),
    firstAudioTimeoutMs: may(number(1, 3_600_000)),
    maxBufferedMs: may(number(1, 120_000)),
  }),
  onEngineEnd: may(text),
  fallback: may(text),
})

/** By the field that only this kind of agent has. */
export const agentSchemas: Readonly<Record<string, z.ZodType>> = {
  builtIn: builtInAgent,
  module: moduleAgent,
  url: streamAgent,
  openai: openAi,
}

export function isAgent(value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof (value as { run?: unknown }).run === 'function'
}
