import { OptionError } from '../../runtime/errors.ts'

/** What happens to a datagram between two hosts. What is left out falls back to the less specific setting. */
export interface NetworkConditions {
  /** One-way delay, milliseconds. Default 0. */
  readonly delayMs?: number
  /** Added to the delay: uniform between 0 and this. Alone it does not reorder: a late datagram holds up the next. Default 0. */
  readonly jitterMs?: number
  /** Probability that a datagram is lost, 0 … 1. On TCP a lost segment arrives late instead. Default 0. */
  readonly loss?: number
  /** Losses that come in bursts (the Gilbert-Elliott model), beside `loss`. */
  readonly burstLoss?: BurstLoss
  /** Probability that a datagram is held back, so that later ones overtake it, 0 … 1. Default 0. */
  readonly reorder?: number
  /** How long such a datagram is held back: uniform between 0 and this, milliseconds. Default 40. */
  readonly reorderMs?: number
  /** Probability that a datagram arrives twice, 0 … 1. Default 0. */
  readonly duplicate?: number
  /** Bits per second from one address to another, IP and UDP headers included. Default: no limit. */
  readonly bitsPerSecond?: number
  /** How long a datagram may wait for `bitsPerSecond` before it is dropped, milliseconds. Default 200. */
  readonly queueMs?: number
}

export interface BurstLoss {
  /** Probability, for each datagram, that a burst begins. */
  readonly enter: number
  /** Probability, for each datagram, that the burst ends: its mean length is 1 / `leave`. */
  readonly leave: number
  /** Loss within a burst. Default 1. */
  readonly loss?: number
}

/** Which datagrams conditions are for: those `from` an address, `to` an address, both, or all. */
export interface ConditionsScope {
  /** Address of the sending host; for one behind a NAT its own or that of the NAT. */
  readonly from?: string
  /** The address that the sender sends to; for a host behind a NAT that of the NAT. */
  readonly to?: string
}

/** All of `NetworkConditions`, decided. */
export type SettledConditions = Required<Omit<NetworkConditions, 'burstLoss'>> & {
  readonly burstLoss: Required<BurstLoss> | undefined
}

export const PERFECT: SettledConditions = {
  delayMs: 0,
  jitterMs: 0,
  loss: 0,
  burstLoss: undefined,
  reorder: 0,
  reorderMs: 40,
  duplicate: 0,
  bitsPerSecond: Infinity,
  queueMs: 200,
}

const PROBABILITIES = ['loss', 'reorder', 'duplicate'] as const
const TIMES = ['delayMs', 'jitterMs', 'reorderMs', 'queueMs'] as const

/** @throws {OptionError} a field is out of range */
export function checkConditions(conditions: NetworkConditions): void {
  for (const field of PROBABILITIES) checkProbability(field, conditions[field])
  checkProbability('burstLoss.enter', conditions.burstLoss?.enter)
  checkProbability('burstLoss.leave', conditions.burstLoss?.leave)
  checkProbability('burstLoss.loss', conditions.burstLoss?.loss)
  for (const field of TIMES) {
    const value = conditions[field]
    if (value !== undefined && !(value >= 0 && value < Infinity)) {
      throw new OptionError(field, `${value} is not a time: give milliseconds, 0 or more`)
    }
  }
  const rate = conditions.bitsPerSecond
  if (rate !== undefined && !(rate > 0)) {
    throw new OptionError('bitsPerSecond', `${rate} is not a rate: give bits per second, more than 0`)
  }
}

function checkProbability(field: string, value: number | undefined): void {
  if (value !== undefined && !(value >= 0 && value <= 1)) {
    throw new OptionError(field, `${value} is not a probability: give 0 … 1 (0.05 is 5 %)`)
  }
}

/** Layers from the least to the most specific; a later one wins, field by field. */
export function settleConditions(layers: Iterable<NetworkConditions | undefined>): SettledConditions {
  const merged: NetworkConditions = Object.assign({}, ...layers)
  const burst = merged.burstLoss
  return {
    ...PERFECT,
    ...merged,
    burstLoss:
      burst === undefined ? undefined : { enter: burst.enter, leave: burst.leave, loss: burst.loss ?? 1 },
  }
}
