import type { StreamMessage } from './dialect.ts'

export type JsonObject = Readonly<Record<string, unknown>>

/** What the messages of one name mean; `undefined` when a field is missing or of the wrong kind. */
export type MessageTable = Readonly<Record<string, (message: JsonObject) => StreamMessage | undefined>>

export function objectOf(value: unknown): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : NONE
}

/** A string, or a number written out; empty for anything else. */
export function textOf(value: unknown): string {
  if (typeof value === 'string') return value
  return typeof value === 'number' ? String(value) : ''
}

/** A number from 0, also as a string of digits. */
export function countOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value
  return typeof number === 'number' && number >= 0 && Number.isFinite(number) ? number : undefined
}

/** The fields that are strings, numbers or booleans, as strings. */
export function stringsOf(value: unknown): Readonly<Record<string, string>> {
  const simple = Object.entries(objectOf(value)).filter(([, field]) =>
    ['string', 'number', 'boolean'].includes(typeof field),
  )
  return Object.fromEntries(simple.map(([name, field]) => [name, String(field)]))
}

/** Audio in base64, which may be none; `undefined` when it is no base64. */
export function audioOf(payload: unknown): Uint8Array | undefined {
  if (typeof payload !== 'string') return undefined
  const audio = Buffer.from(payload, 'base64')
  return audio.length === 0 && payload !== '' ? undefined : audio
}

/** `inbound`, `outbound_track` … */
export function trackOf(track: unknown): { readonly track?: 'inbound' | 'outbound' } {
  const [, name] = typeof track === 'string' ? (/^(inbound|outbound)(?:_track)?$/.exec(track) ?? []) : []
  return name === undefined ? {} : { track: name as 'inbound' | 'outbound' }
}

export function base64Of(audio: Uint8Array): string {
  return Buffer.from(audio.buffer, audio.byteOffset, audio.byteLength).toString('base64')
}

/** Reads a text message; `field` holds its name. */
export function parseJson(data: string | Uint8Array, field: string, table: MessageTable): StreamMessage {
  if (typeof data !== 'string') return malformed('binary where text is expected')
  const message = objectFrom(data)
  if (message === undefined) return malformed('no JSON object')
  const name = message[field]
  if (typeof name !== 'string') return malformed(`no "${field}"`)
  const read = Object.hasOwn(table, name) ? table[name] : undefined
  if (read === undefined) return { kind: 'other', name: name.slice(0, 64) }
  return read(message) ?? malformed(`"${name}" lacks a field`)
}

/** `undefined` when the text is no JSON object. */
export function objectFrom(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as JsonObject)
      : undefined
  } catch {
    return undefined
  }
}

export function malformed(reason: string): StreamMessage {
  return { kind: 'malformed', reason }
}

const NONE: JsonObject = Object.freeze({})
