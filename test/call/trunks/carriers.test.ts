import t from 'tap'
import type { IncomingCall } from '../../../src/call/incoming-call.ts'
import { Endpoint } from '../../../src/call/endpoint.ts'
import { admitTrunk } from '../../../src/call/trunks/admit.ts'
import { createTrunk, trunkOf } from '../../../src/call/trunks/carrier-trunk.ts'
import { carriers } from '../../../src/call/trunks/carriers.ts'
import { TrunkCallError } from '../../../src/call/trunks/failures.ts'
import type { EndpointOptions } from '../../../src/call/options.ts'
import type { TrunkOptions } from '../../../src/call/trunks/options.ts'
import { dropOthers } from '../../../src/sip/auth/policies.ts'
import { Trace } from '../../../src/trace/trace.ts'
import type { CallRecord } from '../../../src/trace/call-record.ts'
import { endpointOn, scene } from './scene.ts'
import { standIns } from './stand-ins.ts'

t.test('there is a stand-in for each carrier', async t => {
  t.same(standIns.map(({ carrier }) => carrier).toSorted(), Object.keys(carriers).toSorted())
})

function admit(options: TrunkOptions): EndpointOptions {
  return { admission: [admitTrunk(options), dropOthers()] }
}

for (const data of standIns) {
  const { carrier: name } = data
  const { fixedUser, numbers } = carriers[name]

  t.test(`${name}: a call goes out as the carrier wants it, and digits go both ways`, async t => {
    await scene(data, async ({ lab, us, carrier, options }) => {
      const trunk = createTrunk(us, options)
      await trunk.registration?.ready
      const call = await trunk.call('+1 (555) 010-0'.replaceAll(numbers === 'as-given' ? /[ ()-]/g : '', ''))
      t.equal(trunkOf(call), name)
      t.same(carrier.called, [
        fixedUser === undefined ? (numbers === 'digits' ? '15550100' : '+15550100') : 'proj_acme',
      ])
      t.same(carrier.callers, [numbers === 'digits' ? '15550199' : '+15550199'])
      const heard: string[] = []
      void (async () => {
        for await (const { digit } of call.dtmf()) heard.push(digit)
      })()
      await call.sendDtmf('15#')
      await carrier.calls[0]!.sendDtmf('92*')
      await lab.clock.sleep(1_000)
      t.equal(carrier.digits.join(''), '15#')
      t.equal(heard.join(''), '92*')
      t.equal(trunk.state, 'up')
      t.match(trunk.stats(), { answered: 1, failed: 0, cps: { begun: 1 } })
      await call.hangup()
      await trunk.close()
    })
  })

  t.test(`${name}: who is not known gets no call through, and the error says what to do`, async t => {
    const { challenge, sources } = data
    const ends = challenge ?? sources
    await scene(
      data,
      async ({ lab, us, carrier, options }) => {
        // Another address than the one the carrier knows.
        const stranger = new Endpoint(endpointOn(lab, '10.2.0.9', 'stranger.example'))
        await stranger.open()
        const trunk = createTrunk(sources === undefined ? us : stranger, options)
        const called = trunk.call('+15550100', { ringTimeoutMs: 60_000 })
        if (ends === undefined) await (await called).hangup()
        else {
          const error = await called.catch((caught: unknown) => caught)
          t.ok(error instanceof TrunkCallError)
          t.match(error, {
            code: ends === 'silence' ? 'SIP_TIMEOUT' : 'SIP_RESPONSE',
            message: ends === 'silence' ? /no response/ : /403 Forbidden.*check/,
          })
        }
        t.equal(carrier.calls.length, ends === undefined ? 1 : 0)
        await trunk.close()
        await stranger.close()
      },
      challenge === undefined
        ? {}
        : { settings: { credentials: { username: 'acme', password: 'wrong' }, auth: 'digest' } },
    )
  })

  t.test(`${name}: what it refuses a call with is read`, async t => {
    await scene(data, async ({ us, options }) => {
      const trunk = createTrunk(us, options)
      for (const { statusCode, code, text } of data.failures) {
        const error = await trunk.call(`+1555010${statusCode}`).catch((caught: unknown) => caught)
        t.ok(error instanceof TrunkCallError, `${statusCode}`)
        t.match(error, { statusCode, code: 'SIP_RESPONSE', failure: { code, text } })
        if (code !== undefined) t.match((error as Error).message, code)
      }
      t.equal(trunk.stats().failed, data.failures.length)
      t.not(trunk.state, 'down', 'a refused number does not speak against the carrier')
      await trunk.close()
    })
  })

  t.test(`${name}: a transfer of ours ends as the carrier lets it`, async t => {
    const { refer, refersToItself } = data
    await scene(data, async ({ lab, us, carrier, options }) => {
      const desk = new Endpoint(endpointOn(lab, '10.3.0.1', 'desk.example'))
      await desk.open()
      let reached = 0
      void desk.serve(async call => {
        reached += 1
        await call.answer()
        await call.ended
      })
      const trunk = createTrunk(us, options)
      await trunk.registration?.ready
      const call = await trunk.call('+15550100')
      if (refersToItself === true) {
        t.match(await call.transfer('sip:desk@desk.example'), { statusCode: 403, cause: 'refer-refused' })
        carrier.desk = 'sip:desk@desk.example'
      }
      const to = refersToItself === true ? trunk.target('+15550101') : 'sip:desk@desk.example'
      const result = await call.transfer(to)
      if (refer === 'takes') {
        t.match(result, { outcome: 'transferred', cause: 'notified' })
        t.equal(reached, 1)
      } else {
        t.match(result, { cause: 'refer-refused', statusCode: refer.statusCode, reason: refer.reasonPhrase })
        t.equal(call.state, 'confirmed', 'the call goes on')
        await call.hangup()
      }
      await trunk.close()
      await desk.close()
    })
  })

  t.test(`${name}: its calls are known, others get no answer; its ids stand in the record`, async t => {
    const records: CallRecord[] = []
    await scene(
      data,
      async ({ lab, us, carrier }) => {
        const trace = new Trace({ endpoint: us, onRecord: record => records.push(record) })
        const calls: IncomingCall[] = []
        let asked = 0
        void us.serve(async call => {
          calls.push(call)
          call.on('transfer', request => {
            asked += 1
            request.reject(603)
          })
          await call.answer()
          await call.ended
        })
        const stranger = new Endpoint(endpointOn(lab, '10.2.0.9', 'stranger.example'))
        await stranger.open()
        await t.rejects(stranger.call('sip:+15550199@us.example'), { code: 'SIP_TIMEOUT' })
        const target = 'sip:+15550199@us.example'
        const call = await carrier.endpoint.call(target, {
          headers: data.headers,
          from: 'sip:+15550100@us.example',
        })
        t.equal(calls.length, 1)
        t.equal(trunkOf(calls[0]!), name)
        t.match(calls[0]!.identity.caller, { number: '+15550100' })
        if (data.asksToRefer === true) {
          t.match(await call.transfer('sip:else@where.example'), { cause: 'refer-refused', statusCode: 603 })
          t.equal(asked, 1)
        }
        await call.hangup()
        await lab.clock.sleep(100)
        await stranger.close()
        trace.close()
      },
      { settings: { sources: ['10.1.0.0/24'] }, us: admit },
    )
    t.match(
      records[0]?.carrierIds,
      (data.ids ?? []).map(({ field, value }) => ({ carrier: name, field, value })),
    )
    t.equal(records[0]?.carrierIds.length, data.ids?.length ?? 0)
  })
}

for (const data of standIns.filter(({ cps }) => cps !== undefined)) {
  const { carrier: name, cps } = data
  t.test(`${name}: we keep to its calls a second; with more it refuses, and says so`, async t => {
    const count = Math.min(cps!.limit + 2, 8)
    await scene({ ...data, cps: { ...cps!, limit: count - 2 } }, async ({ us, carrier, options }) => {
      t.equal(options.cps.limit, cps!.limit, 'the published figure is the default')
      const paced = createTrunk(us, { ...options, cps: { ...options.cps, limit: count - 2 } })
      const calls = await Promise.all(Array.from({ length: count }, () => paced.call('+15550100')))
      t.equal(carrier.refused, 0)
      t.match(paced.stats().cps, { begun: count, delayed: 2, refused: 0 })
      await Promise.all(calls.map(call => call.hangup()))
      const wild = createTrunk(us, { ...options, cps: { ...options.cps, limit: Infinity } })
      const results = await Promise.allSettled(
        Array.from({ length: count + 2 }, () => wild.call('+15550100', { ringTimeoutMs: 30_000 })),
      )
      const refusals = results.flatMap(result =>
        result.status === 'rejected' ? [result.reason as unknown] : [],
      )
      t.ok(refusals.length > 0)
      for (const refusal of refusals)
        t.match(refusal, { statusCode: 503, failure: { reasonPhrase: cps!.failure.reasonPhrase } })
      for (const result of results) if (result.status === 'fulfilled') await result.value.hangup()
      await Promise.all([paced.close(), wild.close()])
    })
  })
}
