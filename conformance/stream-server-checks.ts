/**
 * One agent serves SIP calls and the WebSockets of carriers, over real sockets: a plain `ws` client plays each carrier in its dialect, with
 * its signature and its quirks, keeps audio as a carrier does and echoes marks when it has played what is before them.
 */

import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import twilio from 'twilio'
import { WebSocket, WebSocketServer } from 'ws'
import { createEndpoint, runAgent } from '../src/index.ts'
import { type Agent, type DialectName, streamAgent, streamServer, twilioRest } from '../src/agent/index.ts'
import { goertzelDbfs } from '../src/media/audio/goertzel.ts'
import { tone } from '../src/media/audio/tones.ts'
import { type CallRecord, Trace } from '../src/trace/index.ts'
import type { Check } from './check.ts'
import { type Carrier, PlayedCarrier, carriers, expect, publicUrl } from './peers/stream-carrier.ts'
import { until, within } from './within.ts'

const here = '127.0.0.1'

export function streamServerChecks(): readonly Check[] {
  return [
    ...carriers.map(carrier => ({
      name: `stream-server-${carrier.dialect}`,
      rfc: 'RFC 6455 5',
      what: `a stream of ${carrier.dialect} and a SIP call, one agent: signature, audio both ways, a digit, barge-in, the end`,
      how: 'a plain WebSocket client',
      run: () => within(20_000, run(carrier), 'done'),
    })),
    {
      name: 'stream-server-twilio-rest',
      rfc: 'RFC 9110 9.3.3',
      what: 'a bot in Twilio’s dialect hangs up with the package of Twilio, over HTTP',
      how: 'the package twilio',
      run: () => within(20_000, runRest(), 'done'),
    },
  ]
}

/** Says 700 Hz until a key is pressed, then clears, says 1,300 Hz for a moment and hangs up. */
function agentFor(told: { playedMs: number; heardDbfs: number }): Agent {
  return {
    async run({ input, output, dtmf, hangup }) {
      const rate = 8000
      const listening = (async () => {
        for await (const { samples } of input.at(rate)) {
          told.heardDbfs = Math.max(told.heardDbfs, goertzelDbfs(samples, rate, 1000))
        }
      })()
      void output.at(rate).write(tone({ sampleRate: rate, hz: 700, durationMs: 20_000 }))
      for await (const { digit } of dtmf()) if (digit === '5') break
      told.playedMs = output.clear().playedMs
      await output.at(rate).write(tone({ sampleRate: rate, hz: 1300, durationMs: 400 }))
      await output.flush()
      await hangup()
      await listening
    },
  }
}

async function run(carrier: Carrier): Promise<void> {
  const { dialect, auth, headers } = carrier
  const told = { playedMs: -1, heardDbfs: -200 }
  const agent = agentFor(told)
  const records: CallRecord[] = []
  const endpoint = await createEndpoint({ listen: [`udp://${here}:0`] })
  void runAgent(endpoint, agent)
  const server = await streamServer({
    listen: { host: here, port: 0 },
    publicUrl,
    streams: [{ path: `/${dialect}`, dialect, auth }],
    agent,
    endpoint,
  })
  const trace = new Trace({ endpoint, onRecord: record => records.push(record) })
  const place = `ws://${here}:${server.local.port}/${dialect}`
  try {
    await refused(place, dialect)
    const stream = new PlayedCarrier(carrier, new WebSocket(place, { headers: headers() }))
    await stream.talk()
    expect(told.heardDbfs > -30, `the agent heard ${told.heardDbfs.toFixed(0)} dBFS of the caller`)
    if (dialect !== 'infobip') {
      // What the carrier had played when it was told to clear.
      const off = Math.abs(told.playedMs - stream.playedAtClearMs)
      expect(off < 120, `${told.playedMs} ms are said to be heard, it was ${stream.playedAtClearMs}`)
    }
    await sipCall(endpoint.listening[0] ?? '')
    await until(() => records.length === 2, 'both records')
    const [streamed, called] = records
    const digits = dialect === 'infobip' ? '' : '5'
    expect(streamed?.personal.digitsReceived === digits, 'the digit in the record of the stream')
    expect(streamed?.ended?.cause === 'hangup', `the stream ended by ${streamed?.ended?.cause}`)
    expect(streamed?.callId.endsWith('CA1') === true, `the carrier's id: ${streamed?.callId}`)
    expect(called?.personal.digitsReceived === '5', 'the record of the SIP call')
  } finally {
    trace.close()
    await server.close()
    await endpoint.close()
  }
}

/** Without what the carrier shows, nobody gets in; Telnyx may show it later. */
async function refused(place: string, dialect: DialectName): Promise<void> {
  const stranger = new WebSocket(place)
  stranger.on('open', () =>
    stranger.send(JSON.stringify(carriers.find(known => known.dialect === dialect)?.start.at(-1))),
  )
  const said = await new Promise<string>(resolve => {
    stranger.on('error', error => resolve(error.message))
    stranger.on('close', code => resolve(`closed with ${code}`))
  })
  const expected = dialect === 'telnyx' ? 'closed with 1008' : '401'
  expect(said.includes(expected), `a stranger got ${said}`)
}

/** The same by SIP. */
async function sipCall(place: string): Promise<void> {
  const phone = await createEndpoint({ listen: [`udp://${here}:0`] })
  try {
    const call = await phone.call(`sip:bot@${place.replace('udp://', '')}`)
    void call.media.output.write(tone({ sampleRate: 8000, hz: 1000, durationMs: 5000 }))
    await hears(call.media.input, 700)
    await call.sendDtmf('5')
    await hears(call.media.input, 1300)
    await call.ended
  } finally {
    await phone.close()
  }
}

async function hears(input: AsyncIterable<{ readonly samples: Int16Array }>, hz: number): Promise<void> {
  let frames = 0
  for await (const { samples } of input) {
    frames += goertzelDbfs(samples, 8000, hz) > -25 ? 1 : 0
    if (frames >= 5) return
  }
  throw new Error(`the SIP caller never heard ${hz} Hz`)
}

/** A bot like Twilio's samples: it hangs up over HTTP, with the package of Twilio. */
async function runRest(): Promise<void> {
  const accountSid = `AC${'7'.repeat(32)}`
  const rest = twilioRest({ accountSid, authToken: 'token' })
  const http = await rest.listen({ host: here, port: 0 })
  const bots = new WebSocketServer({ host: here, port: 0 })
  await once(bots, 'listening')
  const statuses: string[] = []
  bots.on('connection', socket => {
    socket.on('message', data => {
      const { event, start } = JSON.parse((data as Buffer).toString()) as {
        event: string
        start?: { callSid: string }
      }
      if (event !== 'start') return
      const client = twilio(accountSid, 'token', { httpClient: localClient(http.local.port) })
      void (async () => {
        const calls = client.calls(start?.callSid ?? '')
        statuses.push((await calls.fetch()).status)
        statuses.push((await calls.update({ status: 'completed' })).sid)
      })()
    })
  })
  const { port } = bots.address() as AddressInfo
  const endpoint = await createEndpoint({ listen: [`udp://${here}:0`] })
  const bot = streamAgent({ url: `ws://${here}:${port}/`, dialect: 'twilio', ids: { accountId: accountSid } })
  void runAgent(endpoint, rest.track(bot))
  const phone = await createEndpoint({ listen: [`udp://${here}:0`] })
  try {
    const call = await phone.call(`sip:bot@${(endpoint.listening[0] ?? '').replace('udp://', '')}`)
    const { by, cause } = await call.ended
    expect(by === 'remote' && cause === 'hangup', `the call ended by ${by}: ${cause}`)
    await until(() => statuses.length === 2, 'two answers of the interface')
    expect(statuses[0] === 'in-progress' && statuses[1]?.startsWith('CA') === true, statuses.join())
  } finally {
    await phone.close()
    await endpoint.close()
    bots.close()
    await http.close()
  }
}

/** The package's own client, towards this machine instead of api.twilio.com. */
function localClient(port: number): twilio.RequestClient {
  const client = new twilio.RequestClient()
  const ask = client.request.bind(client)
  client.request = options =>
    ask({ ...options, uri: options.uri.replace('https://api.twilio.com', `http://${here}:${port}`) })
  return client
}
