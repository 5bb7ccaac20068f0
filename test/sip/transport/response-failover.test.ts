import t from 'tap'
import { createResponse } from '../../../src/sip/message/build.ts'
import type { SipRequest } from '../../../src/sip/message/message.ts'
import type { Flow } from '../../../src/sip/transport/flow.ts'
import { World, requestText, startLine } from './world.ts'

t.test(
  'a response whose connection is gone: where it came from, then the servers of the sent-by (RFC 3263 §5)',
  async t => {
    const world = new World()
    const layer = await world.layer(world.host('10.0.0.1'), {
      listen: [{ transport: 'tcp', host: '10.0.0.1' }],
    })
    const received: { request: SipRequest; flow: Flow }[] = []
    layer.onRequest = (request, flow) => received.push({ request, flow })
    const caller = await world.connect(world.host('10.0.0.2'))
    caller.say(requestText({ via: 'SIP/2.0/TCP proxy.test;branch=z9hG4bK1' }))
    await world.clock.settle()
    caller.connection.destroy()
    await world.clock.advance(100)
    world.resolver.setSrv('_sip._tcp.proxy.test', [
      { host: 'one.test', port: 5080, priority: 1 },
      { host: 'two.test', port: 5090, priority: 2 },
    ])
    world.resolver.setAddresses('one.test', ['10.0.0.3'])
    world.resolver.setAddresses('two.test', ['10.0.0.4'])
    world.host('10.0.0.3')
    const second = await world.rawListener(world.host('10.0.0.4'), 5090)
    const [first] = received
    if (first === undefined) throw new Error('no request came')
    const sent = layer.sendResponse(createResponse(first.request, 486, { toTag: 'x' }), first.flow)
    await world.clock.runFor(Promise.resolve(sent))
    await world.clock.advance(100)
    t.equal(startLine(second.connections[0]?.take() ?? ''), 'SIP/2.0 486 Busy Here')
    await second.close()
    await layer.close()
  },
)
