import t from 'tap'
import twilio from 'twilio'
import { encodeAudio } from '../../src/agent/streams/audio-format.ts'
import { goertzelDbfs } from '../../src/media/audio/goertzel.ts'
import type { WebSocketConnection } from '../../src/runtime/web.ts'
import { PCMU } from '../../src/media/codec/g711.ts'
import { tone } from '../../src/media/audio/tones.ts'
import { configOf, dialled, inWorld, serverAddress } from './world.ts'
import type { World } from './world.ts'

const authToken = 'looking-glass'
const publicUrl = 'wss://voice.example.com'

/** Says a tone until the call ends. */
const toneAgent = (hz: number): string => `
const samples = Int16Array.from({ length: 8000 }, (_, i) => 8000 * Math.sin((2 * Math.PI * ${hz} * i) / 8000))
export default {
  async run({ output, signal }) {
    while (!signal.aborted) await output.at(8000).write(samples)
  },
}
`
const files = { 'low.mjs': toneAgent(440), 'high.mjs': toneAgent(1000) }
const streams = `streams:
  host: ${serverAddress}
  port: 8080
  publicUrl: ${publicUrl}
  paths:
    /twilio: { webhook: /answer, dialect: twilio, auth: { kind: twilio, authToken: '\${env:TOKEN}' }, agent: bot }
`
const config = (file: string): string =>
  configOf(`agents: { bot: { module: ./${file}.mjs } }\nroutes: [{ to: { agent: bot } }]\n${streams}`)
const options = { files, env: { TOKEN: authToken } }

/** A carrier's end of a stream. */
class Stream {
  readonly messages: { readonly event: string; readonly media?: { readonly payload: string } }[] = []
  closed: number | undefined
  readonly #connection: WebSocketConnection

  constructor(connection: WebSocketConnection) {
    this.#connection = connection
    connection.onMessage = data => this.messages.push(JSON.parse(String(data)))
    connection.onClose = code => (this.closed = code)
  }

  send(message: object): void {
    this.#connection.send(JSON.stringify(message))
  }

  close(): void {
    this.#connection.close()
  }

  /** A second of a tone. */
  say(hz: number): void {
    const samples = tone({ hz, sampleRate: 8000, durationMs: 1000 })
    for (let at = 0; at < samples.length; at += 160) {
      const payload = Buffer.from(
        encodeAudio({ encoding: 'PCMU', sampleRate: 8000 }, samples.subarray(at, at + 160)),
      )
      this.send({ event: 'media', streamSid: 'MZ1', media: { payload: payload.toString('base64') } })
    }
  }

  /** How loud the last half second of what came is, at a frequency. */
  level(hz: number): number {
    const heard = this.messages
      .flatMap(({ media }) => (media === undefined ? [] : [Buffer.from(media.payload, 'base64')]))
      .slice(-25)
    const octets = Buffer.concat(heard)
    const samples = new Int16Array(octets.length)
    PCMU.decoder().decode(octets, samples)
    return goertzelDbfs(samples, 8000, hz)
  }
}

async function dial({ host }: World, signature?: string): Promise<Stream> {
  const signed = signature ?? twilio.getExpectedTwilioSignature(authToken, `${publicUrl}/twilio`, {})
  const stream = new Stream(
    await host.openWebSocket({
      url: `ws://${serverAddress}:8080/twilio`,
      headers: { 'X-Twilio-Signature': signed },
    }),
  )
  const start = {
    accountSid: 'AC1',
    callSid: 'CA1',
    streamSid: 'MZ1',
    tracks: ['inbound'],
    mediaFormat: { encoding: 'audio/x-mulaw', sampleRate: 8000, channels: 1 },
    customParameters: { from_number: '+15550100' },
  }
  stream.send({ event: 'connected', protocol: 'Call', version: '1.0.0' })
  stream.send({ event: 'start', sequenceNumber: '1', streamSid: 'MZ1', start })
  return stream
}

t.test(
  'one agent has the calls of a carrier’s stream and those by SIP; both are told of and counted',
  async t => {
    await inWorld(
      config('low'),
      async world => {
        const { lab, events, get } = world
        t.match(events, [{ event: 'listening', streams: `ws://${serverAddress}:8080` }])
        const stream = await dial(world)
        const caller = lab.caller()
        await caller.call(dialled)
        await caller.hears({ toneHz: 440 })
        await lab.clock.sleep(500)
        t.ok(stream.level(440) > -20, `${stream.level(440)}`)
        const calls = events.filter(({ event }) => event === 'call')
        t.equal(calls.length, 2)
        const brought = calls.find(call => 'callId' in call && call.callId === 'CA1')
        t.match(brought, { from: 'tel:+15550100' })
        t.match((await get('/metrics')).body, 'offhook_calls{direction="inbound"} 2')
        stream.send({ event: 'stop', streamSid: 'MZ1', stop: { callSid: 'CA1', accountSid: 'AC1' } })
        await lab.clock.sleep(200)
        t.match(events.at(-1), { event: 'ended', direction: 'inbound', ended: { by: 'remote' } })
        const { body } = await get('/metrics')
        t.match(body, 'offhook_calls_taken_total{direction="inbound"} 2')
        t.match(body, 'offhook_calls_ended_total{cause="hangup"} 1')
        t.notMatch(JSON.stringify(events), authToken)
      },
      options,
    )
  },
)

t.test('who does not show who it is gets 403, and is told of', async t => {
  await inWorld(
    config('low'),
    async world => {
      await t.rejects(dial(world, 'guess'), /403/)
      t.match(world.events.at(-1), {
        event: 'error',
        message: /stream to \/twilio was refused \(signature\)/,
      })
      t.match((await world.get('/metrics')).body, 'offhook_streams_refused_total{reason="signature"} 1')
    },
    options,
  )
})

t.test('the webhook sends the carrier to the stream', async t => {
  await inWorld(
    config('low'),
    async ({ host }) => {
      const url = `https://voice.example.com/answer`
      const form = { CallSid: 'CA1' }
      const response = await host.fetch(`http://${serverAddress}:8080/answer`, {
        method: 'POST',
        headers: {
          'Content-Type': 'application/x-www-form-urlencoded',
          'X-Twilio-Signature': twilio.getExpectedTwilioSignature(authToken, url, form),
        },
        body: new URLSearchParams(form).toString(),
      })
      t.equal(response.status, 200)
      t.match(await response.text(), /<Stream url="wss:\/\/voice\.example\.com\/twilio"/)
    },
    options,
  )
})

t.test('a reload holds for new streams; those under way go on; another port takes a restart', async t => {
  await inWorld(
    config('low'),
    async world => {
      const { lab, events, reload } = world
      const first = await dial(world)
      await lab.clock.sleep(500)
      await reload(config('high').replace('8080', '8081'))
      t.match(events.at(-1), { event: 'reloaded', needRestart: ['streams.port'] })
      const second = await dial(world)
      await lab.clock.sleep(1000)
      t.ok(first.level(440) > -20 && first.level(1000) < -40)
      t.ok(second.level(1000) > -20 && second.level(440) < -40)
      await reload(config('high').replace('/twilio:', '/other:'))
      t.match(events.at(-1), { event: 'reloaded', needRestart: [] })
      await t.rejects(dial(world), /404/)
      await reload(configOf('agents: { bot: { module: ./high.mjs } }'))
      t.match(events.at(-1), { event: 'reloaded', needRestart: ['streams.host', 'streams.port'] })
      await t.rejects(dial(world), /404/)
      await lab.clock.sleep(500)
      t.equal(first.closed, undefined)
    },
    options,
  )
})

t.test('a drain waits for the calls of streams, takes no more, and ends them at the limit', async t => {
  await inWorld(
    config('low'),
    async world => {
      const { lab, events, server } = world
      const stream = await dial(world)
      await lab.clock.sleep(500)
      const drained = server.drain(3000)
      t.match(events.at(-1), { event: 'draining', calls: 1 })
      await lab.clock.sleep(2000)
      t.equal(stream.closed, undefined)
      await t.rejects(dial(world), /503/)
      await drained
      await lab.clock.sleep(50)
      t.type(stream.closed, 'number')
      t.match(events.slice(-2), [{ event: 'ended', ended: { by: 'local' } }, { event: 'stopped' }])
    },
    options,
  )
})
