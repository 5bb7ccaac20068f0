import t from 'tap'
import type { UdpSocket } from '../../../src/runtime/runtime.ts'
import type { Flow } from '../../../src/sip/transport/flow.ts'
import { emptyStats } from '../../../src/sip/transport/stats.ts'
import { UdpPort } from '../../../src/sip/transport/udp.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

const local = { address: '10.0.0.1', port: 5060, family: 4 as const }
const remote = { address: '10.0.0.2', port: 5070, family: 4 as const }

/** A socket that does what the test says. */
function open(send: () => void = () => {}): { socket: UdpSocket; port: UdpPort; flows: Flow[] } {
  const socket: UdpSocket = { local, onMessage: undefined, onError: undefined, send, close: () => {} }
  const wire = { clock: new VirtualClock(), endpoint: {}, stats: emptyStats() }
  const port = new UdpPort(socket, { transport: 'udp', local, advertise: undefined }, wire)
  const flows: Flow[] = []
  port.listen((_, flow) => flows.push(flow))
  return { socket, port, flows }
}

t.test('a datagram flow is named by both addresses and needs no holding', async t => {
  const { socket, port, flows } = open()
  const message = Buffer.from('OPTIONS sip:a SIP/2.0')
  socket.onMessage?.(message, remote)
  socket.onMessage?.(message, { ...remote })
  socket.onMessage?.(message, { ...remote, port: 5071 })
  t.equal(flows[0]?.id, flows[1]?.id)
  t.not(flows[0]?.id, flows[2]?.id)
  flows[0]?.hold()()
  flows[0]?.onClose(() => t.fail('a datagram flow does not close by itself'))()
  t.same([flows[0]?.reliable, flows[0]?.secure, flows[0]?.closed], [false, false, false])
  port.close()
  t.equal(flows[0]?.closed, true)
  t.throws(() => flows[0]?.send(message), { code: 'SIP_TRANSPORT', failure: 'shutdown' })
})

t.test('what the system refuses is a transport error with its cause; socket errors are counted', async t => {
  const refusal = new Error('EMSGSIZE')
  const { socket, port, flows } = open(() => {
    throw refusal
  })
  socket.onMessage?.(Buffer.from('OPTIONS sip:a SIP/2.0'), remote)
  t.throws(() => flows[0]?.send(new Uint8Array(1)), {
    code: 'SIP_TRANSPORT',
    failure: 'closed',
    target: '10.0.0.2:5070',
    cause: refusal,
  })
  t.equal(port.wire.stats.sent, 0)
  socket.onError?.(new Error('ECONNREFUSED'))
  t.equal(port.wire.stats.socketErrors, 1)
})
