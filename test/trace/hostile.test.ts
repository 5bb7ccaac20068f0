import t from 'tap'
import { runAgent } from '../../src/agent/agent.ts'
import { echoAgent } from '../../src/agent/echo.ts'
import type { UdpSocket } from '../../src/runtime/runtime.ts'
import type { Lab } from '../../src/testing/lab.ts'
import { createLab } from '../../src/testing/lab.ts'
import { Trace } from '../../src/trace/trace.ts'
import { mutants } from '../support/mutate.ts'

function text(...lines: readonly string[]): Buffer {
  return Buffer.from([...lines, '', ''].join('\r\n'))
}

const via = 'Via: SIP/2.0/UDP 10.7.7.7:5060;branch=z9hG4bK-boom;rport'
const from = 'From: "Mallory" <sip:mallory@10.7.7.7>;tag=m1'
const to = 'To: <sip:echo@agent.lab>'
const invite = text(
  'INVITE sip:echo@agent.lab SIP/2.0',
  via,
  from,
  to,
  'Call-ID: boom',
  'CSeq: 1 INVITE',
  'Contact: <sip:mallory@10.7.7.7:5060>',
  'Max-Forwards: 70',
  'X-Twilio-CallSid: CA1',
  'Content-Length: 0',
)
const response = text(
  'SIP/2.0 200 OK',
  via,
  from,
  `${to};tag=t1`,
  'Call-ID: boom',
  'CSeq: 1 INVITE',
  'Content-Length: 0',
)
const bye = text(
  'BYE sip:echo@agent.lab SIP/2.0',
  via,
  from,
  `${to};tag=t1`,
  'Call-ID: boom',
  'CSeq: 2 BYE',
  'Max-Forwards: 70',
  'Content-Length: 0',
)

/** Virtual time goes by. */
function pass(lab: Lab, ms: number): Promise<void> {
  return new Promise(resolve => lab.clock.setTimer(lab.clock.now() + ms, resolve))
}

interface Attacked {
  readonly trace: Trace
  readonly send: (bytes: Uint8Array) => void
  /** Somebody honest calls; gives the Call-ID. */
  readonly call: () => Promise<string>
}

async function attacked(lab: Lab): Promise<Attacked> {
  const endpoint = await lab.endpoint('agent.lab')
  const trace = new Trace({ endpoint, keepCalls: 50 })
  void runAgent(endpoint, echoAgent())
  const socket: UdpSocket = await lab.network.host('10.7.7.7').bindUdp({ host: '10.7.7.7', port: 5060 })
  const phone = await lab.endpoint('phone.lab')
  return {
    trace,
    send: bytes => socket.send(bytes, 5060, '10.0.0.1'),
    call: async () => {
      const call = await phone.call('sip:echo@agent.lab')
      await call.hangup()
      await pass(lab, 100)
      return call.callId
    },
  }
}

t.test(
  'a response that answers nothing and has no CSeq to read does no harm to a traced endpoint',
  async t => {
    const lab = createLab()
    const { trace, send, call } = await attacked(lab)
    let callId = ''
    await lab.run(async () => {
      send(invite)
      send(text('SIP/2.0 200 OK', via, from, to, 'Call-ID: boom', 'CSeq: x', 'Content-Length: 0'))
      send(text('SIP/2.0 200 OK', 'Call-ID: boom'))
      callId = await call()
    })
    t.match(trace.ladder('boom'), /INVITE/)
    t.match(trace.record(callId), { state: 'ended', ended: { by: 'remote', cause: 'hangup' } })
  },
)

t.test('thousands of damaged messages leave the trace at work', async t => {
  const warnings: Error[] = []
  const warned = (warning: Error): void => void warnings.push(warning)
  process.on('warning', warned)
  const lab = createLab()
  const { trace, send, call } = await attacked(lab)
  let callId = ''
  await lab.run(async () => {
    let sent = 0
    for (const bytes of mutants([invite, response, bye], 4_000, 11)) {
      send(bytes)
      sent += 1
      if (sent % 500 === 0) await call()
    }
    callId = await call()
  })
  process.off('warning', warned)
  const last = trace.record(callId)
  t.match(last, { direction: 'inbound', state: 'ended', ended: { by: 'remote', cause: 'hangup' } })
  t.match(trace.ladder(last?.id ?? ''), /INVITE[\s\S]*200 OK \(INVITE\)[\s\S]*BYE/)
  t.same(
    warnings.filter(warning => warning.name === 'OffhookSubscriberError'),
    [],
    'and no handler of it threw',
  )
})
