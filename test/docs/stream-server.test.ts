import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import {
  plivoSignature,
  plivoStream,
  signStandardWebhook,
  signTelnyxWebhook,
  signVonageToken,
  streamAgent as realStreamAgent,
  streamServer as realStreamServer,
  telnyxControl,
  texmlConnectStream,
  twilioControl,
  twilioRest as realTwilioRest,
  twilioSignature,
  twilioStreamSignature,
  twimlConnectStream,
  verifyPlivoSignature,
  verifyStandardWebhook,
  verifyTelnyxSignature,
  verifyTwilioSignature,
  verifyVonageToken,
  vonageNcco,
} from '../../src/agent/index.ts'
import type {
  Agent,
  StreamAgentOptions,
  StreamCall,
  StreamServerOptions,
  TwilioRestOptions,
} from '../../src/agent/index.ts'
import { runAgent } from '../../src/agent/agent.ts'
import { createLab } from '../../src/testing/lab.ts'
import { describeCall } from '../../src/trace/call-record.ts'
import { Trace } from '../../src/trace/trace.ts'
import { repositoryRoot } from '../support/repository.ts'

/** Text without the indentation, which differs between the page and this file. */
function flat(text: string): string {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
    .join('\n')
}

const TWILIO_AUTH_TOKEN = '12345'
const TELNYX_STREAM_TOKEN = 'token'
const TELNYX_API_KEY = 'key'
const PLIVO_AUTH_TOKEN = 'token'
const VONAGE_SIGNATURE_SECRET = 'secret'
const WEBHOOK_SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'

t.test('every piece of code on the page is in this file', async t => {
  const source = flat(readFileSync(join(repositoryRoot, 'test/docs/stream-server.test.ts'), 'utf8'))
  const page = readFileSync(join(repositoryRoot, 'docs/stream-server.md'), 'utf8')
  const pieces = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1]!)
  t.equal(pieces.length, 7)
  for (const piece of pieces) t.ok(source.includes(flat(piece)), flat(piece).slice(0, 60))
})

t.test('the server, its trace, and an agent by tenant', async t => {
  const lab = createLab()
  lab.resolver.setAddresses('voice.example.com', ['10.8.0.1'])
  const runtime = {
    clock: lab.clock,
    network: lab.network.host('10.8.0.1'),
    random: { bytes: (length: number) => new Uint8Array(length), uint32: () => 1 },
  }
  const streamServer = (options: StreamServerOptions) => realStreamServer({ ...options, runtime })
  const agent: Agent = { run: ({ sleep }) => sleep(500) }
  const acmeAgent: Agent = { run: ({ sleep }) => sleep(1000) }
  const said: string[] = []
  const console = { log: (text: string) => said.push(text) }
  await lab.run(async () => {
    const endpoint = await lab.endpoint('agent.lab')
    const server = await streamServer({
      listen: { host: '0.0.0.0', port: 8080 }, // with tls: { cert, key }, or behind a proxy that has them
      publicUrl: 'wss://voice.example.com', // what the carrier was told: that is what it signs
      streams: [
        {
          path: '/twilio',
          webhook: '/twilio/answer',
          dialect: 'twilio',
          auth: { kind: 'twilio', authToken: TWILIO_AUTH_TOKEN },
          control: twilioControl({ authToken: TWILIO_AUTH_TOKEN }), // for transfer()
        },
        { path: '/telnyx', dialect: 'telnyx', auth: { kind: 'telnyx', streamToken: TELNYX_STREAM_TOKEN } },
      ],
      agent,
      endpoint, // records of these calls go where those of its SIP calls go
    })
    const signature = twilioStreamSignature(TWILIO_AUTH_TOKEN, 'wss://voice.example.com/twilio')
    const connection = await lab.network.host('10.8.0.2').openWebSocket({
      url: 'ws://voice.example.com:8080/twilio',
      headers: { 'X-Twilio-Signature': signature },
    })
    const start = { callSid: 'CA1', streamSid: 'MZ1' }
    connection.send(JSON.stringify({ event: 'start', streamSid: 'MZ1', start }))
    await lab.clock.sleep(1000)
    t.equal(server.stats.started, 1)
    await server.close()
    {
      const trace = new Trace({ endpoint: server, onRecord: record => console.log(describeCall(record)) })
      trace.close()
    }
  })
  t.equal(lab.records[0]?.carrierIds[0]?.value, 'CA1')
  const byTenant = (call: StreamCall): Agent => (call.parameters['tenant'] === 'acme' ? acmeAgent : agent)
  t.equal(byTenant({ parameters: { tenant: 'acme' } } as never), acmeAgent)
  const control = telnyxControl({ apiKey: TELNYX_API_KEY }) // also plivoControl, vonageControl, twilioControl
  t.same(Object.keys(control), ['hangup', 'transfer'])
})

t.test('the checks of signatures', async t => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  const TELNYX_PUBLIC_KEY = publicKey.export({ format: 'pem', type: 'spki' })
  const now = Date.now()
  const body = 'CallSid=CA1'
  const status = 'https://voice.example.com/status'
  const headers = {
    'content-type': 'application/x-www-form-urlencoded',
    'x-twilio-signature': twilioSignature(TWILIO_AUTH_TOKEN, status, { CallSid: 'CA1' }),
    ...signTelnyxWebhook({ privateKey, body, now }),
    'x-plivo-signature-v3-nonce': '1',
    'x-plivo-signature-v3': plivoSignature({
      authToken: PLIVO_AUTH_TOKEN,
      method: 'POST',
      url: status,
      nonce: '1',
      body,
    }),
    authorization: `Bearer ${signVonageToken({ secret: VONAGE_SIGNATURE_SECRET, now, body })}`,
    ...signStandardWebhook({ secret: WEBHOOK_SECRET, id: 'evt_1', body, now }),
  }
  // oxfmt-ignore
  {
    verifyTwilioSignature({ authToken: TWILIO_AUTH_TOKEN, url: 'https://voice.example.com/status', headers, body })
    verifyTelnyxSignature({ publicKey: TELNYX_PUBLIC_KEY, headers, body, now: Date.now() })
    verifyPlivoSignature({ authToken: PLIVO_AUTH_TOKEN, method: 'POST', url: 'https://voice.example.com/status', headers, body })
    verifyVonageToken({ secret: VONAGE_SIGNATURE_SECRET, headers, body, now: Date.now() })
    verifyStandardWebhook({ secret: WEBHOOK_SECRET, headers, body, now: Date.now() })
  }
  t.throws(() => verifyTwilioSignature({ authToken: 'x', url: status, headers, body }), /does not fit/)
})

t.test('the answers to webhooks', async t => {
  const uuid = 'u1'
  const url = 'wss://voice.example.com/twilio'
  const parameters = { tenant: 'acme' }
  const twiml = twimlConnectStream({ url, parameters })
  const texml = texmlConnectStream({ url, parameters, codec: 'PCMA' })
  const plivoXml = plivoStream({ url, parameters, encoding: 'L16', sampleRate: 16_000 })
  const ncco = vonageNcco({ url, parameters: { ...parameters, uuid }, sampleRate: 24_000 }) // uuid lets vonageControl name the call
  for (const answer of [twiml, texml, plivoXml, ncco])
    t.match(answer, /wss:\/\/voice\.example\.com\/twilio[^]*|acme/)
})

t.test('Twilio’s interface', async t => {
  const lab = createLab()
  const runtime = { clock: lab.clock, network: lab.network.host('127.0.0.1') }
  const twilioRest = (options: TwilioRestOptions) => realTwilioRest({ ...options, runtime })
  const streamAgent = (options: StreamAgentOptions) => realStreamAgent({ ...options, runtime })
  await lab.run(async () => {
    const endpoint = await lab.endpoint('agent.lab')
    const accountSid = 'AC00000000000000000000000000000001' // as the bot has it
    const rest = twilioRest({ accountSid, authToken: 'the one the bot has' })
    const bot = streamAgent({
      url: 'wss://bot.example/media',
      dialect: 'twilio',
      ids: { accountId: accountSid },
    })
    const interfaceServer = await rest.listen({ host: '127.0.0.1', port: 8081 })
    const served = runAgent(endpoint, rest.track(bot))
    t.equal(interfaceServer.local.port, 8081)
    await interfaceServer.close()
    await endpoint.close()
    await served
  })
})
