import { z } from 'zod'
import type { Route, RouteAction, RouteMatch } from '../call/routing/types.ts'

const may = z.exactOptional
const text = z.string().min(1)
const oneOrMore = z.union([text, z.array(text)])
const pattern = z.union([text, z.instanceof(RegExp)])
const patterns = z.union([pattern, z.array(pattern)])
const time = z.strictObject({
  zone: text,
  days: may(oneOrMore),
  from: may(text),
  to: may(text),
  dates: may(z.array(text)),
  except: may(z.array(text)),
})

const match: z.ZodType<RouteMatch> = z.strictObject({
  dialled: may(patterns),
  caller: may(patterns),
  uri: may(patterns),
  trunk: may(oneOrMore),
  headers: may(z.record(text, patterns)),
  time: may(z.union([time, z.array(time)])),
  environment: may(oneOrMore),
})

const again: z.ZodType<RouteAction> = z.lazy(() => actionSchema)

/** What becomes of a call, at any depth. */
export const actionSchema: z.ZodType<RouteAction> = z.union([
  z.strictObject({ agent: text, fallback: may(again) }),
  z.strictObject({
    reject: z.strictObject({
      statusCode: z.number(),
      reasonPhrase: may(text),
      retryAfterSeconds: may(z.number()),
    }),
  }),
  z.strictObject({ redirect: oneOrMore }),
  z.strictObject({
    number: text,
    trunk: may(oneOrMore),
    caller: may(text),
    ringTimeoutMs: may(z.number()),
    fallback: may(again),
  }),
  z.strictObject({
    queue: z.strictObject({
      to: again,
      maxActive: z.number(),
      maxWaiting: may(z.number()),
      maxWaitMs: may(z.number()),
      music: may(text),
      overflow: may(again),
    }),
  }),
])

export const routesSchema: z.ZodType<readonly Route[]> = z.array(
  z.strictObject({ name: may(text), match: may(match), to: again }),
)
