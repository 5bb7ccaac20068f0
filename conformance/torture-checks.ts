/**
 * The torture messages of RFC 4475 and RFC 5118 at a running endpoint, by UDP and by TCP: each gets the answer written down for
 * it, and the endpoint goes on answering. Users that it does not know are refused with 404, so that is the answer where a
 * message has come all the way to the application.
 */

import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { connect } from 'node:net'
import type { Check } from './check.ts'
import { answers as rfc4475Answers } from './rfc4475/answers.ts'
import { torture } from './rfc4475/messages.ts'
import { answers as rfc5118Answers } from './rfc5118/answers.ts'
import { tortureIpv6 } from './rfc5118/messages.ts'

/** The status of the final response, or `none` where the message is dropped. */
export type Answer = number | 'none'

/** What a server makes of a message; `tcp` where a stream makes a difference. */
export interface AnswerRow {
  readonly answer: Answer
  readonly tcp?: Answer
  /** Where the RFC leaves a choice, or the answer is not what its text suggests. */
  readonly why?: string
}

interface Message {
  readonly section: string
  readonly name: string
  readonly bytes: Buffer
}

/** The most messages of one branch, by both transports. */
export const endpointsNeeded = 8

const transports = ['udp', 'tcp'] as const
type Transport = (typeof transports)[number]

/** Where we send from. Not 127.0.0.1, as answers go to the ports that the messages name, 5060 above all. */
const us = '127.0.0.77'
const namedPorts = [5050, 5060, 5070, 6050, 19_823]
/** How long something that is to be dropped is given to be answered after all, and something else at the most. */
const quietMs = 250
const patienceMs = 5000

/**
 * `portsOf` gives the port of one of `endpointsNeeded` endpoints: some messages have the same branch, and each of them came by the
 * other transport before, so that one endpoint would take the later ones for repeated.
 */
export function tortureChecks(portsOf: (index: number) => number): Check[] {
  // One after the other: many of them have the same ids.
  let last: Promise<unknown> = Promise.resolve()
  const inTurn = (run: () => Promise<void>): Promise<void> => {
    const next = last.then(run)
    last = next.catch(() => undefined)
    return next
  }
  const seen = new Map<string, number>()
  const checksOf = (
    rfc: string,
    messages: readonly Message[],
    answers: Readonly<Record<string, AnswerRow>>,
  ): Check[] =>
    messages.flatMap(({ section, name, bytes }) =>
      transports.map(transport => {
        const row = answers[name]
        const key = `${bytes.toString('latin1').split(' ', 1)[0]} ${topVia(bytes)}`
        const earlier = seen.get(key) ?? 0
        seen.set(key, earlier + 1)
        const port = portsOf(earlier)
        const wanted = (transport === 'tcp' ? row?.tcp : undefined) ?? row?.answer
        return {
          name: `torture-${name}-${transport}`,
          rfc: `${rfc} ${section}`,
          what: `${name}: ${wanted === 'none' ? 'dropped' : `answered ${wanted}`}, and OPTIONS behind it 200`,
          how: `a socket of our own, ${transport.toUpperCase()}`,
          run: () =>
            inTurn(async () => {
              if (wanted === undefined) throw new Error(`${name} has no answer written down`)
              const found = await deliver(bytes, transport, port, wanted === 'none' ? quietMs : patienceMs)
              if (found !== wanted) throw new Error(`${name}: ${found}, not ${wanted}`)
              const alive = await deliver(ping(transport), transport, port, patienceMs)
              if (alive !== 200) throw new Error(`OPTIONS behind ${name}: ${alive}`)
            }),
        }
      }),
    )
  return [
    ...checksOf('RFC 4475', torture, rfc4475Answers),
    ...checksOf('RFC 5118', tortureIpv6, rfc5118Answers),
  ]
}

function topVia(bytes: Buffer): string {
  return /^v(?:ia)?[ \t]*:\s*([^\r\n]*)/im.exec(bytes.toString('latin1'))?.[1] ?? ''
}

let pings = 0

function ping(transport: Transport): Buffer {
  pings += 1
  const lines = [
    'OPTIONS sip:127.0.0.1 SIP/2.0',
    `Via: SIP/2.0/${transport.toUpperCase()} ${us}:5060;branch=z9hG4bK-ping-${process.pid}-${pings};rport`,
    'Max-Forwards: 70',
    `From: <sip:ping@${us}>;tag=${pings}`,
    'To: <sip:127.0.0.1>',
    `Call-ID: ping-${process.pid}-${pings}`,
    'CSeq: 1 OPTIONS',
    'Content-Length: 0',
  ]
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
}

/** Sends it and gives the final response's status. */
function deliver(bytes: Buffer, transport: Transport, port: number, withinMs: number): Promise<Answer> {
  return transport === 'udp' ? deliverUdp(bytes, port, withinMs) : deliverTcp(bytes, port, withinMs)
}

async function deliverUdp(bytes: Buffer, port: number, withinMs: number): Promise<Answer> {
  const sockets = await Promise.all([0, ...namedPorts].map(bind))
  try {
    return await new Promise<Answer>(resolve => {
      const timer = setTimeout(() => resolve('none'), withinMs)
      for (const socket of sockets) {
        socket.on('message', data => {
          const status = finalStatus(data.toString('latin1'), bytes)
          if (status === undefined) return
          clearTimeout(timer)
          resolve(status)
        })
      }
      sockets[0]?.send(bytes, port, '127.0.0.1')
    })
  } finally {
    for (const socket of sockets) socket.close()
  }
}

async function bind(port: number): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.bind(port, us)
  await once(socket, 'listening')
  return socket
}

async function deliverTcp(bytes: Buffer, port: number, withinMs: number): Promise<Answer> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: us })
  try {
    await once(socket, 'connect')
    return await new Promise<Answer>(resolve => {
      const timer = setTimeout(() => resolve('none'), withinMs)
      let text = ''
      const settle = (answer: Answer): void => {
        clearTimeout(timer)
        resolve(answer)
      }
      socket.on('data', data => {
        text += data.toString('latin1')
        const status = finalStatus(text, bytes)
        if (status !== undefined) settle(status)
      })
      // Closed on us, which is an answer too: the stream cannot be read on.
      socket.on('close', () => settle(finalStatus(text, bytes) ?? 'none'))
      socket.on('error', () => undefined)
      socket.write(bytes)
    })
  } finally {
    socket.destroy()
  }
}

/** Of the response to that message: refused INVITEs before it are answered once more meanwhile. */
function finalStatus(text: string, message: Buffer): number | undefined {
  const asked = message.toString('latin1')
  const callId = /^(?:call-id|i)[ \t]*:\s*(\S+)/im.exec(asked)?.[1]
  for (const response of text.split(/(?=^SIP\/2\.0 )/m)) {
    const status = /^SIP\/2\.0 ([2-6]\d\d) /.exec(response)?.[1]
    if (status !== undefined && (callId === undefined || response.includes(callId))) return Number(status)
  }
  return undefined
}
