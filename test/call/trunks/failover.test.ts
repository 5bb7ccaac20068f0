import * as fc from 'fast-check'
import t from 'tap'
import type { CarrierTrunk } from '../../../src/call/trunks/carrier-trunk.ts'
import { createTrunk } from '../../../src/call/trunks/carrier-trunk.ts'
import { TrunkCallError } from '../../../src/call/trunks/failures.ts'
import { trunks } from '../../../src/call/trunks/options.ts'
import type { FailoverSettings, TrunkSettings } from '../../../src/call/trunks/options.ts'
import { createTrunkGroup } from '../../../src/call/trunks/trunk-group.ts'
import { createLab } from '../../../src/testing/lab.ts'
import type { Lab } from '../../../src/testing/lab.ts'
import { RawPhone } from '../raw-phone.ts'

/** What an edge does with each INVITE. */
interface Behaviour {
  readonly provisionals: readonly number[]
  /** Undefined: nothing more comes. 200 answers. */
  readonly final: number | undefined
  readonly afterMs: number
}

const silent: Behaviour = { provisionals: [], final: undefined, afterMs: 0 }
const answers: Behaviour = { provisionals: [100, 180], final: 200, afterMs: 500 }
const refuses = (final: number, provisionals: readonly number[] = []): Behaviour => ({
  provisionals,
  final,
  afterMs: 50,
})

interface Dialled {
  readonly edge: number
  readonly at: number
}

interface Happened {
  readonly dialled: readonly Dialled[]
  /** When any of them said something before its final answer. */
  readonly signs: readonly number[]
  readonly phones: readonly RawPhone[]
  /** Edges whose 200 went out. */
  readonly answered: ReadonlySet<number>
}

function sdpOf(address: string): string {
  return `v=0\r\no=- 1 1 IN IP4 ${address}\r\ns=-\r\nc=IN IP4 ${address}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n`
}

/** Carriers of two edges each, on numeric addresses, and what happened at them. */
async function world(
  behaviours: readonly Behaviour[],
  script: (trunks: readonly CarrierTrunk[], lab: Lab) => Promise<void>,
  failover: FailoverSettings = {},
  settings: TrunkSettings = {},
): Promise<Happened> {
  const lab = createLab({ network: { delayMs: 5 } })
  const dialled: Dialled[] = []
  const signs: number[] = []
  const phones: RawPhone[] = []
  const answered = new Set<number>()
  for (const [edge, { provisionals, final, afterMs }] of behaviours.entries()) {
    const phone = await RawPhone.in(lab, `10.9.0.${edge + 1}`)
    phones.push(phone)
    const seen = new Set<string>()
    const ended = new Set<string>()
    phone.onRequest = request => {
      if (request.method === 'CANCEL') {
        phone.respond(request, 200)
        const invite = phone.ofMethod('INVITE').find(({ callId }) => callId === request.callId)
        if (invite !== undefined && !ended.has(request.callId)) phone.respond(invite, 487)
        ended.add(request.callId)
        return true
      }
      if (request.method !== 'INVITE') return false
      if (seen.has(request.callId)) return true
      seen.add(request.callId)
      dialled.push({ edge, at: lab.clock.now() })
      for (const status of provisionals) {
        phone.respond(request, status)
        signs.push(lab.clock.now())
      }
      if (final === undefined) return true
      lab.clock.setTimer(lab.clock.now() + afterMs, () => {
        if (ended.has(request.callId)) return
        ended.add(request.callId)
        if (final === 200) answered.add(edge)
        phone.respond(request, final, [], final === 200 ? sdpOf(phone.address) : undefined)
      })
      return true
    }
  }
  const us = await lab.endpoint('us.lab', { rtp: { timeoutMs: 0 } })
  const hosts = behaviours.map((_, edge) => `10.9.0.${edge + 1}`)
  const lines: CarrierTrunk[] = []
  for (let first = 0; first < hosts.length; first += 2)
    lines.push(
      createTrunk(
        us,
        trunks.generic({
          name: `t${first / 2}`,
          hosts: hosts.slice(first, first + 2),
          health: false,
          failover,
          ...settings,
        }),
      ),
    )
  await lab.run(async () => {
    await script(lines, lab)
    for (const line of lines) await line.close()
  })
  return { dialled, signs, phones, answered }
}

t.test('an edge that gives no sign of life is left for the next, and is tried last from then on', async t => {
  const { dialled } = await world([silent, answers], async ([trunk]) => {
    for (const state of ['degraded', 'degraded', 'degraded'] as const) {
      await (await trunk!.call('100')).hangup()
      t.equal(trunk!.state, state)
    }
    t.equal(trunk!.stats().edges[0]!.state, 'down')
    await (await trunk!.call('100')).hangup()
  })
  t.same(
    dialled.map(({ edge }) => edge),
    [0, 1, 0, 1, 0, 1, 1],
  )
})

t.test('503 goes to the next; after a 100 only where the trunk says so; after 180 never', async t => {
  const rows: readonly (readonly [Behaviour, FailoverSettings, readonly number[]])[] = [
    [refuses(503), {}, [0, 1]],
    [refuses(503, [100]), {}, [0]],
    [refuses(503, [100]), { afterTrying: true }, [0, 1]],
    [refuses(503, [100, 180]), { afterTrying: true }, [0]],
    [refuses(500), {}, [0]],
    [refuses(500), { statuses: [500, 503] }, [0, 1]],
    [refuses(486), { afterTrying: true }, [0]],
  ]
  for (const [first, failover, expected] of rows) {
    const { dialled } = await world(
      [first, answers],
      async ([trunk]) => {
        const called = trunk!.call('100')
        if (expected.length === 2) await (await called).hangup()
        else await t.rejects(called, { name: 'TrunkCallError', statusCode: first.final })
      },
      failover,
    )
    t.same(
      dialled.map(({ edge }) => edge),
      expected,
      JSON.stringify([first, failover]),
    )
  }
})

t.test('a group goes through the trunks in order, and says of each why not', async t => {
  const { dialled } = await world([refuses(503), silent, refuses(503), answers], async lines => {
    const group = createTrunkGroup(lines)
    const call = await group.call('100')
    await call.hangup()
    t.same(group.stats(), { failedOver: 1, failed: 0 })
  })
  t.same(
    dialled.map(({ edge }) => edge),
    [0, 1, 2, 3],
  )
  await world([refuses(503), silent, refuses(503), refuses(486)], async lines => {
    const group = createTrunkGroup(lines)
    const error = await group.call('100').catch((caught: unknown) => caught)
    t.ok(error instanceof TrunkCallError)
    t.match(error, {
      statusCode: 486,
      left: [
        { trunk: 't0', failure: { statusCode: 503 } },
        { trunk: 't0', reason: /no response \(Timer B\)/, failure: undefined },
        { trunk: 't1' },
        { trunk: 't1', failure: { statusCode: 486 } },
      ],
    })
    t.match((error as Error).message, /^no trunk took the call: t0 \(10\.9\.0\.1\): 503 .*; t0 .*; t1 .*486/)
    t.same(group.stats(), { failedOver: 0, failed: 1 })
  })
})

t.test('a trunk whose calls a second are used up is passed over, without a word to it', async t => {
  const { dialled } = await world(
    [answers, answers, answers, answers],
    async lines => {
      const group = createTrunkGroup(lines)
      const calls = [group.call('100'), group.call('100')]
      await t.rejects(group.call('100'), {
        code: 'SIP_LIMIT',
        message: /t0 begins at most 1 calls a second .*t1 begins at most 1/,
      })
      for (const call of calls) await (await call).hangup()
      t.equal(lines[0]!.stats().cps.refused, 2, 'its other edge is not asked')
    },
    {},
    { cps: { limit: 1, excess: 'refuse' } },
  )
  t.same(
    dialled.map(({ edge }) => edge),
    [0, 2],
  )
})

t.test('ringTimeoutMs counts over all of them; giving up tries nothing new', async t => {
  const waited = await world([silent, silent, answers], async (lines, lab) => {
    const startedAt = lab.clock.now()
    await t.rejects(createTrunkGroup(lines).call('100', { ringTimeoutMs: 40_000 }), { code: 'SIP_TIMEOUT' })
    t.equal(Math.round((lab.clock.now() - startedAt) / 1_000), 40)
  })
  t.equal(waited.dialled.length, 2)
  const given = await world([silent, answers], async ([trunk], lab) => {
    const abort = new AbortController()
    lab.clock.setTimer(lab.clock.now() + 5_000, () => abort.abort(new Error('enough')))
    await t.rejects(trunk!.call('100', { signal: abort.signal }), { message: 'enough' })
    await lab.clock.sleep(60_000)
  })
  t.equal(given.dialled.length, 1)
})

t.test('an edge that answers after it was left is thanked and hung up on: one call only', async t => {
  const { phones } = await world(
    [{ provisionals: [], final: 200, afterMs: 40_000 }, answers],
    async ([trunk], lab) => {
      const call = await trunk!.call('100')
      await lab.clock.sleep(20_000)
      t.equal(call.state, 'confirmed')
      await call.hangup()
    },
  )
  t.equal(phones[0]!.ofMethod('ACK').length >= 1, true, 'ACK')
  t.equal(phones[0]!.ofMethod('BYE').length, 1, 'BYE')
})

t.test(
  'no call rings twice: whatever the edges do, none is dialled once another gave a sign of life',
  async () => {
    const behaviour = fc.record({
      provisionals: fc.constantFrom<readonly number[]>([], [], [100], [180], [100, 183]),
      final: fc.constantFrom(undefined, 200, 503, 503, 500, 486, 302, 408),
      afterMs: fc.integer({ min: 0, max: 50_000 }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(behaviour, { minLength: 1, maxLength: 4 }),
        fc.option(fc.integer({ min: 0, max: 90_000 })),
        async (behaviours, abortAt) => {
          let up = 0
          let abortedAt = Infinity
          const { dialled, signs, phones, answered } = await world(behaviours, async (lines, lab) => {
            const abort = new AbortController()
            if (abortAt !== null)
              lab.clock.setTimer(lab.clock.now() + abortAt, () => {
                abortedAt = lab.clock.now()
                abort.abort(new Error('enough'))
              })
            const call = await createTrunkGroup(lines)
              .call('100', { signal: abort.signal })
              .catch(() => undefined)
            if (call !== undefined) up += 1
            await lab.clock.sleep(120_000)
            await call?.hangup()
          })
          const first = Math.min(...signs, abortedAt) + 5
          const twice = dialled.some(({ at }) => at > first + 5)
          const open = phones.filter(
            (phone, edge) =>
              answered.has(edge) &&
              (phone.ofMethod('ACK').length === 0 || phone.ofMethod('BYE').length !== 1),
          )
          return !twice && up <= 1 && open.length === 0
        },
      ),
      { numRuns: 40 },
    )
  },
)
