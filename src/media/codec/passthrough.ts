import { OptionError } from '../../runtime/errors.ts'
import type { AudioCodec, Decoder, Encoder } from './codec.ts'

interface Row {
  readonly name: string
  readonly clockRate: number
  /** RFC 3551 table 4. */
  readonly payloadType?: number
  /** Milliseconds of audio in a payload of so many octets, as far as its length tells: the jitter buffer counts in them. */
  durationMs(octets: number): number
}

const twenty = (octets: number): number => (octets > 0 ? 20 : 0)

/** What calls may agree on and a bridge may carry although nobody here can decode it. */
const rows: readonly Row[] = [
  // RFC 3551 §4.5.6: frames of 10 ms in 10 octets, a comfort noise frame of 2 at the end.
  { name: 'G729', clockRate: 8000, payloadType: 18, durationMs: octets => Math.ceil(octets / 10) * 10 },
  // RFC 3551 §4.5.3: frames of 30 ms in 24 or 20 octets, 4 for silence.
  { name: 'G723', clockRate: 8000, payloadType: 4, durationMs: octets => Math.ceil(octets / 24) * 30 },
  // RFC 3551 §4.5.8: 20 ms in 33 octets.
  { name: 'GSM', clockRate: 8000, payloadType: 3, durationMs: octets => Math.ceil(octets / 33) * 20 },
  // RFC 3551 §4.5.5: 2.5 ms in 5 octets.
  { name: 'G728', clockRate: 8000, payloadType: 15, durationMs: octets => Math.ceil(octets / 5) * 2.5 },
  // RFC 3551 §4.5.4: 4 bits a sample.
  { name: 'G726-32', clockRate: 8000, durationMs: octets => octets / 4 },
  // RFC 3952 §3: 20 ms in 38 octets or 30 ms in 50.
  {
    name: 'iLBC',
    clockRate: 8000,
    durationMs: octets => (octets % 38 === 0 ? octets / 38 : octets / 33.4) * 20,
  },
  // RFC 4867: frames of 20 ms, mostly one a packet.
  { name: 'AMR', clockRate: 8000, durationMs: twenty },
  { name: 'AMR-WB', clockRate: 16_000, durationMs: twenty },
  // 3GPP TS 26.445 annex A.
  { name: 'EVS', clockRate: 16_000, durationMs: twenty },
]

/** Marks a name among `codecs` as one whose payloads are only ever passed on. */
export const PASSTHROUGH_PREFIX = 'passthrough:'

/** The codecs there are for `passthrough:`. */
export const passthroughNames: readonly string[] = rows.map(row => row.name)

/**
 * The codec that `passthrough:G729` names, or `passthrough:AMR;octet-align=1` with the parameters to offer it with; the name in any case.
 * `undefined` when the name is not marked so.
 * @throws {OptionError} naming the codecs there are
 */
export function passthroughCodec(marked: string): AudioCodec | undefined {
  if (!marked.toLowerCase().startsWith(PASSTHROUGH_PREFIX)) return undefined
  const text = marked.slice(PASSTHROUGH_PREFIX.length)
  const end = text.indexOf(';')
  const name = (end < 0 ? text : text.slice(0, end)).trim()
  const fmtp = end < 0 ? '' : text.slice(end + 1).trim()
  const row = rowOf(name)
  if (row === undefined) {
    throw new OptionError('codecs', `"${marked}": no such codec; there are ${passthroughNames.join(', ')}`)
  }
  if (/[\r\n]/.test(fmtp))
    throw new OptionError('codecs', `"${row.name}" has parameters of more than one line`)
  return codecOf(row, fmtp)
}

/** Whether a codec of that name and clock rate can be passed on. */
export function canPassThrough(name: string, clockRate: number): boolean {
  return rowOf(name)?.clockRate === clockRate
}

function rowOf(name: string): Row | undefined {
  const wanted = name.toLowerCase()
  return rows.find(row => row.name.toLowerCase() === wanted)
}

function codecOf(row: Row, fmtp: string): AudioCodec {
  const { name, clockRate, payloadType } = row
  const samplesIn = (octets: number): number => Math.round((row.durationMs(octets) * clockRate) / 1000)
  return {
    name,
    clockRate,
    sampleRate: clockRate,
    channels: 1,
    passthrough: true,
    ...(payloadType !== undefined && { payloadType }),
    ...(fmtp !== '' && { fmtp }),
    maxPayloadBytes: () => 1,
    maxSamples: samplesIn,
    samplesIn: payload => samplesIn(payload.length),
    encoder: () => mute,
    decoder: () => silence,
  }
}

/** Nothing is ever sent. */
const mute: Encoder = { encode: () => 0 }

/** Silence as long as what came, so that time goes on. */
const silence: Decoder = {
  decode: (_payload, out) => {
    out.fill(0)
    return out.length
  },
}
