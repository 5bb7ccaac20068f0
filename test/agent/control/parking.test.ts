import t from 'tap'
import { ParkingLot } from '../../../src/agent/control/parking.ts'
import type { Parked } from '../../../src/agent/control/parking.ts'
import { ConferenceRoom } from '../../../src/agent/control/room.ts'
import type { Call } from '../../../src/call/call.ts'
import type { Endpoint } from '../../../src/call/endpoint.ts'
import { createLab } from '../../../src/testing/lab.ts'
import type { Lab } from '../../../src/testing/lab.ts'
import { heardBy, hums, prompt } from './scene.ts'

interface Scene {
  readonly lab: Lab
  readonly endpoint: Endpoint
  /** Far ends, each humming a tone of its own, and our calls with them. */
  readonly far: readonly Call[]
  readonly near: readonly Call[]
}

async function scene(tones: readonly number[], script: (scene: Scene) => Promise<void>): Promise<void> {
  const lab = createLab({ network: { delayMs: 20 } })
  const endpoint = await lab.endpoint('agent.lab')
  const near: Call[] = []
  void endpoint.serve(async call => {
    await call.answer()
    near.push(call)
    await call.ended
  })
  await lab.run(async () => {
    const far: Call[] = []
    for (const [index, hz] of tones.entries()) {
      const phone = await lab.endpoint(`phone-${index}.lab`)
      const call = await phone.call('sip:agent@agent.lab')
      hums(call, hz)
      far.push(call)
    }
    await lab.clock.sleep(100)
    await script({ lab, endpoint, far, near })
  })
}

const holdMusic = (): AsyncGenerator<Int16Array> => prompt(1000, 2000)

t.test('park and pick up: music until somebody else has the caller', async t => {
  await scene([440, 600], async ({ lab, endpoint, far, near }) => {
    const lot = new ParkingLot({ clock: endpoint.clock, holdMusic })
    const { slot, left } = lot.park(near[0]!)
    t.equal(slot, '701')
    t.throws(() => lot.park(near[0]!), { code: 'SIP_STATE' })
    await lab.clock.sleep(5000)
    t.strictSame(await heardBy(far[0]!), [1000])
    t.equal(await lot.pickUp('702', near[1]!), undefined)
    const [bridged, again] = await Promise.all([lot.pickUp(slot, near[1]!), lot.pickUp(slot, near[1]!)])
    t.equal(again, undefined, 'only once')
    t.match(await left, { outcome: 'picked-up', bridge: bridged })
    await lab.clock.sleep(300)
    t.strictSame([await heardBy(far[0]!), await heardBy(far[1]!)], [[600], [440]])
    t.same(lot.parked, [])
    await far[0]!.hangup()
    t.match(await far[1]!.ended, { by: 'remote' })
  })
})

t.test('park: after its time, taken back, or gone', async t => {
  await scene([440], async ({ lab, endpoint, far, near }) => {
    const lot = new ParkingLot({ clock: endpoint.clock, holdMusic, limitMs: 3000 })
    t.match(await lot.park(near[0]!).left, { outcome: 'timeout' })
    await lab.clock.sleep(300)
    t.strictSame(await heardBy(far[0]!), [], 'no music any more')
    const back = lot.park(near[0]!)
    back.takeBack()
    t.match(await back.left, { outcome: 'taken-back' })
    const gone = lot.park(near[0]!)
    await far[0]!.hangup()
    t.match(await gone.left, { outcome: 'call-ended' })
    t.same(lot.parked, [])
    t.throws(() => lot.park(near[0]!), { code: 'SIP_STATE' })
  })
})

t.test('park: as many as there are places; who cannot be picked up stays', async t => {
  await scene([440, 600], async ({ lab, endpoint, far, near }) => {
    const lot = new ParkingLot({ clock: endpoint.clock, holdMusic, slots: ['A'] })
    const parked: Parked = lot.park(near[0]!, { slot: 'A' })
    t.throws(() => lot.park(near[1]!), { code: 'SIP_LIMIT' })
    t.throws(() => lot.park(near[1]!, { slot: 'A' }), { code: 'SIP_LIMIT' })
    t.throws(() => lot.park(near[1]!, { slot: 'B' }), { code: 'SIP_OPTION', field: 'slot' })
    await far[1]!.hangup()
    await lab.clock.sleep(100)
    await t.rejects(lot.pickUp('A', near[1]!), { code: 'SIP_STATE' })
    t.same(lot.parked, [parked])
    await lab.clock.sleep(300)
    t.strictSame(await heardBy(far[0]!), [1000])
    t.throws(() => new ParkingLot({ clock: endpoint.clock, slots: [] }), { code: 'SIP_OPTION' })
    t.throws(() => new ParkingLot({ clock: endpoint.clock, limitMs: 0 }), { code: 'SIP_OPTION' })
  })
})

t.test('park: who is taken back while somebody picks up is with its agent, and not with both', async t => {
  await scene([440, 600], async ({ lab, endpoint, far, near }) => {
    const lot = new ParkingLot({ clock: endpoint.clock, holdMusic })
    const parked = lot.park(near[0]!)
    const picking = lot.pickUp(parked.slot, near[1]!)
    parked.takeBack()
    t.match(await parked.left, { outcome: 'taken-back' })
    t.equal(await picking, undefined)
    void near[0]!.media.output.play(prompt(300, 1000))
    await lab.clock.sleep(300)
    t.strictSame([await heardBy(far[0]!), await heardBy(far[1]!)], [[300], []])
    await far[1]!.hangup()
    t.equal(near[0]!.endedValue, undefined)
  })
})

t.test('a conference of calls: added, muted, taken out, gone', async t => {
  await scene([440, 600, 800], async ({ lab, endpoint, far, near }) => {
    const room = new ConferenceRoom({ clock: endpoint.clock, maxParties: 3 })
    const hear = async (): Promise<readonly (readonly number[])[]> => {
      await lab.clock.sleep(400)
      return Promise.all(far.filter(call => call.endedValue === undefined).map(heardBy))
    }
    for (const call of near) room.add(call)
    t.strictSame(await hear(), [
      [600, 800],
      [440, 800],
      [440, 600],
    ])
    t.throws(() => room.add(near[0]!), { code: 'SIP_STATE' })
    t.throws(() => room.seat(), { code: 'SIP_LIMIT' })
    t.ok(room.mute(near[1]!))
    t.strictSame(await hear(), [[800], [440, 800], [440]])
    room.mute(near[1]!, false)
    t.ok(room.remove(near[2]!))
    t.notOk(room.remove(near[2]!))
    t.strictSame(await hear(), [[600], [440], []])
    const { seat, said } = { seat: room.seat(), said: prompt(300, 2000) }
    void seat.output.at(8000).play(said)
    t.strictSame(await hear(), [[300, 600], [300, 440], []])
    seat.leave()
    await far[1]!.hangup()
    t.strictSame(await hear(), [[], []])
    t.same(room.calls, [near[0]])
    t.throws(() => room.add(near[1]!), { code: 'SIP_STATE' })
    room.close()
    t.equal(room.size, 0)
    void near[0]!.media.output.play(prompt(1300, 1000))
    t.strictSame(await hear(), [[1300], []], 'who is out can be used for something else')
  })
})
