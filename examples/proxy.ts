// A stateful proxy: sends calls for its users to where they are, rings several places, stays in the path, keeps strangers from relaying.
//   USERS='sales=sip:anna@10.0.0.5,sip:ben@10.0.0.6 desk=sip:desk@10.0.0.7;transport=tcp' node dist/examples/proxy.js
import { createNodeRuntime } from 'offhook'
import { Proxy, SipUri, TransactionLayer, TransportLayer } from 'offhook/sip'

const { HOST = '127.0.0.1', PORT = '5060', DOMAIN = 'example.com', USERS = '' } = process.env

/** Of each user, where to find them, the first choice first. */
const users = new Map(
  USERS.split(' ').map(entry => {
    const [name = '', places = ''] = entry.split(/=(.*)/s)
    return [name, places.split(',').filter(place => place !== '')] as const
  }),
)

const runtime = createNodeRuntime()
const transport = new TransportLayer({
  runtime,
  listen: (['udp', 'tcp'] as const).map(name => ({ transport: name, host: HOST, port: Number(PORT) })),
})
const { clock, random } = runtime
const transactions = new TransactionLayer({ transport, clock, random })
const proxy = new Proxy({
  transactions,
  transport,
  runtime,
  names: [DOMAIN],
  route: ({ request }) => {
    const { uri } = request
    const ours = uri instanceof SipUri && (uri.host === DOMAIN || uri.host === HOST)
    if (!ours) return { statusCode: 403, reasonPhrase: 'No Relaying' }
    const places = users.get(uri.user ?? '')
    if (places === undefined) return { statusCode: 404 }
    // One after another, 20 seconds each; in a list of their own they would ring together.
    return { targets: places.map(place => ({ uri: place, answerMs: 20_000 })) }
  },
  onError: error => console.error('routing failed:', error),
})

await transport.open()
for (const { transport: name, local } of transport.bound)
  console.log(`${name}://${local.address}:${local.port}`)

process.once('SIGINT', () => {
  proxy.cancelAll()
  console.log(proxy.stats())
  transactions.close()
  void transport.close()
})
