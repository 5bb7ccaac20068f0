import t from 'tap'
import { createResponse } from '../../../src/sip/message/build.ts'
import { messageChannel } from '../../../src/sip/transport/diagnostics.ts'
import type { MessageEvent } from '../../../src/sip/transport/diagnostics.ts'
import { requestText, responseText, World } from './world.ts'

t.test(
  'every message in and out is shown with its octets, its flow, its time and the endpoint token',
  async t => {
    const world = new World({ conditions: { delayMs: 10 } })
    const endpoint = { name: 'mine' }
    const layer = await world.layer(world.host('10.0.0.1'), {
      listen: [{ transport: 'udp', host: '10.0.0.1' }],
      endpoint,
    })
    layer.onRequest = (request, flow) => void layer.sendResponse(createResponse(request, 200), flow)
    const peer = await world.rawUdp(world.host('10.0.0.2'))
    const events: MessageEvent[] = []
    const stop = messageChannel.subscribe(event => events.push(event))
    t.teardown(stop)
    peer.say(requestText())
    peer.say('noise')
    peer.say(responseText(requestText(), '200 OK'))
    await world.clock.advance(100)
    t.same(
      events.map(({ direction, at, message }) => [direction, at, message?.kind]),
      [
        ['in', 10, 'request'],
        ['out', 10, 'response'],
        ['in', 10, undefined],
        ['in', 10, 'response'],
      ],
    )
    const [first, answer] = events
    t.equal(Buffer.from(first?.bytes ?? []).toString(), requestText())
    t.equal(first?.endpoint, endpoint)
    t.same([first?.local.port, first?.remote.address, first?.transport], [5060, '10.0.0.2', 'udp'])
    t.equal(Buffer.from(answer?.bytes ?? []).toString(), peer.take()[0])
    stop()
    peer.say(requestText())
    await world.clock.advance(100)
    t.equal(events.length, 4)
    t.same([layer.stats().received, layer.stats().sent], [4, 2])
    await layer.close()
  },
)
