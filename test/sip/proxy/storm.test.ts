import t from 'tap'
import type { ProxyTarget } from '../../../src/sip/proxy/types.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { sdp } from '../dialog/world.ts'
import { World } from './world.ts'

for (const seed of [1, 2]) {
  t.test(
    `calls of every kind over a bad network, through two proxies: each ends, and nothing is left (seed ${seed})`,
    async t => {
      const world = new World(t, { delayMs: 20, jitterMs: 30, loss: 0.15, reorder: 0.2, duplicate: 0.1 })
      const random = seededRandom(seed)
      const chance = (percent: number): boolean => random.uint32() % 100 < percent
      const later = (maxMs: number, run: () => void): void => {
        world.clock.setTimer(world.clock.now() + (random.uint32() % maxMs), run)
      }
      const places: ProxyTarget[] = ['20', '21', '22'].map(last => ({
        uri: `sip:user@192.0.2.${last}`,
        answerMs: 4000,
      }))
      const { proxy } = await world.proxy(
        () => ({
          targets: chance(50) ? [{ uri: 'sip:user@192.0.2.2' }] : chance(50) ? [places] : places,
        }),
        { redirections: 1, timerC: 20_000 },
      )
      const inner = await world.proxy(() => ({ targets: [places] }), { timerC: 20_000 }, '192.0.2.2')
      const caller = await world.agent('192.0.2.10')
      for (const last of ['20', '21', '22']) {
        const callee = await world.agent(`192.0.2.${last}`)
        callee.onCall = session => {
          if (chance(70)) session.ring()
          if (chance(20)) later(500, () => session.reject(chance(10) ? 603 : 486))
          else if (chance(10))
            later(500, () => session.redirect(['sip:user@192.0.2.20', 'sip:user@192.0.2.22']))
          else if (chance(70)) later(6000, () => session.answer({ body: sdp('answer') }))
        }
      }
      const calls = Array.from({ length: 40 }, () => {
        const call = caller.call('sip:user@example.com')
        if (chance(30)) later(5000, () => call.hangup())
        return call
      })
      await world.run(150_000)
      t.same(
        calls
          .filter(({ state }) => state !== 'confirmed' && state !== 'terminated')
          .map(({ state }) => state),
        [],
        'every call is up or over',
      )
      t.ok(calls.some(({ state }) => state === 'confirmed'))
      for (const call of calls) call.hangup()
      await world.run(100_000)
      await Promise.all(calls.map(({ ended }) => ended))
      t.equal(proxy.stats().routeErrors + inner.proxy.stats().routeErrors, 0)
      await world.assertClean(t)
    },
  )
}
