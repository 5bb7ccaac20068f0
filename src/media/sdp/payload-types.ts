import type { PayloadFormat } from './description.ts'

type StaticFormat = readonly [name: string, clockRate: number, channels: number]

/** RFC 3551 tables 4 and 5: payload types that need no `rtpmap`. */
const staticFormats: Readonly<Record<number, StaticFormat>> = {
  0: ['PCMU', 8000, 1],
  3: ['GSM', 8000, 1],
  4: ['G723', 8000, 1],
  5: ['DVI4', 8000, 1],
  6: ['DVI4', 16_000, 1],
  7: ['LPC', 8000, 1],
  8: ['PCMA', 8000, 1],
  9: ['G722', 8000, 1],
  10: ['L16', 44_100, 2],
  11: ['L16', 44_100, 1],
  12: ['QCELP', 8000, 1],
  13: ['CN', 8000, 1],
  14: ['MPA', 90_000, 1],
  15: ['G728', 8000, 1],
  16: ['DVI4', 11_025, 1],
  17: ['DVI4', 22_050, 1],
  18: ['G729', 8000, 1],
  25: ['CelB', 90_000, 1],
  26: ['JPEG', 90_000, 1],
  28: ['nv', 90_000, 1],
  31: ['H261', 90_000, 1],
  32: ['MPV', 90_000, 1],
  33: ['MP2T', 90_000, 1],
  34: ['H263', 90_000, 1],
}

export function staticFormat(payloadType: number): PayloadFormat | undefined {
  const found = staticFormats[payloadType]
  return found && { payloadType, name: found[0], clockRate: found[1], channels: found[2] }
}

/** The static payload type of an encoding, or `undefined` when it has only dynamic ones. */
export function staticPayloadType(name: string, clockRate: number, channels: number): number | undefined {
  const wanted = name.toLowerCase()
  for (const [payloadType, format] of Object.entries(staticFormats))
    if (format[0].toLowerCase() === wanted && format[1] === clockRate && format[2] === channels)
      return Number(payloadType)
  return undefined
}

/** Numbers to hand out for codecs without a static one: RFC 3551's range, then the one RFC 5761 §4 leaves over. */
export const dynamicPayloadTypes: readonly number[] = [
  ...Array.from({ length: 32 }, (_, i) => 96 + i),
  ...Array.from({ length: 29 }, (_, i) => 35 + i),
]
