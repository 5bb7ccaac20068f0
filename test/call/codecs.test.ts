import t from 'tap'
import { createEndpoint } from '../../src/call/endpoint.ts'
import type { IncomingCall } from '../../src/call/incoming-call.ts'
import { createLab } from '../../src/testing/lab.ts'

for (const [codecs, message] of [
  [['silk'], /codecs: "silk" is not a codec Offhook has; it has PCMU, PCMA, G722, opus/],
  [['L16'], /say which: L16\/8000/],
  [[], /name at least one codec/],
] as const)
  t.test(`an endpoint with codecs ${JSON.stringify(codecs)} is refused before it opens a port`, async t => {
    await t.rejects(createEndpoint({ listen: ['udp://127.0.0.1:0'], codecs }), {
      code: 'SIP_OPTION',
      field: 'codecs',
      message,
    })
  })

t.test('an option of Opus that makes no sense is refused by name', async t => {
  const options = { listen: ['udp://127.0.0.1:0'], codecs: ['opus'], opus: { bitrate: 1 } }
  await t.rejects(createEndpoint(options), { code: 'SIP_OPTION', field: 'opus.bitrate' })
})

t.test('the order of the caller counts, and names are taken in any case', async t => {
  const lab = createLab({ seed: 2 })
  const callee = await lab.endpoint('callee.lab', { codecs: ['pcmu', 'OPUS', 'g722'] })
  const caller = await lab.endpoint('caller.lab', { codecs: ['PCMA', 'G722', 'opus'] })
  const answered: string[] = []
  void callee.serve(async (call: IncomingCall) => {
    await call.answer()
    answered.push(call.media.codec.name)
    await call.ended
  })
  await lab.run(async () => {
    const call = await caller.call('sip:a@callee.lab')
    t.match(call.media.codec, { name: 'G722', clockRate: 8000 })
    t.equal(call.media.input.sampleRate, 16_000)
    await call.hangup()
    const other = await caller.call('sip:a@callee.lab', { codecs: ['OpUs', 'G722'] })
    t.match(other.media.codec, { name: 'opus', clockRate: 48_000, channels: 2 })
    t.equal(other.media.input.sampleRate, 24_000)
    await other.hangup()
    await t.rejects(caller.call('sip:a@callee.lab', { codecs: ['silk'] }), {
      message: /"silk" is not a codec/,
    })
  })
  t.same(answered, ['G722', 'opus'])
})
