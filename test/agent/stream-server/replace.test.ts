import t from 'tap'
import type { StreamPath } from '../../../src/agent/stream-server/options.ts'
import { agentOf, world } from './world.ts'

const start = JSON.stringify({
  event: 'start',
  streamSid: 'MZ1',
  start: { callSid: 'CA1', streamSid: 'MZ1' },
})

t.test('other paths hold for new streams; the call under way goes on with its agent', async t => {
  const ran: string[] = []
  const named = (name: string) =>
    agentOf(async ({ ended }) => {
      ran.push(name)
      await ended
    })
  const stream: Omit<StreamPath, 'path'> = { dialect: 'twilio', auth: { kind: 'none' }, agent: named('old') }
  await world({ stream, agent: named('none') }, async ({ dial, lab, server }) => {
    const first = await dial()
    first.send(start)
    await lab.clock.sleep(100)
    server.replace({ streams: [{ ...stream, path: '/in', agent: named('new') }] })
    const second = await dial()
    second.send(start)
    await lab.clock.sleep(100)
    t.same(ran, ['old', 'new'])
    t.equal(server.stats.calls, 2)
    server.replace({ streams: [{ ...stream, path: '/other' }] })
    await t.rejects(dial(), /404/)
    await dial({}, '/other')
    t.throws(
      () => server.replace({ streams: [{ ...stream, path: 'other' }] }),
      { code: 'SIP_OPTION', field: 'streams[0].path' },
      'and what was there goes on',
    )
    await dial({}, '/other')
    server.replace({ streams: [] })
    await t.rejects(dial({}, '/other'), /404/)
    t.equal(server.stats.calls, 2)
  })
})
