import t from 'tap'
import { ExpiringMap } from '../../../src/sip/dialog/expiring-map.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

t.test('entries live for their time, set again start again, and one timer serves all', async t => {
  const clock = new VirtualClock()
  const map = new ExpiringMap<number>({ clock, ttlMs: 1000, max: 100 })
  map.set('a', 1)
  await clock.advance(400)
  map.set('b', 2)
  t.equal(clock.pendingTimers, 1)
  await clock.advance(300)
  map.set('a', 3)
  await clock.advance(600)
  t.equal(map.get('a'), 3)
  t.equal(map.get('b'), 2)
  await clock.advance(150)
  t.equal(map.get('b'), undefined)
  t.equal(map.get('a'), 3)
  await clock.advance(300)
  t.equal(map.size, 0)
  t.equal(clock.pendingTimers, 0)
})

t.test('beyond the bound the oldest goes, and is counted', async t => {
  const clock = new VirtualClock()
  const map = new ExpiringMap<number>({ clock, ttlMs: 1000, max: 3 })
  for (let n = 0; n < 10; n++) map.set(`k${n}`, n)
  t.equal(map.size, 3)
  t.equal(map.dropped, 7)
  t.equal(map.get('k6'), undefined)
  t.equal(map.get('k7'), 7)
  map.clear()
  t.equal(clock.pendingTimers, 0)
})
