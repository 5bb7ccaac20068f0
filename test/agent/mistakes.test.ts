import t from 'tap'
import { runAgent } from '../../src/agent/agent.ts'
import { streamAgent } from '../../src/agent/streams/client.ts'
import { createEndpoint } from '../../src/call/endpoint.ts'
import { createTrunk } from '../../src/call/trunks/carrier-trunk.ts'
import { trunks } from '../../src/call/trunks/options.ts'
import { createLab } from '../../src/testing/lab.ts'

/** What JavaScript lets through and a newcomer gives: the field is named, with what to give instead. */
t.test('what is easily given wrong is named', async t => {
  const lab = createLab()
  const endpoint = await lab.endpoint('agent.lab')
  const carrier = createTrunk(endpoint, trunks.generic({ hosts: ['carrier.lab'] }))
  const rows: readonly (readonly [field: string, message: RegExp, mistake: () => unknown])[] = [
    ['agent', /an object with run\(session\)/, () => runAgent(endpoint, {} as never)],
    ['agent', /an object with run\(session\)/, () => runAgent(endpoint, undefined as never)],
    ['options', /what a preset makes/, () => createTrunk(endpoint, { host: 'carrier.lab' } as never)],
    ['options', /what a preset makes/, () => createTrunk(endpoint, undefined as never)],
    ['trunk', /call by its call/, () => endpoint.call('sip:a@carrier.lab', { trunk: carrier as never })],
    ['codecs', /it is no list/, () => lab.endpoint('other.lab', { codecs: 'PCMU' as never })],
    ['aor', /give sip:USER@HOST/, () => endpoint.register({ user: 'a' } as never)],
    ['tls.cert', /it is missing, and tls:/, () => createEndpoint({ listen: ['tls://127.0.0.1:0'] })],
    ['url', /give ws:/, () => streamAgent({ url: 'https://bot.lab', dialect: 'twilio' })],
    ['url', /give ws:/, () => streamAgent({ dialect: 'twilio' } as never)],
  ]
  await lab.run(async () => {
    for (const [field, message, mistake] of rows)
      await t.rejects(
        async () => {
          await mistake()
        },
        { code: 'SIP_OPTION', field, message },
        `${field}: ${mistake.toString()}`,
      )
  })
  await endpoint.close()
})

t.test('a function that picks no agent refuses the call, and says why', async t => {
  const lab = createLab()
  const endpoint = await lab.endpoint('agent.lab')
  const told: string[] = []
  endpoint.on('error', ({ message }) => told.push(message))
  void runAgent(endpoint, () => undefined as never)
  const phone = await lab.endpoint('phone.lab')
  await lab.run(async () => {
    await t.rejects(phone.call('sip:a@agent.lab'), { code: 'SIP_RESPONSE', statusCode: 500 })
  })
  t.match(told, [/an object with run\(session\)/])
})
