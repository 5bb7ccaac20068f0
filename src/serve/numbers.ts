import { z } from 'zod'

/** Numbers may come out of the environment, where everything is text. */
export function number(least: number, most: number): z.ZodPreprocess<z.ZodNumber> {
  return z.preprocess(
    value => (typeof value === 'string' && /^\d+(?:\.\d+)?$/.test(value) ? Number(value) : value),
    z.number().min(least).max(most),
  )
}
