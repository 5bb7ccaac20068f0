/** What is measured for registration: the SIP stack with a digest-checking registrar and the location store in memory. */

import { createNodeRuntime } from '../../src/runtime/node.ts'
import { admitDigest } from '../../src/sip/auth/server-digest.ts'
import { UserAgentCore } from '../../src/sip/dialog/core.ts'
import { MemoryLocationStore } from '../../src/sip/registration/location-store.ts'
import { Registrar } from '../../src/sip/registration/registrar.ts'
import { registrarExtensions } from '../../src/sip/registration/registrar-options.ts'
import { TransactionLayer } from '../../src/sip/transaction/transaction-layer.ts'
import { TransportLayer } from '../../src/sip/transport/transport-layer.ts'
import { beMeasured } from '../support/measured-child.ts'

const runtime = createNodeRuntime()
const { clock, random } = runtime
const transport = new TransportLayer({ runtime, listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }] })
const transactions = new TransactionLayer({ transport, clock, random, limits: { server: 200_000 } })
const core = new UserAgentCore({ transactions, transport, runtime, supported: registrarExtensions })
const store = new MemoryLocationStore({ clock })
const registrar = new Registrar({
  clock,
  random,
  store,
  // SIPp has one user name for all.
  mayRegister: () => true,
  domains: ['127.0.0.1'],
  // SIPp knows no other algorithm.
  authorize: admitDigest({
    realm: '127.0.0.1',
    algorithms: ['MD5'],
    qop: ['auth'],
    // Every registration takes a new one.
    maxNonces: 200_000,
    secretOf: () => ({ password: 'wonderland' }),
  }),
})
core.onRequest = request => registrar.take(request)
await transport.open()
beMeasured([transport.bound[0]?.local.port ?? 0], () => ({ bindings: store.size }))
