/** The reference for media: as many `node:dgram` sockets as there are calls, each sending back what comes in. */

import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { collectGarbage } from '../harness.ts'
import { beMeasured } from '../support/measured-child.ts'

const sockets = Number(process.argv[2] ?? 1)
const ports: number[] = []
let echoed = 0

collectGarbage()
const { heapUsed, external } = process.memoryUsage()
const heapBefore = heapUsed + external

for (let index = 0; index < sockets; index += 1) {
  const socket = createSocket('udp4')
  socket.on('message', (packet, { port, address }) => {
    echoed += 1
    socket.send(packet, port, address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  ports.push(socket.address().port)
}

beMeasured(ports, () => ({ echoed, heapBefore }))
