import t from 'tap'
import type { Call } from '../../src/call/call.ts'
import { goertzelDbfs } from '../../src/media/audio/goertzel.ts'
import { tone } from '../../src/media/audio/tones.ts'
import { messageChannel } from '../../src/sip/transport/diagnostics.ts'
import { createLab } from '../../src/testing/lab.ts'
import type { Lab } from '../../src/testing/lab.ts'

/** A call that is up, and all that the callee hears in it. */
async function withCall(
  script: (lab: Lab, caller: Call, callee: Call, heard: number[]) => Promise<void>,
): Promise<void> {
  const lab = createLab({ network: { delayMs: 25 } })
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  await lab.run(async () => {
    let callee: Call | undefined
    const heard: number[] = []
    void agent.serve(async call => {
      const { input } = await call.answer()
      callee = call
      for await (const { samples } of input) heard.push(...samples)
    })
    const caller = await phone.call('sip:agent@agent.lab')
    await caller.sleep(200)
    if (callee === undefined) throw new Error('nobody answered')
    await script(lab, caller, callee, heard)
  })
}

async function hearsTone(lab: Lab, caller: Call, heard: number[]): Promise<boolean> {
  const before = heard.length
  void caller.media.output.write(tone({ sampleRate: 8000, hz: 600, durationMs: 400 }))
  await lab.clock.sleep(600)
  return goertzelDbfs(Int16Array.from(heard.slice(before)).subarray(1600, 2400), 8000, 600) > -25
}

t.test('the codec changes by our offer, and the audio goes on (RFC 3264 §8.3.2)', async t => {
  await withCall(async (lab, caller, callee, heard) => {
    t.equal(caller.media.codec.name, 'PCMU')
    const { input, output } = caller.media
    const changed: string[] = []
    callee.on('media', ({ codec }) => changed.push(codec.name))
    await caller.renegotiate({ codecs: ['PCMA'] })
    t.equal(caller.media.codec.name, 'PCMA')
    t.same(changed, ['PCMA'])
    t.equal(caller.media.input, input)
    t.equal(caller.media.output, output)
    t.ok(await hearsTone(lab, caller, heard))
    await caller.renegotiate({ codecs: ['PCMU', 'PCMA'] })
    t.equal(callee.media.codec.name, 'PCMU')
    t.ok(await hearsTone(lab, caller, heard))
  })
})

t.test('the peer is told another address, and keeps it through a hold (RFC 3264 §8.3.1)', async t => {
  const addresses: string[] = []
  const note = (event: unknown): void => {
    const { direction, bytes } = event as { direction: string; bytes: Uint8Array }
    const text = Buffer.from(bytes).toString('latin1')
    if (direction === 'out' && text.startsWith('INVITE'))
      addresses.push(/^c=IN IP4 (\S+)/m.exec(text)?.[1] ?? '')
  }
  t.teardown(messageChannel.subscribe(note))
  await withCall(async (_lab, caller, callee) => {
    await caller.renegotiate({ address: '203.0.113.9' })
    await caller.hold()
    await caller.resume()
    t.same(addresses.slice(1), ['203.0.113.9', '203.0.113.9', '203.0.113.9'])
    t.equal(callee.state, 'confirmed')
  })
})

t.test('what cannot be offered is refused at once, and the call goes on', async t => {
  await withCall(async (lab, caller, _callee, heard) => {
    await t.rejects(caller.renegotiate({ codecs: ['opus'] }), {
      code: 'SIP_OPTION',
      field: 'codecs',
      message: /PCMU, PCMA/,
    })
    await t.rejects(caller.renegotiate({ codecs: [] }), { name: 'OptionError', field: 'codecs' })
    await t.rejects(caller.renegotiate({ address: 'a\r\nb' }), { name: 'OptionError', field: 'address' })
    t.ok(await hearsTone(lab, caller, heard))
    await caller.hold()
    await caller.resume()
    t.ok(await hearsTone(lab, caller, heard))
  })
})
