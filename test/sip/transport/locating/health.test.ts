import t from 'tap'
import type { Target } from '../../../../src/sip/transport/locate.ts'
import { ServerHealth } from '../../../../src/sip/transport/locating/health.ts'

function target(address: string, port = 5060): Target {
  return { transport: 'udp', address, family: 4, port, host: 'example.com' }
}

const [a, b, c] = [target('10.0.0.1'), target('10.0.0.2'), target('10.0.0.3')]

t.test('a server that failed comes last until its time is over', async t => {
  const health = new ServerHealth()
  const all = [a, b, c]
  t.equal(health.order(all, 0), all, 'nothing is made anew')
  health.avoid(a, 1_000)
  t.same(health.order(all, 999), [b, c, a])
  t.equal(health.order(all, 1_000), all)
  t.equal(health.size, 0)
})

t.test('of two reasons to avoid a server the longer one counts; an answer ends both', async t => {
  const health = new ServerHealth()
  health.avoid(a, 5_000)
  health.avoid(a, 1_000)
  t.equal(health.isAvoided(a, 4_999), true)
  t.equal(health.isAvoided(target('10.0.0.1', 5070), 0), false, 'another port is another server')
  health.recovered(a)
  t.equal(health.isAvoided(a, 0), false)
})

t.test('where all have failed, the order stays', async t => {
  const health = new ServerHealth()
  for (const server of [b, a]) health.avoid(server, 1_000)
  t.same(health.order([a, b], 0), [a, b])
})

t.test('1024 servers are kept in mind, and the oldest goes', async t => {
  const health = new ServerHealth()
  for (let port = 1; port <= 1025; port++) health.avoid(target('10.0.0.9', port), 1_000)
  t.equal(health.size, 1024)
  t.equal(health.dropped, 1)
  t.equal(health.isAvoided(target('10.0.0.9', 1), 0), false)
})
