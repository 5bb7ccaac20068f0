import t from 'tap'
import type { CallRecord } from '../../src/trace/call-record.ts'
import { trunkRoute } from '../../src/call/trunk.ts'
import { runAgent } from '../../src/agent/agent.ts'
import { echoAgent } from '../../src/agent/echo.ts'
import { createLab } from '../../src/testing/lab.ts'
import { Trace } from '../../src/trace/trace.ts'

t.test(
  'the outbound proxy comes first, further proxies after it, all of them loose (RFC 3261 §16.12)',
  async t => {
    const route = trunkRoute({
      aor: 'sip:acme@trunk.example',
      outboundProxy: 'sip:sbc.example;transport=tcp',
      route: ['sip:core.example;lr', 'sip:edge.example:5070'],
    })
    t.same(route.map(String), [
      '<sip:sbc.example;transport=tcp;lr>',
      '<sip:core.example;lr>',
      '<sip:edge.example:5070;lr>',
    ])
    t.same(trunkRoute(undefined), [])
    t.throws(() => trunkRoute({ aor: 'sip:a@b.example', route: ['sip:ok.example', 'nonsense'] }), {
      code: 'SIP_OPTION',
      message: /trunk\.route\[1\]/,
    })
  },
)

t.test(
  'a call by way of a domain whose first server is gone is answered by the second; its ladder says why',
  async t => {
    const lab = createLab()
    const callee = await lab.endpoint('b.lab')
    const caller = await lab.endpoint('caller.lab')
    const records: CallRecord[] = []
    const trace = new Trace({ endpoint: caller, onRecord: record => records.push(record) })
    void runAgent(callee, echoAgent())
    lab.resolver.setAddresses('gone.lab', ['192.0.2.250'])
    lab.resolver.setSrv('_sip._udp.trunk.lab', [
      { host: 'gone.lab', port: 5060, priority: 1 },
      { host: 'b.lab', port: 5060, priority: 2 },
    ])
    await lab.run(async () => {
      const call = await caller.call('sip:echo@trunk.lab', { ringTimeoutMs: 100_000 })
      await call.hangup()
    })
    const ladder = trace.ladder(records[0]?.id ?? '') ?? ''
    t.match(ladder, /INVITE left udp 192\.0\.2\.250:5060 \(trunk\.lab\): no response \(Timer B\); next udp /)
    t.equal(ladder.match(/─ INVITE/g)?.length, 8, 'seven times to the first, once to the second')
    t.equal(records[0]?.ended?.cause, 'hangup')
    trace.close()
  },
)

t.test('the record of a call that no server took names each with its reason', async t => {
  const lab = createLab()
  const caller = await lab.endpoint('caller.lab')
  const records: CallRecord[] = []
  const trace = new Trace({ endpoint: caller, onRecord: record => records.push(record) })
  lab.resolver.setAddresses('trunk.lab', ['192.0.2.250', '192.0.2.251'])
  await lab.run(async () => {
    await t.rejects(caller.call('sip:echo@trunk.lab:5070', { ringTimeoutMs: 100_000 }), {
      code: 'SIP_TIMEOUT',
    })
  })
  t.match(
    records[0]?.ended?.error,
    '192.0.2.250:5070 (trunk.lab): no response (Timer B); udp 192.0.2.251:5070',
  )
  trace.close()
})
