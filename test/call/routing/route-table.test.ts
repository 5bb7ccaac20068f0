import * as fc from 'fast-check'
import t from 'tap'
import { OptionError } from '../../../src/runtime/errors.ts'
import { matcherOf } from '../../../src/call/routing/pattern.ts'
import { agentKey, compileRoutes } from '../../../src/call/routing/route-table.ts'
import type { CallFacts, Route, RouteMatch } from '../../../src/call/routing/types.ts'

function facts(
  over: Partial<CallFacts> & { readonly headers?: Readonly<Record<string, readonly string[]>> } = {},
): CallFacts {
  const { headers = {}, ...rest } = over
  return {
    dialled: '+442079460018',
    caller: '+15550100',
    uri: 'sip:+442079460018@sbc.example',
    trunk: 'twilio',
    environment: 'production',
    header: name => headers[name.toLowerCase()] ?? [],
    ...rest,
  }
}

const toAgent = (match: RouteMatch, name = 'a'): Route => ({ name, match, to: { agent: name } })

t.test('the first route that fits has the call', async t => {
  const table = compileRoutes([
    toAgent({ dialled: '+4420*', caller: '+1*' }, 'london from america'),
    toAgent({ dialled: ['+4420*', '+4421*'] }, 'london'),
    toAgent({ uri: '/;transport=tls$/' }, 'tls'),
    toAgent({ trunk: ['telnyx', 'plivo'] }, 'trunk'),
    toAgent({ headers: { 'X-Tenant': 'acme', 'X-Tier': '/gold|silver/i' } }, 'header'),
    toAgent({ environment: 'staging' }, 'staging'),
    toAgent({}, 'rest'),
  ])
  const find = (over: Parameters<typeof facts>[0]): string | undefined => table.find(facts(over), 0)?.name
  t.equal(find({}), 'london from america')
  t.equal(find({ caller: '' }), 'london')
  t.equal(find({ dialled: '+442110', caller: '' }), 'london')
  const elsewhere = { dialled: 'sales' }
  t.equal(find({ ...elsewhere, uri: 'sip:sales@x;transport=tls' }), 'tls')
  t.equal(find({ ...elsewhere, trunk: 'plivo' }), 'trunk')
  t.equal(find({ ...elsewhere, trunk: undefined }), 'rest')
  t.equal(find({ ...elsewhere, headers: { 'x-tenant': ['other', 'ACME'], 'x-tier': ['GOLD'] } }), 'header')
  t.equal(find({ ...elsewhere, headers: { 'x-tenant': ['acme'] } }), 'rest', 'both must fit')
  t.equal(find({ ...elsewhere, environment: 'staging' }), 'staging')
  t.equal(compileRoutes([toAgent({ trunk: 'plivo' })]).find(facts(), 0), undefined)
})

t.test('a wildcard fits as text does, whatever else it is made of', async () => {
  const text = fc.string({ maxLength: 40 })
  fc.assert(
    fc.property(text, text, text, (before, middle, after) => {
      const [a, b] = [literal(before), literal(after)]
      const fits = matcherOf(`${a}*${b}`, 'p')
      return (
        fits(a + middle + b) && fits((a + middle + b).toUpperCase()) === fits((a + middle + b).toLowerCase())
      )
    }),
  )
  fc.assert(
    fc.property(text, text, (pattern, other) => {
      const plain = pattern.replaceAll(/[*?/]/g, '.')
      return matcherOf(plain, 'p')(other) === (plain.toLowerCase() === other.toLowerCase())
    }),
  )
})

t.test('patterns: expressions, one character, texts without end', async t => {
  t.equal(matcherOf(/^\+49/g, 'p')('+4930'), true)
  const stateful = matcherOf(/^\+49/gy, 'p')
  t.same([stateful('+4930'), stateful('+4930')], [true, true])
  t.equal(matcherOf('70?', 'p')('701'), true)
  t.equal(matcherOf('70?', 'p')('7011'), false)
  t.equal(matcherOf('*', 'p')('x'.repeat(256)), true)
  t.equal(matcherOf('*', 'p')('x'.repeat(257)), false)
  t.equal(matcherOf('', 'p')(''), true, 'a caller who is withheld')
})

function fieldOf(make: () => unknown): string | undefined {
  try {
    make()
  } catch (error) {
    if (error instanceof OptionError) return error.field
    throw error
  }
  return undefined
}

const at = Date.parse

const literal = (part: string): string => part.replaceAll(/[*?/]/g, '.')
const timeText = (m: number): string =>
  `${String(Math.floor(m / 60)).padStart(2, '0')}:${String(m % 60).padStart(2, '0')}`

t.test(
  'time: by the clock of the place, through the change of the clocks, across midnight, but for holidays',
  async t => {
    const open = compileRoutes([
      toAgent(
        {
          time: {
            zone: 'Europe/London',
            days: 'mon-fri',
            from: '09:00',
            to: '17:30',
            except: ['2026-12-25'],
          },
        },
        'open',
      ),
      toAgent(
        {
          time: [
            { zone: 'America/New_York', days: ['fri', 'sat'], from: '22:00', to: '06:00' },
            { zone: 'UTC', dates: ['2026-07-04'] },
          ],
        },
        'night',
      ),
    ])
    const when = (time: string): string | undefined => open.find(facts(), at(time))?.name
    t.equal(when('2026-11-23T09:00:00Z'), 'open', 'a Monday in winter')
    t.equal(when('2026-11-23T08:59:59Z'), undefined)
    t.equal(when('2026-11-23T17:29:59Z'), 'open')
    t.equal(when('2026-11-23T17:30:00Z'), undefined)
    t.equal(when('2026-07-06T08:00:00Z'), 'open', 'nine in summer')
    t.equal(when('2026-07-06T16:30:00Z'), undefined)
    t.equal(when('2026-12-25T10:00:00Z'), undefined, 'Christmas is a Friday')
    t.equal(when('2026-11-22T12:00:00Z'), undefined, 'Sunday')
    t.equal(when('2026-11-28T03:00:00Z'), 'night', 'Friday 22:00 in New York')
    t.equal(when('2026-11-28T10:59:00Z'), 'night', 'Saturday 05:59, which belongs to Friday')
    t.equal(when('2026-11-28T11:00:00Z'), undefined)
    t.equal(when('2026-11-30T10:00:00Z'), 'open', 'Monday morning')
    t.equal(when('2026-11-30T03:00:00Z'), undefined, 'Sunday night')
    t.equal(when('2026-07-04T23:00:00Z'), 'night')
  },
)

t.test('time: any span and its complement share out the day', async () => {
  const minute = fc.integer({ min: 0, max: 1439 })
  fc.assert(
    fc.property(minute, minute, fc.integer({ min: 0, max: 1e9 }), (from, to, seconds) => {
      fc.pre(from !== to)
      const zone = 'Asia/Kathmandu'
      const span = compileRoutes([toAgent({ time: { zone, from: timeText(from), to: timeText(to) } })])
      const rest = compileRoutes([toAgent({ time: { zone, from: timeText(to), to: timeText(from) } })])
      const now = seconds * 1000
      return (span.find(facts(), now) === undefined) !== (rest.find(facts(), now) === undefined)
    }),
  )
})

t.test('what cannot be is refused, with the field that says so', async t => {
  const known = { agents: ['support', 'sales@staging'], trunks: ['twilio'] }
  const agent = { agent: 'support' } as const
  const rows: readonly (readonly [Route, string])[] = [
    [{ to: { agent: 'nobody' } }, 'routes[0].to.agent'],
    [{ to: { agent: 'sales@production' } }, 'routes[0].to.agent'],
    [{ to: { ...agent, fallback: { number: '+15550100', trunk: 'telnyx' } } }, 'routes[0].to.fallback.trunk'],
    [{ to: { number: '+15550100' } }, 'routes[0].to.trunk'],
    [{ to: { number: 'sip', trunk: [] } }, 'routes[0].to.trunk'],
    [{ to: { number: '<x>', trunk: 'twilio' } }, 'routes[0].to.number'],
    [{ to: { reject: { statusCode: 302 } } }, 'routes[0].to.reject.statusCode'],
    [{ to: { reject: { statusCode: 503, retryAfterSeconds: -1 } } }, 'routes[0].to.reject.retryAfterSeconds'],
    [{ to: { redirect: '+15550100' } }, 'routes[0].to.redirect'],
    [{ to: { queue: { to: agent, maxActive: 0 } } }, 'routes[0].to.queue.maxActive'],
    [{ to: { queue: { to: { reject: { statusCode: 486 } }, maxActive: 1 } } }, 'routes[0].to.queue.to'],
    [
      { to: { queue: { to: agent, maxActive: 1, overflow: { agent: 'x' } } } },
      'routes[0].to.queue.overflow.agent',
    ],
    [{ match: { trunk: 'plivo' }, to: agent }, 'routes[0].match.trunk'],
    [{ match: { dialled: [] }, to: agent }, 'routes[0].match.dialled'],
    [{ match: { dialled: ['1', '/(/'] }, to: agent }, 'routes[0].match.dialled[1]'],
    [{ match: { headers: { 'X-A': '/[/' } }, to: agent }, 'routes[0].match.headers.X-A'],
    [{ match: { time: { zone: 'Mars/Olympus' } }, to: agent }, 'routes[0].match.time.zone'],
    [{ match: { time: { zone: 'UTC', days: 'mon-foo' } }, to: agent }, 'routes[0].match.time.days'],
    [{ match: { time: { zone: 'UTC', from: '9:00' } }, to: agent }, 'routes[0].match.time.from'],
    [{ match: { time: { zone: 'UTC', to: '24:30' } }, to: agent }, 'routes[0].match.time.to'],
    [{ match: { time: { zone: 'UTC', from: '09:00', to: '09:00' } }, to: agent }, 'routes[0].match.time.to'],
    [
      { match: { time: [{ zone: 'UTC' }, { zone: 'UTC', dates: ['2026-02-30'] }] }, to: agent },
      'routes[0].match.time[1].dates[0]',
    ],
    [{ match: { time: [] }, to: agent }, 'routes[0].match.time'],
    [{ to: {} as never }, 'routes[0].to'],
    [{ to: { agent: 'support', reject: { statusCode: 486 } } }, 'routes[0].to'],
  ]
  for (const [route, field] of rows) {
    t.equal(
      fieldOf(() => compileRoutes([route], known)),
      field,
    )
  }
  t.equal(
    fieldOf(() => compileRoutes([{ to: agent }, { to: agent }])),
    'routes[1]',
    'no call gets there',
  )
  const everybody = { match: { dialled: ['1', '*'] }, to: agent }
  t.equal(
    fieldOf(() => compileRoutes([everybody, { to: agent }])),
    'routes[1]',
  )
  const twice = [toAgent({ caller: '1' }), toAgent({ caller: '2' })]
  t.equal(
    fieldOf(() => compileRoutes(twice)),
    'routes[1].name',
  )
})

t.test(
  'an agent of the environment comes before the one for all; one that names its environment is that',
  async t => {
    const agents = ['support', 'support@staging', 'sales@staging']
    t.equal(agentKey('support', 'production', agents), 'support')
    t.equal(agentKey('support', 'staging', agents), 'support@staging')
    t.equal(agentKey('support@staging', 'production', agents), 'support@staging')
    t.equal(agentKey('support@test', 'production', agents), undefined)
    t.equal(agentKey('sales', 'production', agents), undefined)
  },
)
