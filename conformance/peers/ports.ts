import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** A UDP port of 127.0.0.1 that was free a moment ago, for a program that cannot choose one itself. */
export async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}

/** A port of 127.0.0.1 that was free a moment ago for both transports. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = await freeUdpPort()
    if (!(await isTaken('tcp', port))) return port
  }
}

/** Resolves when some program listens on that port of 127.0.0.1; rejects after that time. */
export async function untilTaken(transport: 'udp' | 'tcp', port: number, withinMs = 5000): Promise<void> {
  for (const start = performance.now(); performance.now() - start < withinMs;) {
    if (await isTaken(transport, port)) return
    await new Promise(resolve => setTimeout(resolve, 25))
  }
  throw new Error(`Nothing listens on ${transport} port ${port}`)
}

async function isTaken(transport: 'udp' | 'tcp', port: number): Promise<boolean> {
  return transport === 'udp' ? isUdpTaken(port) : isTcpTaken(port)
}

function isUdpTaken(port: number): Promise<boolean> {
  const socket = createSocket('udp4')
  return new Promise(resolve => {
    socket.once('error', () => resolve(true))
    socket.bind(port, '127.0.0.1', () => socket.close(() => resolve(false)))
  })
}

function isTcpTaken(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise(resolve => {
    server.once('error', () => resolve(true))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(false)))
  })
}
