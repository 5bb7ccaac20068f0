import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createEndpoint as createRealEndpoint, type Endpoint } from '../../src/call/endpoint.ts'
import type { EndpointOptions } from '../../src/call/options.ts'
import { DtmfDetector, dtmfTone } from '../../src/media/audio/index.ts'
import { createLab, type Lab } from '../../src/testing/lab.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { createSimulatedRuntime } from '../../src/testing/simulated-network.ts'
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

const page = readFileSync(join(repositoryRoot, 'docs/dtmf.md'), 'utf8')

t.test(
  'every piece of code on the page is in this file, and the limits on the page are those of the tests',
  async t => {
    const source = flat(readFileSync(join(repositoryRoot, 'test/docs/dtmf.test.ts'), 'utf8'))
    const pieces = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1]!)
    t.equal(pieces.length, 6)
    for (const piece of pieces) t.ok(source.includes(flat(piece)), flat(piece).slice(0, 60))
    for (const text of ['1.5 %', '3.5 %', '40 ms', '-25', '+4', '-8', '15 dB'])
      t.ok(page.includes(text), text)
  },
)

/** What `createEndpoint` is on a host of a simulated network. */
function onHost(lab: Lab, address: string, name: string): (options: EndpointOptions) => Promise<Endpoint> {
  lab.resolver.setAddresses(name, [address])
  const { clock, resolver } = lab
  const random = seededRandom(address.length)
  const runtime = createSimulatedRuntime({ clock, network: lab.network.host(address), random, resolver })
  return options => createRealEndpoint({ ...options, runtime })
}

t.test('what is on the page runs: digits by every road, once each, masked in the trace', async t => {
  const lab = createLab({ seed: 5, network: { delayMs: 20, jitterMs: 10 } })
  const createEndpoint = onHost(lab, '10.1.0.1', 'trunk.example')
  const callee = onHost(lab, '10.1.0.2', 'phone.example')
  const entered: string[] = []
  let digits = ''
  await lab.run(async () => {
    const endpoint = await createEndpoint({
      listen: ['udp://0.0.0.0:5060'],
      dtmf: { receive: ['rtp', 'info', 'inband'], send: 'auto', inband: 'auto' },
    })
    const trace = new Trace({ endpoint, maskDigits: true })
    void endpoint.serve(async call => {
      await call.answer({ dtmf: { inband: 'always' } })
      call.on('dtmfStart', () => call.media.output.clear()) // the key is still down: stop talking
      for await (const { digit, via, durationMs } of call.dtmf()) {
        if (digit === '#') break
        entered.push(`${digit} by ${via}, ${durationMs} ms`)
      }
      for await (const { digit } of call.dtmf()) digits += digit
    })
    const caller = await callee({ listen: ['udp://0.0.0.0:5060'] })
    {
      const endpoint = caller
      const call = await endpoint.call('sip:+15550100@trunk.example', {
        dtmf: { inband: 'always', send: 'rtp' },
      })
      await call.sendDtmf('4711#') // 160 ms each, 80 ms between
      await call.sendDtmf('w2,3', { durationMs: 100, gapMs: 60, volumeDbm0: -8 }) // w and , wait half a second
      await call.sendDtmf('!', { durationMs: 300 }) // hook flash: event 16
      await call.sendDtmf('5', { durationMs: 10_000 }) // a long tone
      await call.sendDtmf('99', { via: 'inband' })
      await call.sleep(500)
      await call.hangup()
    }
    t.match(trace.record(trace.calls[0] ?? ''), { personal: { digitsReceived: '*'.repeat(11) } })
    t.match(trace.ladder(trace.calls[0] ?? ''), /digit \* received \(10000 ms\)/)
    trace.close()
    await Promise.all([endpoint.close(), caller.close()])
  })
  t.same(
    entered,
    ['4', '7', '1', '1'].map(digit => `${digit} by rtp, 160 ms`),
  )
  t.equal(digits, '23!599')
})

t.test('the detector and the generator by themselves', async t => {
  const detector = new DtmfDetector({ sampleRate: 8000 })
  const key = dtmfTone('7', { sampleRate: 8000, durationMs: 100, volumeDbm0: -10 })
  const tones = [...detector.push(key, 0), ...detector.flush()]
  t.match(tones, [
    { kind: 'start', digit: '7' },
    { kind: 'end', digit: '7' },
  ])
})
