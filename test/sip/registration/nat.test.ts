import t from 'tap'
import { Endpoint } from '../../../src/call/endpoint.ts'
import { UserAgentCore } from '../../../src/sip/dialog/core.ts'
import { MemoryLocationStore } from '../../../src/sip/registration/location-store.ts'
import { Registrar } from '../../../src/sip/registration/registrar.ts'
import { registrarExtensions } from '../../../src/sip/registration/registrar-options.ts'
import { admitDigest } from '../../../src/sip/auth/server-digest.ts'
import { TransactionLayer } from '../../../src/sip/transaction/transaction-layer.ts'
import { TransportLayer } from '../../../src/sip/transport/transport-layer.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { createSimulatedRuntime, SimulatedNetwork } from '../../../src/testing/simulated-network.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

const pbx = '203.0.113.1'

/** A registrar in public, a phone behind a NAT that forgets after 30 s; what reaches the phone nearly an hour after it registered. */
async function callAfterLong(keepAliveMs: number): Promise<{ statuses: string[]; invited: boolean }> {
  const clock = new VirtualClock()
  const random = seededRandom(7)
  const network = new SimulatedNetwork({ clock, random: seededRandom(8), conditions: { delayMs: 10 } })
  const runtime = createSimulatedRuntime({ clock, network: network.host(pbx), random })
  const transport = new TransportLayer({ runtime, listen: [{ transport: 'udp', host: pbx, port: 5060 }] })
  const transactions = new TransactionLayer({ transport, clock, random })
  const core = new UserAgentCore({ transactions, transport, runtime, supported: registrarExtensions })
  const store = new MemoryLocationStore({ clock })
  const registrar = new Registrar({
    clock,
    random,
    store,
    domains: [pbx],
    authorize: admitDigest({ realm: pbx, secretOf: () => ({ password: 'wonderland' }) }),
  })
  core.onRequest = request => registrar.take(request)
  await transport.open()
  const nat = network.nat({ publicAddress: '198.51.100.1', kind: 'port-restricted' })
  const phone = new Endpoint({
    listen: ['udp://192.168.0.2:5060'],
    runtime: createSimulatedRuntime({ clock, network: nat.host('192.168.0.2'), random: seededRandom(9) }),
  })
  await phone.open()
  let invited = false
  void phone.serve(call => {
    invited = true
    call.reject(486)
  })
  const statuses: string[] = []
  const script = async (): Promise<void> => {
    const registration = phone.register({
      aor: `sip:alice@${pbx}`,
      credentials: { username: 'alice', password: 'wonderland' },
      expiresSeconds: 3600,
      keepAliveMs,
    })
    await registration.ready
    await clock.sleep(2_600_000)
    const [found] = await registrar.lookup(`sip:alice@${pbx}`)
    const session = core.invite({
      target: found?.target ?? '',
      from: `sip:bob@${pbx}`,
      ...(found?.destination === undefined ? {} : { destination: found.destination }),
      offer: { contentType: 'application/sdp', body: Buffer.from('v=0\r\n') },
    })
    await clock.sleep(40_000)
    statuses.push(`${session.end?.cause} ${session.end?.statusCode ?? ''}`.trim())
    await phone.close()
  }
  await clock.runFor(script(), 10_000_000)
  store.clear()
  transactions.close()
  await transport.close()
  return { statuses, invited }
}

t.test(
  'behind a NAT that forgets after 30 s, a call arrives three quarters of an hour after the last REGISTER (RFC 5626 4.4)',
  async t => {
    t.match(await callAfterLong(20_000), { invited: true, statuses: ['refused 486'] })
  },
)

t.test('without keep-alives it does not', async t => {
  t.match(await callAfterLong(0), { invited: false, statuses: ['no-response'] })
})
