/** Digits in INFO requests: bodies as they are read and written. No RFC says how; these are the forms that gateways and phones have. */

/** A digit, or why there is none. */
export type DtmfInfo =
  | { readonly digit: string; readonly durationMs: number }
  | { readonly statusCode: 400; readonly reasonPhrase: string }

type Reader = (body: string) => DtmfInfo

/** Bodies by content type. */
const readers: ReadonlyMap<string, Reader> = new Map<string, Reader>([
  ['application/dtmf-relay', readRelay], // Cisco: Signal=5 CRLF Duration=160
  ['application/dtmf', body => (/[=:]/.test(body) ? readRelay(body) : digitOf(body, undefined))], // 5
  ['application/hook-flash', () => ({ digit: '!', durationMs: DEFAULT_MS })], // Asterisk; the body does not matter
])

/** Content types with digits, for Accept. */
export const dtmfInfoTypes: readonly string[] = [...readers.keys()]

/** Digits with names: the numbers are the event codes of RFC 4733 §3.2. */
const names: Readonly<Record<string, string>> = {
  '10': '*',
  '11': '#',
  '12': 'A',
  '13': 'B',
  '14': 'C',
  '15': 'D',
  '16': '!',
  STAR: '*',
  POUND: '#',
  HASH: '#',
  FLASH: '!',
  HOOKFLASH: '!',
  HF: '!',
}

/** Where a body says none, or none that can be. */
const DEFAULT_MS = 250
const MAX_MS = 60_000
/** A body longer than this is something else. */
const MAX_OCTETS = 512

/** Undefined: the body is of another type. */
export function readDtmfInfo(contentType: string | undefined, body: Uint8Array): DtmfInfo | undefined {
  const type = contentType?.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  const reader = readers.get(type)
  if (reader === undefined) return undefined
  if (body.length > MAX_OCTETS) return { statusCode: 400, reasonPhrase: 'Digit Too Long' }
  return reader(Buffer.from(body).toString('latin1'))
}

/** @param durationMs milliseconds; of `application/dtmf` only the digit is said */
export function writeDtmfInfo(
  type: 'application/dtmf-relay' | 'application/dtmf',
  digit: string,
  durationMs: number,
): string {
  return type === 'application/dtmf'
    ? digit
    : `Signal=${digit}\r\nDuration=${Math.max(1, Math.round(durationMs))}\r\n`
}

function readRelay(body: string): DtmfInfo {
  let signal: string | undefined
  let duration: string | undefined
  for (const line of body.split(/[\r\n;]+/)) {
    const found = /^\s*(signal|duration)\s*[=:]\s*(.*?)\s*$/i.exec(line)
    if (found?.[1]?.toLowerCase() === 'signal') signal ??= found[2]
    else if (found !== null) duration ??= found[2]
  }
  return signal === undefined
    ? { statusCode: 400, reasonPhrase: 'No Signal' }
    : digitOf(signal, /^\d{1,6}$/.test(duration ?? '') ? Number(duration) : undefined)
}

function digitOf(text: string, durationMs: number | undefined): DtmfInfo {
  const wanted = text.trim().toUpperCase()
  const digit = /^[0-9*#A-D!]$/.test(wanted)
    ? wanted
    : Object.hasOwn(names, wanted)
      ? names[wanted]
      : undefined
  if (digit === undefined) return { statusCode: 400, reasonPhrase: 'Not A Digit' }
  const told = durationMs !== undefined && durationMs >= 1 && durationMs <= MAX_MS
  return { digit, durationMs: told ? durationMs : DEFAULT_MS }
}
