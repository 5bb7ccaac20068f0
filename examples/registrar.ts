// A registrar and redirect server: phones register, and who calls one of them is told where it is.
//   DOMAIN=127.0.0.1 LISTEN_PORT=5060 node dist/examples/registrar.js
import { createNodeRuntime } from 'offhook'
import {
  admitDigest,
  MemoryLocationStore,
  Registrar,
  registrarExtensions,
  TransactionLayer,
  TransportLayer,
  UserAgentCore,
} from 'offhook/sip'

const { HOST = '127.0.0.1', DOMAIN = HOST, LISTEN_PORT = '5060', PASSWORD = 'wonderland' } = process.env
const runtime = createNodeRuntime()
const { clock, random } = runtime
const listen = (['udp', 'tcp'] as const).map(transport => ({
  transport,
  host: HOST,
  port: Number(LISTEN_PORT),
}))
const transport = new TransportLayer({ runtime, listen })
const transactions = new TransactionLayer({ transport, clock, random })
const core = new UserAgentCore({ transactions, transport, runtime, supported: registrarExtensions })
const store = new MemoryLocationStore({ clock, maxAors: 50_000 })
const registrar = new Registrar({
  clock,
  store,
  domains: [DOMAIN],
  maxContacts: 5,
  minExpires: 30,
  random,
  // One password for all; look each user's up here.
  authorize: admitDigest({ realm: DOMAIN, secretOf: () => ({ password: PASSWORD }) }),
})
registrar.onEvent = ({ kind, aor, binding }) => console.log(`${kind} ${aor} ${binding.uri}`)
registrar.onError = error => console.error(error)

core.onRequest = request => registrar.take(request)
core.onInvite = session => {
  void registrar.lookup(session.invite.uri).then(contacts => {
    if (contacts.length === 0) session.reject(registrar.aorOf(session.invite.uri) === undefined ? 404 : 480)
    else session.redirect(contacts.map(({ target, binding }) => `<${target}>;q=${binding.q}`))
  })
}

await transport.open()
console.log(`registering ${DOMAIN} on port ${transport.bound[0]?.local.port}`)
process.once('SIGINT', () => {
  store.clear()
  transactions.close()
  void transport.close()
})
