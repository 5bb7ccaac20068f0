/**
 * A stateful proxy for the checks, on the public toolkit: the dialled user names the ports of 127.0.0.1 it sends to. `to-5070` is
 * one target, `all-5070-5072` two that ring together, `each-5070-5072` two that ring one after the other.
 */

import { parseArgs } from 'node:util'
import { createNodeRuntime } from '../src/index.ts'
import { Proxy, SipUri, TransactionLayer, TransportLayer } from '../src/sip/index.ts'

const { values } = parseArgs({ options: { port: { type: 'string', default: '5060' } } })
const runtime = createNodeRuntime()
const { clock, random } = runtime
const port = Number(values.port)
const transport = new TransportLayer({
  runtime,
  listen: (['udp', 'tcp'] as const).map(name => ({ transport: name, host: '127.0.0.1', port })),
})
const transactions = new TransactionLayer({ transport, clock, random })
const proxy = new Proxy({
  transactions,
  transport,
  runtime,
  route: ({ request, flow }) => {
    const { uri } = request
    const [how, ...ports] = (uri.kind === 'sip' ? (uri.user ?? '') : '').split('-')
    const targets = ports.map(to => ({
      uri: new SipUri({
        user: 'sipp',
        host: '127.0.0.1',
        port: Number(to),
        params: { transport: flow.transport },
      }),
      answerMs: 2000,
    }))
    return how === 'all' ? { targets: [targets] } : { targets }
  },
})

process.on('SIGINT', () => {
  console.log(JSON.stringify({ event: 'stopped', ...proxy.stats() }))
  transactions.close()
  void transport.close()
})
await transport.open()
console.log(JSON.stringify({ event: 'listening' }))
