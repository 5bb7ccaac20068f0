import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { tone } from '../../src/media/audio/tones.ts'
import { codecNames } from '../../src/media/codec/catalogue.ts'
import { createLab } from '../../src/testing/lab.ts'
import type { LabEndpointOptions } from '../../src/testing/lab.ts'
import { repositoryRoot } from '../support/repository.ts'

/** Text without the indentation, which differs between the page and this file. */
function flat(text: string): string {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
    .join('\n')
}

const page = readFileSync(join(repositoryRoot, 'docs/codecs.md'), 'utf8')

t.test('every piece of code on the page is in this file, and every codec on the page', async t => {
  const source = flat(readFileSync(join(repositoryRoot, 'test/docs/codecs.test.ts'), 'utf8'))
  const pieces = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1]!)
  t.equal(pieces.length, 4)
  for (const piece of pieces) t.ok(source.includes(flat(piece)), flat(piece).slice(0, 60))
  for (const name of codecNames) t.ok(page.includes(`\`${name}\``), name)
})

t.test('a call with Opus, heard at other rates, that goes on with PCMU', async t => {
  const lab = createLab({ seed: 3, network: { delayMs: 20 } })
  const agent = await lab.endpoint('agent.lab', {
    codecs: ['opus', 'G722', 'PCMU', 'PCMA'],
    opus: { sampleRate: 24_000 },
  })
  const seen: unknown[] = []
  void agent.serve(async call => {
    await call.answer()
    const { codec, input, output } = call.media
    const recogniser = input.at(16_000)
    const synthesis = output.at(24_000)
    seen.push(codec.name, input.sampleRate, recogniser.sampleRate, synthesis.sampleRate)
    void synthesis.play(tone({ sampleRate: 24_000, hz: 3000, durationMs: 4000 }))
    await call.sleep(2000)
    await call.renegotiate({ codecs: ['PCMU'] })
    seen.push(call.media.codec.name, call.media.input.sampleRate)
    await call.ended
  })
  const caller = lab.caller({ codecs: ['opus', 'PCMU'] })
  void caller.call('sip:anyone@agent.lab')
  void caller.hears({ toneHz: 3000 })
  void caller.waits(3000)
  void caller.hears({ toneHz: 3000 })
  void caller.hangup()
  await lab.run()
  t.same(seen, ['opus', 24_000, 16_000, 24_000, 'PCMU', 24_000])
})

t.test('comfort noise for the endpoint, and a call without it', async t => {
  const lab = createLab({ seed: 4, network: { delayMs: 20 } })
  const desk = await lab.endpoint('example.com', { comfortNoise: true })
  const packets: number[] = []
  void desk.serve(async call => {
    await call.answer()
    await call.ended
    packets.push(call.media.stats().packetsReceived)
  })
  const createEndpoint = (options: LabEndpointOptions): ReturnType<typeof lab.endpoint> =>
    lab.endpoint('caller.lab', options)
  await lab.run(async () => {
    const endpoint = await createEndpoint({ codecs: ['PCMU', 'PCMA'], comfortNoise: true })
    const call = await endpoint.call('sip:desk@example.com', { comfortNoise: false })
    await call.sleep(2000)
    await call.hangup()
    const quiet = await endpoint.call('sip:desk@example.com')
    await quiet.sleep(2000)
    await quiet.hangup()
  })
  t.ok(packets[0]! >= 98, 'every packet')
  t.ok(packets[1]! < 20, 'a description of the silence now and then')
})
