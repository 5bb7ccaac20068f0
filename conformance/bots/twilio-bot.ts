/**
 * A bot for Twilio Media Streams as its authors have it: the Twilio transport of `@openai/agents-extensions`, with nothing of ours.
 *
 *   node twilio-bot.js FOLDER-OF-PACKAGES URL-OF-THE-MODEL
 */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { WebSocketServer, type WebSocket } from 'ws'
import { requireFrom } from '../peers/on-demand.ts'

interface Session {
  connect(options: { apiKey: string; url: string }): Promise<void>
  close(): void
  sendMessage(text: string): void
  on(event: string, listener: (event: never) => void): void
  readonly transport: { requestResponse(): void }
}

interface Sdk {
  readonly RealtimeAgent: new (options: object) => object
  readonly RealtimeSession: new (agent: object, options: object) => Session
  readonly tool: (options: object) => object
}

const [, , folder = '', modelUrl = ''] = process.argv
const { RealtimeAgent, RealtimeSession, tool } = requireFrom(folder, '@openai/agents/realtime') as Sdk
const { TwilioRealtimeTransportLayer } = requireFrom(folder, '@openai/agents-extensions') as {
  TwilioRealtimeTransportLayer: new (options: { twilioWebSocket: WebSocket }) => object
}

const server = createServer()
new WebSocketServer({ server }).on('connection', socket => void talk(socket))
server.listen(0, '127.0.0.1', () =>
  tell({ event: 'listening', port: (server.address() as AddressInfo).port }),
)

async function talk(socket: WebSocket): Promise<void> {
  const hangUp = tool({
    name: 'hang_up',
    description: 'Ends the call.',
    parameters: { type: 'object', properties: {}, required: [], additionalProperties: false },
    execute: async () => {
      // As bots without a word of the platform do it: the goodbye has been heard by then.
      await new Promise(resolve => setTimeout(resolve, 1000))
      socket.close(1000)
      return 'done'
    },
  })
  const agent = new RealtimeAgent({ name: 'Desk', instructions: 'Be brief.', tools: [hangUp] })
  const session = new RealtimeSession(agent, {
    transport: new TwilioRealtimeTransportLayer({ twilioWebSocket: socket }),
    tracingDisabled: true,
  })
  session.on('error', event => console.error(JSON.stringify(event)))
  session.on(
    'transport_event',
    ({ type, message }: { type: string; message?: { event: string; dtmf?: { digit: string } } }) => {
      if (type !== 'twilio_message') return
      if (message?.event === 'dtmf') session.sendMessage(message.dtmf?.digit ?? '')
      tell({ event: `twilio-${message?.event}` })
    },
  )
  await session.connect({ apiKey: 'key', url: modelUrl })
  session.transport.requestResponse()
}

function tell(event: object): void {
  console.log(JSON.stringify(event))
}
