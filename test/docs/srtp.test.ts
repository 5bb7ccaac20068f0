import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createEndpoint as createRealEndpoint, type Endpoint } from '../../src/call/endpoint.ts'
import type { EndpointOptions } from '../../src/call/options.ts'
import { srtpFailures, srtpProfiles } from '../../src/media/srtp/profiles.ts'
import { createLab, type Lab } from '../../src/testing/lab.ts'
import { seededRandom } from '../../src/testing/seeded-random.ts'
import { createSimulatedRuntime } from '../../src/testing/simulated-network.ts'
import { repositoryRoot } from '../support/repository.ts'

/** Text without the indentation, which differs between the page and this file. */
function flat(text: string): string {
  return text
    .split('\n')
    .map(line => line.trim())
    .filter(line => line !== '')
    .join('\n')
}

const page = readFileSync(join(repositoryRoot, 'docs/srtp.md'), 'utf8')

t.test(
  'every piece of code on the page is in this file, and every suite and failure on the page',
  async t => {
    const source = flat(readFileSync(join(repositoryRoot, 'test/docs/srtp.test.ts'), 'utf8'))
    const pieces = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1]!)
    t.equal(pieces.length, 4)
    for (const piece of pieces) t.ok(source.includes(flat(piece)), flat(piece).slice(0, 60))
    for (const name of [...Object.keys(srtpProfiles), ...Object.keys(srtpFailures)])
      t.ok(page.includes(`\`${name}\``), name)
  },
)

/** What `createEndpoint` is on a host of a simulated network, whose certificates are names. */
function onHost(lab: Lab, address: string, name: string): (options: EndpointOptions) => Promise<Endpoint> {
  const host = lab.network.host(address)
  host.certificate = { dnsNames: [name] }
  lab.resolver.setAddresses(name, [address])
  const { clock, resolver } = lab
  const random = seededRandom(address.length)
  const runtime = createSimulatedRuntime({ clock, network: host, random, resolver })
  return options => createRealEndpoint({ ...options, runtime })
}

t.test('a call through a trunk with TLS is protected, and tells how', async t => {
  const lab = createLab({ network: { delayMs: 10 } })
  const [cert, key, password] = ['simulated', 'simulated', 'secret']
  const createGateway = onHost(lab, '10.0.0.2', 'trunk.example')
  const createEndpoint = onHost(lab, '10.0.0.11', 'acme.example')
  const console = { log: (suite: string | undefined) => seen.push(suite) }
  const seen: unknown[] = []
  await lab.run(async () => {
    const gateway = await createGateway({
      listen: ['tls://10.0.0.2:5061'],
      tls: { cert, key },
      srtp: 'optional',
    })
    void gateway.serve(async call => {
      await call.answer()
      await call.ended
    })
    const endpoint = await createEndpoint({
      listen: ['tls://0.0.0.0:5061'],
      tls: { cert, key },
      srtp: 'required',
    })
    const call = await endpoint.call('sip:+15550100@trunk.example', {
      trunk: {
        aor: 'sip:acme@trunk.example',
        outboundProxy: 'sip:trunk.example:5061;transport=tls',
        credentials: { username: 'acme', password },
        srtp: 'required',
      },
    })
    console.log(call.media.encryption) // AES_CM_128_HMAC_SHA1_80
    await call.sleep(500)
    const { suite, failures } = call.media.stats().srtp ?? {}
    seen.push(suite, failures?.authentication)
    await call.hangup()
    const strict = { mode: 'required', suites: ['AEAD_AES_256_GCM', 'AES_256_CM_HMAC_SHA1_80'] } as const
    const outboundProxy = 'sip:trunk.example:5061;transport=tls'
    const trunk = { aor: 'sip:acme@trunk.example', outboundProxy, srtp: strict }
    const another = await endpoint.call('sip:+15550100@trunk.example', { trunk })
    seen.push(another.media.encryption)
    await another.hangup()
    await Promise.all([endpoint.close(), gateway.close()])
  })
  t.same(seen, ['AES_CM_128_HMAC_SHA1_80', 'AES_CM_128_HMAC_SHA1_80', 0, 'AEAD_AES_256_GCM'])
})
