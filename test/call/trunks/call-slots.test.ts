import * as fc from 'fast-check'
import t from 'tap'
import { Endpoint } from '../../../src/call/endpoint.ts'
import { admitTrunk } from '../../../src/call/trunks/admit.ts'
import { CallSlots, maxCallsRule } from '../../../src/call/trunks/call-slots.ts'
import { createTrunk, trunkOf } from '../../../src/call/trunks/carrier-trunk.ts'
import { trunks } from '../../../src/call/trunks/options.ts'
import { createTrunkGroup } from '../../../src/call/trunks/trunk-group.ts'
import { createLab } from '../../../src/testing/lab.ts'
import { contactOf } from './contact.ts'
import { endpointOn, ourAddress, scene } from './scene.ts'
import { CarrierStandIn, password, username } from './stand-in.ts'
import { standIns } from './stand-ins.ts'

const generic = standIns.find(({ carrier }) => carrier === 'generic')!
const settings = { sources: ['10.1.0.0/24'], maxCalls: 2 }

t.test('one call more than a trunk takes is not dialled; a line is free again when a call ends', async t => {
  await scene(
    generic,
    async ({ us, carrier, options, lab }) => {
      const trunk = createTrunk(us, options)
      const [first] = await Promise.all([trunk.call('100'), trunk.call('101')])
      await t.rejects(trunk.call('102'), {
        name: 'TrunkCallError',
        code: 'SIP_LIMIT',
        message: /trunk generic has 2 calls already \(maxCalls\)/,
      })
      t.equal(carrier.calls.length, 2, 'nothing was sent')
      t.match(trunk.stats().calls, { outbound: 2, inbound: 0, most: 2, refusedOutbound: 1 })
      await first.hangup()
      await (await trunk.call('103')).hangup()
      t.equal(trunk.stats().calls.outbound, 1)
      // Nobody was reached: that line is free, too.
      await t.rejects(trunk.call('1050486'), { code: 'SIP_RESPONSE', message: /486/ })
      await lab.clock.sleep(0)
      t.equal(trunk.stats().calls.outbound, 1)
      await trunk.close()
    },
    { settings },
  )
})

t.test('a call that still rings takes a line; who gives up gives it back', async t => {
  const lab = createLab({ network: { delayMs: 10 } })
  const far = new Endpoint(endpointOn(lab, '10.1.0.1', 'pbx.example'))
  const us = new Endpoint(endpointOn(lab, ourAddress, 'us.example'))
  await Promise.all([far.open(), us.open()])
  void far.serve(async call => {
    call.ring()
    await call.ended
  })
  await lab.run(async () => {
    const trunk = createTrunk(us, trunks.generic({ hosts: ['pbx.example'], health: false, maxCalls: 1 }))
    const stop = new AbortController()
    const ringing = trunk.call('100', { signal: stop.signal })
    const refused = t.rejects(ringing)
    await lab.clock.sleep(100)
    await t.rejects(trunk.call('101'), { code: 'SIP_LIMIT' })
    stop.abort()
    await refused
    t.match(trunk.stats().calls, { outbound: 0, refusedOutbound: 1 })
    await trunk.close()
    await Promise.all([us.close(), far.close()])
  })
})

t.test('a group passes over a trunk that is full', async t => {
  const lab = createLab({ network: { delayMs: 10 } })
  const us = new Endpoint(endpointOn(lab, ourAddress, 'us.example'))
  await us.open()
  const carriers = await Promise.all(
    ['one', 'two'].map((name, index) =>
      CarrierStandIn.open({
        data: generic,
        host: `${name}.example`,
        ourAddress,
        endpoint: endpointOn(lab, `10.1.0.${index + 1}`, `${name}.example`),
      }),
    ),
  )
  await lab.run(async () => {
    const both = ['one', 'two'].map(name =>
      createTrunk(us, trunks.generic({ name, hosts: [`${name}.example`], health: false, maxCalls: 1 })),
    )
    const group = createTrunkGroup(both)
    const calls = [await group.call('100'), await group.call('101')]
    t.same(
      calls.map(call => trunkOf(call)),
      ['one', 'two'],
    )
    await t.rejects(group.call('102'), {
      code: 'SIP_LIMIT',
      left: [
        { trunk: 'one', reason: /maxCalls/ },
        { trunk: 'two', reason: /maxCalls/ },
      ],
    })
    await Promise.all(both.map(trunk => trunk.close()))
    await Promise.all([us, ...carriers.map(({ endpoint }) => endpoint)].map(endpoint => endpoint.close()))
  })
})

t.test(
  'calls both ways count together; one more from the carrier is refused before the handler runs',
  async t => {
    for (const { maxCalls, statusCode, retryAfter } of [
      { maxCalls: 2, statusCode: 503, retryAfter: '10' },
      {
        maxCalls: { limit: 2, statusCode: 486, retryAfterSeconds: 0 },
        statusCode: 486,
        retryAfter: undefined,
      },
    ])
      await scene(
        generic,
        async ({ us, carrier, options, lab }) => {
          const trunk = createTrunk(us, options)
          let served = 0
          void us.serve(async call => {
            served += 1
            await call.answer()
            await call.ended
          })
          const target = 'sip:100@us.example'
          const out = await trunk.call('100')
          const incoming = await carrier.endpoint.call(target)
          t.match(trunk.stats().calls, { inbound: 1, outbound: 1 })
          const refusal = await carrier.endpoint.call(target).catch((error: unknown) => error)
          t.match(refusal, { code: 'SIP_RESPONSE', statusCode })
          const { response } = refusal as { response: { headers: { get(name: string): string | undefined } } }
          t.equal(response.headers.get('Retry-After'), retryAfter)
          t.equal(served, 1)
          t.match(trunk.stats().calls, { inbound: 1, refusedInbound: 1 })
          await t.rejects(trunk.call('101'), { code: 'SIP_LIMIT' })
          await out.hangup()
          const again = await carrier.endpoint.call(target)
          t.match(trunk.stats().calls, { inbound: 2, outbound: 0 })
          await Promise.all([incoming.hangup(), again.hangup()])
          await lab.clock.sleep(100)
          t.match(trunk.stats().calls, { inbound: 0, outbound: 0, most: 2 })
          t.equal(us.stats().calls, 0)
          // Closed, it refuses nobody.
          await trunk.close()
          for (let count = 0; count < 3; count += 1) await carrier.endpoint.call(target)
          t.equal(served, 5)
        },
        { settings: { ...settings, maxCalls }, us: options => ({ admission: admitTrunk(options) }) },
      )
  },
)

t.test('calls of somebody else take no line of the trunk', async t => {
  await scene(
    generic,
    async ({ us, carrier, options }) => {
      const trunk = createTrunk(us, options)
      void us.serve(async call => {
        await call.answer()
        await call.ended
      })
      for (let count = 0; count < 3; count += 1) await carrier.endpoint.call('sip:100@us.example')
      t.match(trunk.stats().calls, { inbound: 0, refusedInbound: 0 })
      await trunk.close()
    },
    { settings },
  )
})

t.test('what is no limit is said by the name of its field', async t => {
  for (const [value, message] of [
    [0, /^maxCalls\.limit: 0 is no number of calls/],
    [1.5, /^maxCalls\.limit/],
    [{ limit: 3, statusCode: 200 }, /^maxCalls\.statusCode: 200 refuses no call/],
    [{ limit: 3, retryAfterSeconds: -1 }, /^maxCalls\.retryAfterSeconds/],
  ] as const)
    t.throws(() => trunks.generic({ hosts: ['pbx.example'], maxCalls: value }), { message })
})

t.test(
  'however lines are taken and given back, there are never more than the limit, and never less than none',
  async () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.oneof(fc.constantFrom('inbound' as const, 'outbound' as const), fc.nat({ max: 6 }))),
        (limit, steps) => {
          const slots = new CallSlots(maxCallsRule(limit), 'one')
          const taken: (() => void)[] = []
          const open = new Set<() => void>()
          for (const step of steps) {
            if (typeof step === 'number') {
              const giveBack = taken[step]
              giveBack?.()
              if (giveBack !== undefined) open.delete(giveBack)
            } else {
              const free = open.size < limit
              const giveBack = slots.take(step)
              if ((giveBack !== undefined) !== free) return false
              if (giveBack === undefined) continue
              taken.push(giveBack)
              open.add(giveBack)
            }
            const { inbound, outbound, most } = slots.stats()
            if (inbound + outbound !== open.size || most > limit || inbound < 0 || outbound < 0) return false
          }
          return true
        },
      ),
    )
  },
)

t.test('a trunk registers at each of its edges, and calls by the one that is registered', async t => {
  const lab = createLab({ network: { delayMs: 10 } })
  const contacts: (string | undefined)[] = [undefined, undefined]
  const far = await Promise.all(
    contacts.map(async (_, index) => {
      const endpoint = new Endpoint({
        ...endpointOn(lab, `10.1.0.${index + 1}`, `pbx${index}.example`),
        requests: {
          REGISTER: ({ request }) => {
            const isGone =
              request.headers.get('Expires') === '0' || /expires=0/.test(request.headers.get('Contact') ?? '')
            contacts[index] = isGone ? undefined : contactOf(request)
            return {
              statusCode: 200,
              headers: isGone ? [] : [['Contact', `<${contacts[index] ?? ''}>;expires=600`]],
            }
          },
        },
      })
      await endpoint.open()
      return endpoint
    }),
  )
  const us = new Endpoint(endpointOn(lab, ourAddress, 'us.example'))
  await us.open()
  let rang = 0
  void us.serve(async call => {
    rang += 1
    await call.answer()
    await call.ended
  })
  await lab.run(async () => {
    const trunk = createTrunk(
      us,
      trunks.generic({
        hosts: ['pbx0.example', 'pbx1.example'],
        auth: 'register',
        credentials: { username, password },
        health: false,
      }),
    )
    t.equal(trunk.registrations.length, 2)
    t.equal(trunk.registration, trunk.registrations[0])
    await Promise.all(trunk.registrations.map(({ ready }) => ready))
    t.match(trunk.stats().edges, [{ state: 'up' }, { state: 'up' }])
    for (const [index, endpoint] of far.entries()) {
      t.match(contacts[index], /^sip:acme@10\.2\.0\.1/)
      await (await endpoint.call(contacts[index]!)).hangup()
    }
    t.equal(rang, 2, 'calls come by either')
    await trunk.close()
    t.same(contacts, [undefined, undefined], 'taken away at each')
    await Promise.all([us, ...far].map(endpoint => endpoint.close()))
  })
})
