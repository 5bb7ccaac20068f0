import { array, assert, integer, property } from 'fast-check'
import t from 'tap'
import type { NaptrRecord, SrvRecord } from '../../../../src/runtime/runtime.ts'
import {
  byPriority,
  drawByWeight,
  isSettled,
  targetsOf,
  usableNaptr,
} from '../../../../src/sip/transport/locating/plan.ts'
import type { Choice } from '../../../../src/sip/transport/locating/plan.ts'
import { services } from '../../../../src/sip/transport/locating/services.ts'
import { seededRandom } from '../../../../src/testing/seeded-random.ts'

function naptr(order: number, preference: number, service: string, flags = 's'): NaptrRecord {
  return { order, preference, flags, service, replacement: `${service}.example.com`, ttlSeconds: 60 }
}

function srv(host: string, priority: number, weight: number): SrvRecord {
  return { host, port: 5060, priority, weight, ttlSeconds: 60 }
}

function choice(name: string, weight: number): Choice {
  const target = { transport: 'udp', address: name, family: 4, port: 5060, host: name } as const
  return { weight, targets: [target] }
}

function only(...transports: string[]): typeof services {
  return services.filter(({ transport }) => transports.includes(transport))
}

function compare(a: string, b: string): number {
  return a < b ? -1 : 1
}

const first = (choices: readonly Choice[]): string => choices[0]?.targets[0]?.address ?? ''

t.test(
  'NAPTR: usable services of the lowest order, by preference (RFC 3263 §4.1, RFC 3403 §4.1)',
  async t => {
    // The example of RFC 3263 §4.1.
    const records = [
      naptr(50, 50, 'SIPS+D2T'),
      naptr(90, 50, 'SIP+D2T'),
      naptr(100, 50, 'SIP+D2U'),
      naptr(100, 40, 'sip+d2t'),
    ]
    const chosen = (use: typeof services, from = records): string[] =>
      usableNaptr(from, use).map(({ record }) => `${record.order} ${record.preference} ${record.service}`)
    t.same(chosen(only('udp', 'tcp', 'tls')), ['50 50 SIPS+D2T'])
    t.same(chosen(only('udp', 'tcp')), ['90 50 SIP+D2T'])
    t.same(chosen(only('udp')), ['100 50 SIP+D2U'])
    t.same(chosen(only('udp', 'tcp'), records.slice(2)), ['100 40 sip+d2t', '100 50 SIP+D2U'])
    t.same(chosen([]), [])
    t.same(chosen(only('udp'), [naptr(1, 1, 'E2U+sip', 'u'), naptr(1, 1, 'SIP+D2U', 'u')]), [], 'other flags')
    t.same(chosen(only('udp'), [naptr(1, 1, 'SIP+D2U', 'A')]), ['1 1 SIP+D2U'])
  },
)

t.test('SRV: by priority; a target of "." is no server (RFC 2782)', async t => {
  const groups = byPriority([srv('c', 20, 0), srv('a', 10, 5), srv('.', 5, 0), srv('b', 10, 1)])
  t.same(
    groups.map(group => group.map(({ host }) => host)),
    [['a', 'b'], ['c']],
  )
  t.same(byPriority([srv('.', 0, 0)]), [])
})

t.test('SRV: servers of one priority are drawn in the proportion of their weights (RFC 2782)', async t => {
  const random = seededRandom(7)
  const counts: Record<string, number> = {}
  const group = [choice('heavy', 60), choice('light', 20), choice('middle', 20), choice('zero', 0)]
  for (let i = 0; i < 5_000; i++) {
    const name = first(drawByWeight(group, random))
    counts[name] = (counts[name] ?? 0) + 1
  }
  t.ok(Math.abs((counts['heavy'] ?? 0) - 3_000) < 200, JSON.stringify(counts))
  t.ok(Math.abs((counts['light'] ?? 0) - 1_000) < 150)
  t.ok((counts['zero'] ?? 0) > 0 && (counts['zero'] ?? 0) < 150, 'weight 0 has a small chance')
})

t.test('SRV: without weights every server comes first as often as the others', async t => {
  const random = seededRandom(8)
  const counts: Record<string, number> = {}
  for (let i = 0; i < 3_000; i++) {
    const name = first(drawByWeight([choice('a', 0), choice('b', 0), choice('c', 0)], random))
    counts[name] = (counts[name] ?? 0) + 1
  }
  for (const name of ['a', 'b', 'c'])
    t.ok(Math.abs((counts[name] ?? 0) - 1_000) < 150, JSON.stringify(counts))
})

t.test('a draw loses nothing and keeps priorities apart', async () => {
  const weights = array(integer({ min: 0, max: 65_535 }), { maxLength: 8 })
  assert(
    property(array(weights, { maxLength: 4 }), integer(), (groups, seed) => {
      const plan = {
        ttlSeconds: 60,
        groups: groups.map((group, priority) => group.map((weight, i) => choice(`${priority}-${i}`, weight))),
      }
      const order = targetsOf(plan, seededRandom(seed)).map(({ address }) => address)
      const all = plan.groups.flat().map(({ targets }) => targets[0]?.address ?? '')
      const priorities = order.map(name => Number(name.split('-', 1)[0]))
      return (
        order.toSorted(compare).join() === all.toSorted(compare).join() &&
        priorities.every((priority, i) => i === 0 || priority >= (priorities[i - 1] ?? 0)) &&
        (!isSettled(plan) || order.join() === all.join())
      )
    }),
  )
})
