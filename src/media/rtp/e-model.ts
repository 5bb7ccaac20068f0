/** Quality from loss, its burstiness and delay, by the E-model (ITU-T G.107). docs/statistics.md has the formulas. */

export interface EModelInput {
  /** As SDP names it. */
  readonly codec: string
  /** Packets that could not be played, of those sent; 0 to 1. */
  readonly lossRatio: number
  /** Mean run of packets missing in a row, over what it would be were each lost on its own; 1 (default) for random loss. */
  readonly burstRatio?: number
  /** From mouth to ear, ms. */
  readonly delayMs: number
}

export interface Quality {
  /** Transmission rating, 0 to 93.2. */
  readonly rFactor: number
  /** Of a conversation, 1 to 4.5. */
  readonly mos: number
  /** Of listening alone: without the delay. */
  readonly mosListening: number
}

interface Impairment {
  /** Equipment impairment factor, Ie. */
  readonly ie: number
  /** Packet loss robustness factor, Bpl. */
  readonly bpl: number
}

/** R0 - Is with the default values of G.107 §7.7: a line without loss and delay. */
const BASE = 93.2

const concealed: Impairment = { ie: 0, bpl: 25.1 }

/** G.113 Appendix I where it has the codec; docs/statistics.md says which values are assumed. */
const impairments: ReadonlyMap<string, Impairment> = new Map([
  ['pcmu', concealed],
  ['pcma', concealed],
  ['l16', concealed],
  ['g722', concealed],
  ['opus', concealed],
  ['g729', { ie: 11, bpl: 19 }],
  ['g723', { ie: 15, bpl: 16.1 }],
  ['gsm-efr', { ie: 5, bpl: 10 }],
])

export function estimateQuality(input: EModelInput): Quality {
  const impairment = effectiveImpairment(input)
  const listening = BASE - impairment
  const rFactor = Math.max(0, listening - delayImpairment(input.delayMs))
  return { rFactor, mos: mosOf(rFactor), mosListening: mosOf(listening) }
}

/** The MOS of a rating (G.107 Annex B). */
export function mosOf(rFactor: number): number {
  if (rFactor <= 0) return 1
  if (rFactor >= 100) return 4.5
  return Math.max(1, 1 + 0.035 * rFactor + rFactor * (rFactor - 60) * (100 - rFactor) * 7e-6)
}

/** Idd, the delay alone (G.107 §7.4); echo is taken to be cancelled. */
export function delayImpairment(delayMs: number): number {
  if (delayMs <= 100) return 0
  const x = Math.log2(delayMs / 100)
  return 25 * ((1 + x ** 6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2)
}

/** Ie,eff: the codec under packet loss (G.107 §7.5). */
function effectiveImpairment({ codec, lossRatio, burstRatio = 1 }: EModelInput): number {
  const { ie, bpl } = impairments.get(codec.toLowerCase()) ?? concealed
  const percent = Math.min(1, Math.max(0, lossRatio)) * 100
  if (percent === 0) return ie
  return ie + ((95 - ie) * percent) / (percent / Math.max(1, burstRatio) + bpl)
}

/** BurstR (G.107 §3.6): mean run of missing packets over the mean that random loss of that ratio would have. */
export function burstRatioOf(missing: number, runs: number, packets: number): number {
  if (runs === 0 || packets <= missing) return 1
  return Math.max(1, (missing / runs) * (1 - missing / packets))
}
