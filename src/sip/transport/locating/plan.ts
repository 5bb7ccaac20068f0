import type { NaptrRecord, Random, SrvRecord } from '../../../runtime/runtime.ts'
import type { Target } from '../locate.ts'
import type { Service } from './services.ts'

/** One SRV record, or one name without SRV: every address of it. */
export interface Choice {
  readonly weight: number
  readonly targets: readonly Target[]
}

/** Servers of a domain: groups in the order to try them, and in a group a draw by weight (RFC 2782). */
export interface Plan {
  readonly groups: readonly (readonly Choice[])[]
  /** Seconds, the shortest of all records that went into it. */
  readonly ttlSeconds: number
}

/** Records of a domain beyond this number are not looked at. */
const MAX_RECORDS = 32
/** Nor more targets tried. */
const MAX_TARGETS = 64

/**
 * The NAPTR records to follow: those with a usable service and a replacement that leads to SRV (`s`) or addresses (`a`), of the
 * lowest order that has any, by preference (RFC 3263 §4.1, RFC 3403 §4.1).
 */
export function usableNaptr(
  records: readonly NaptrRecord[],
  usable: readonly Service[],
): readonly { readonly record: NaptrRecord; readonly service: Service }[] {
  const found = records.slice(0, MAX_RECORDS).flatMap(record => {
    const service = usable.find(({ naptr }) => naptr === record.service.toUpperCase())
    const leads = /^[sa]$/i.test(record.flags) && record.replacement !== '' && record.replacement !== '.'
    return service !== undefined && leads ? [{ record, service }] : []
  })
  const order = Math.min(...found.map(({ record }) => record.order))
  return found
    .filter(({ record }) => record.order === order)
    .toSorted((a, b) => a.record.preference - b.record.preference)
}

/** SRV records by priority, each group in the order given; a target of `.` says that the service is not there (RFC 2782). */
export function byPriority(records: readonly SrvRecord[]): readonly (readonly SrvRecord[])[] {
  const groups = new Map<number, SrvRecord[]>()
  for (const record of records.slice(0, MAX_RECORDS)) {
    if (isNotAvailable(record)) continue
    const group = groups.get(record.priority)
    if (group === undefined) groups.set(record.priority, [record])
    else group.push(record)
  }
  return [...groups].toSorted(([a], [b]) => a - b).map(([, group]) => group)
}

/** RFC 2782: the service is decidedly not available at this domain. */
export function isNotAvailable({ host }: SrvRecord): boolean {
  return host === '.' || host === ''
}

/** The draw of RFC 2782: repeatedly one choice, as likely as its weight; weight 0 comes first into the sum, so it has a small chance. */
export function drawByWeight(choices: readonly Choice[], random: Random): readonly Choice[] {
  if (choices.length < 2) return choices
  const left = choices.toSorted((a, b) => (a.weight === 0 ? 0 : 1) - (b.weight === 0 ? 0 : 1))
  const drawn: Choice[] = []
  let sum = left.reduce((total, { weight }) => total + weight, 0)
  while (left.length > 1) {
    const chance = random.uint32() / 2 ** 32
    // Where nobody has a weight, nobody is meant to be preferred.
    const index = sum === 0 ? Math.floor(chance * left.length) : indexAt(left, Math.floor(chance * (sum + 1)))
    const [choice] = left.splice(index, 1)
    if (choice === undefined) break
    drawn.push(choice)
    sum -= choice.weight
  }
  return [...drawn, ...left]
}

function indexAt(choices: readonly Choice[], mark: number): number {
  let running = 0
  return choices.findIndex(({ weight }) => (running += weight) >= mark)
}

/** The targets of a plan in the order of one draw. */
export function targetsOf({ groups }: Plan, random: Random): readonly Target[] {
  const targets: Target[] = []
  for (const group of groups) {
    for (const choice of drawByWeight(group, random)) targets.push(...choice.targets)
  }
  return targets.slice(0, MAX_TARGETS)
}

/** Whether every draw gives the same order. */
export function isSettled({ groups }: Plan): boolean {
  return groups.every(group => group.length < 2)
}
