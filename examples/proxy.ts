// A stateful proxy with its registrar: phones of example.com register, call each other, and ring together where one user has several.
//   HOST=10.0.0.1 DOMAIN=example.com node dist/examples/proxy.js
import { createNodeRuntime } from 'offhook'
import { MemoryLocationStore, Proxy, registeredTargets, Registrar } from 'offhook/sip'
import { TransactionLayer, TransportLayer } from 'offhook/sip'

const { HOST = '127.0.0.1', PORT = '5060', DOMAIN = 'example.com' } = process.env
const runtime = createNodeRuntime()
const { clock, random } = runtime
const transport = new TransportLayer({
  runtime,
  listen: (['udp', 'tcp'] as const).map(name => ({ transport: name, host: HOST, port: Number(PORT) })),
})
const transactions = new TransactionLayer({ transport, clock, random })
const store = new MemoryLocationStore({ clock })
const registrar = new Registrar({
  clock,
  store,
  domains: [DOMAIN, HOST],
  // Whoever asks may register: put digest here (docs/registrar.md) before anybody else can reach this.
})
const proxy = new Proxy({
  transactions,
  transport,
  runtime,
  names: [DOMAIN],
  route: async ({ request, flow }) => {
    if (request.method === 'REGISTER') return registrar.answer(request, flow)
    // Only users of this domain are called: it is no relay.
    if (registrar.aorOf(request.uri) === undefined) return { statusCode: 403, reasonPhrase: 'No Relaying' }
    const contacts = await registrar.lookup(request.uri)
    if (contacts.length === 0) return { statusCode: 480 }
    return { targets: registeredTargets(contacts, { answerMs: 30_000 }) }
  },
  onError: error => console.error('routing failed:', error),
})

await transport.open()
for (const { transport: name, local } of transport.bound)
  console.log(`${name}://${local.address}:${local.port}`)

process.once('SIGINT', () => {
  proxy.cancelAll()
  console.log(store.size, 'users registered;', proxy.stats())
  store.clear()
  transactions.close()
  void transport.close()
})
