import { z } from 'zod'
import type { StreamAuth } from '../agent/stream-server/auth.ts'
import type { DialectName, StreamFormat } from '../agent/streams/dialect.ts'
import { number } from './numbers.ts'
import type { StreamControlConfig, StreamPathConfig, StreamsConfig } from './streams-config.ts'

const may = z.exactOptional
const text = z.string().min(1)
const oneOrMore = z.union([text, z.array(text).min(1)])

export const dialectSchema: z.ZodType<DialectName> = z.enum([
  'twilio',
  'telnyx',
  'plivo',
  'vonage',
  'infobip',
  'voicerun',
  'offhook',
])

export const formatSchema: z.ZodType<StreamFormat> = z.strictObject({
  encoding: z.enum(['PCMU', 'PCMA', 'L16']),
  sampleRate: number(8_000, 48_000),
})

/** How each carrier shows who it is. */
const auth: z.ZodType<StreamAuth> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('twilio'), authToken: oneOrMore }),
  z.strictObject({ kind: z.literal('plivo'), authToken: text }),
  z.strictObject({
    kind: z.literal('vonage'),
    secret: oneOrMore,
    apiKey: may(text),
    applicationId: may(text),
  }),
  z.strictObject({ kind: z.literal('telnyx'), streamToken: text, publicKey: may(text) }),
  z.strictObject({ kind: z.literal('token'), token: text, header: may(text), parameter: may(text) }),
  z.strictObject({ kind: z.literal('basic'), username: text, password: text }),
  z.strictObject({ kind: z.literal('none') }),
])

const baseUrl = may(z.string().regex(/^https?:\/\/\S+$/))

/** What each carrier's HTTP interface wants to know; the others end calls by the stream alone. */
export const controlSchemas: Readonly<Partial<Record<DialectName, z.ZodType<StreamControlConfig>>>> = {
  twilio: z.strictObject({ authToken: text, accountSid: may(text), baseUrl }),
  telnyx: z.strictObject({ apiKey: text, baseUrl }),
  plivo: z.strictObject({ authId: text, authToken: text, baseUrl }),
}

const path: z.ZodType<StreamPathConfig> = z.strictObject({
  dialect: dialectSchema,
  agent: may(text),
  auth,
  control: may(z.union(Object.values(controlSchemas))),
  format: may(formatSchema),
  webhook: may(text),
})

export const streamsSchema: z.ZodType<StreamsConfig> = z.strictObject({
  host: may(text),
  port: number(0, 65_535),
  tls: may(z.strictObject({ cert: may(text), key: may(text), passphrase: may(text) })),
  publicUrl: may(text),
  maxCalls: may(number(1, 1_000_000)),
  startTimeoutMs: may(number(1, 600_000)),
  idleTimeoutMs: may(number(1, 86_400_000)),
  paths: z.record(text, path),
})
