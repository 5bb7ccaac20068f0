import t from 'tap'
import { transactionChannel } from '../../../src/sip/transaction/diagnostics.ts'
import type { TransactionEvent } from '../../../src/sip/transaction/diagnostics.ts'
import { TransactionLayer } from '../../../src/sip/transaction/transaction-layer.ts'
import { messageChannel } from '../../../src/sip/transport/diagnostics.ts'
import type { MessageEvent } from '../../../src/sip/transport/diagnostics.ts'
import { seededRandom } from '../../../src/testing/seeded-random.ts'
import { requestText, World } from '../transport/world.ts'

t.test(
  'transactions show their states, and a repeated answer is shown parsed though its object is gone',
  async t => {
    const world = new World()
    const transport = await world.layer(world.host('10.0.0.1'), {
      listen: [{ transport: 'udp', host: '10.0.0.1' }],
    })
    const layer = new TransactionLayer({ transport, clock: world.clock, random: seededRandom(1) })
    layer.onRequest = transaction => transaction.reply(200)
    const peer = await world.rawUdp(world.host('10.0.0.2'))
    const states: TransactionEvent[] = []
    const messages: MessageEvent[] = []
    t.teardown(transactionChannel.subscribe(event => states.push(event)))
    t.teardown(messageChannel.subscribe(event => messages.push(event)))
    peer.say(requestText())
    await world.clock.settle()
    peer.say(requestText())
    await world.clock.advance(40_000)
    t.same(
      states.map(({ side, method, callId, branch }) => [side, method, callId, branch]),
      states.map(() => ['server', 'OPTIONS', 'call-1@10.0.0.2', 'z9hG4bK-peer-1']),
    )
    t.same(
      states.map(({ previous, state }) => [previous, state]),
      [
        [undefined, 'trying'],
        ['trying', 'completed'],
        ['completed', 'terminated'],
      ],
    )
    t.ok(states.every(({ endpoint }) => endpoint === transport))
    t.same(
      messages.map(({ message }) => message?.kind),
      ['request', 'response', 'request', 'response'],
    )
    layer.close()
    await transport.close()
  },
)
