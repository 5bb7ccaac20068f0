import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compileFunction } from 'node:vm'
import t from 'tap'
import { Endpoint } from '../../src/call/endpoint.ts'
import type { EndpointOptions } from '../../src/call/options.ts'
import { carriers } from '../../src/call/trunks/carriers.ts'
import type { CarrierName } from '../../src/call/trunks/carriers.ts'
import { adviceFor } from '../../src/call/trunks/advice.ts'
import * as offhook from '../../src/index.ts'
import { createLab } from '../../src/testing/lab.ts'
import type { Lab } from '../../src/testing/lab.ts'
import { endpointOn, ourAddress } from '../call/trunks/scene.ts'
import { CarrierStandIn, password } from '../call/trunks/stand-in.ts'
import { standIns } from '../call/trunks/stand-ins.ts'
import type { StandIn } from '../call/trunks/stand-ins.ts'
import { repositoryRoot } from '../support/repository.ts'

const folder = join(repositoryRoot, 'docs', 'carriers')

/** What a snippet leaves behind. */
interface Left {
  readonly endpoint?: Endpoint
  readonly trunk?: offhook.CarrierTrunk
  readonly group?: offhook.TrunkGroup
  readonly call?: offhook.Call
}

/** Runs a piece of a page as it stands there, on a network in memory. Its imports are the package's. */
async function run(
  piece: string,
  lab: Lab,
  printed: unknown[],
  names: readonly (keyof Left)[],
): Promise<Left> {
  const imports = [...piece.matchAll(/^import \{([^}]+)\} from 'offhook'$/gm)]
    .flatMap(([, list = '']) => list.split(','))
    .map(name => name.trim())
  const code = piece.replaceAll(/^import .*$/gm, '')
  const createEndpoint = async (options: EndpointOptions): Promise<Endpoint> => {
    const { runtime } = endpointOn(lab, ourAddress, 'us.example')
    const endpoint = new Endpoint({
      ...options,
      ...(runtime === undefined ? {} : { runtime }),
      rtp: { timeoutMs: 0 },
    })
    await endpoint.open()
    return endpoint
  }
  const given: Record<string, unknown> = {
    process: { env: { OFFHOOK_PASSWORD: password } },
    console: { log: (...values: unknown[]) => printed.push(...values) },
    cert: 'simulated',
    key: 'simulated',
  }
  for (const name of imports)
    given[name] = name === 'createEndpoint' ? createEndpoint : (offhook as Record<string, unknown>)[name]
  const there = names.filter(name => new RegExp(`^const ${name} =`, 'm').test(code))
  const play = compileFunction(
    `return (async () => {${code}\nreturn { ${there.join(', ')} }})()`,
    Object.keys(given),
  )
  return (play as (...values: unknown[]) => Promise<Left>)(...Object.values(given))
}

function pieces(page: string): readonly string[] {
  return [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1]!)
}

/** The carrier of a page, at the first host the page names. */
async function standIn(lab: Lab, data: StandIn, piece: string): Promise<CarrierStandIn> {
  const list = /hosts: \['([^':]+)/.exec(piece)?.[1]
  const account = /account: '([^']+)'/.exec(piece)?.[1] ?? ''
  const edge = /edges: \['([^']+)/.exec(piece)?.[1]
  const { edges, anyEdge } = carriers[data.carrier]
  const template = edge === undefined ? Object.values(edges)[0] : (edges[edge] ?? anyEdge)
  const host = list ?? template!.replace('{account}', account).replace('{edge}', edge ?? '')
  return CarrierStandIn.open({ data, host, ourAddress, endpoint: endpointOn(lab, '10.1.0.1', host) })
}

t.test('there is a page for each carrier, whose links lead somewhere', async t => {
  const pages = readdirSync(folder)
  t.same(
    pages,
    Object.keys(carriers)
      .map(name => `${name}.md`)
      .toSorted(),
  )
  const overview = readFileSync(join(repositoryRoot, 'docs', 'trunks.md'), 'utf8')
  for (const page of pages) {
    t.ok(overview.includes(`](carriers/${page})`), `trunks.md leads to ${page}`)
    for (const [, path = ''] of readFileSync(join(folder, page), 'utf8').matchAll(/\]\((?!https?:)([^)#]+)/g))
      t.ok(existsSync(join(folder, path)), `${page}: ${path}`)
  }
})

for (const data of standIns) {
  const { carrier: name } = data
  const page = readFileSync(join(folder, `${name}.md`), 'utf8')
  const [outbound, inbound] = pieces(page)

  t.test(`${name}: the call on its page is answered`, async t => {
    const lab = createLab({ network: { delayMs: 10 } })
    const printed: unknown[] = []
    const carrier = await standIn(lab, data, outbound!)
    await lab.run(async () => {
      const { endpoint, trunk, call } = await run(outbound!, lab, printed, ['endpoint', 'trunk', 'call'])
      t.equal(call?.state, 'confirmed')
      t.equal(carrier.calls.length, 1)
      await call?.hangup()
      await trunk?.close()
      await Promise.all([endpoint?.close(), carrier.endpoint.close()])
    })
  })

  if (inbound !== undefined)
    t.test(`${name}: its calls are taken as the page says, and others are not`, async t => {
      const lab = createLab({ network: { delayMs: 10 } })
      const printed: unknown[] = []
      const [source] = /sources: \['([\d.]+)/.exec(inbound)?.slice(1) ??
        carriers[name].sources ?? ['10.1.0.1']
      const address = source!.replace(/\.0(?:\/\d+)?$/, '.1').replace(/\/\d+$/, '')
      const theirs = new Endpoint(endpointOn(lab, address, 'carrier.example'))
      const stranger = new Endpoint(endpointOn(lab, '10.2.0.9', 'stranger.example'))
      await Promise.all([theirs.open(), stranger.open()])
      await lab.run(async () => {
        const { endpoint } = await run(inbound, lab, printed, ['endpoint'])
        await t.rejects(stranger.call('sip:+15550199@us.example', { ringTimeoutMs: 60_000 }), t.name)
        const trunk = inbound.includes('digest')
          ? { trunk: { aor: 'sip:+15550100@us.example', credentials: { username: 'room', password } } }
          : { from: 'sip:+15550100@us.example' }
        const call = await theirs.call('sip:+15550199@us.example', trunk)
        t.same(printed, [/^ +name: '(\w+)'/m.exec(inbound)?.[1] ?? name, '+15550100'])
        await call.hangup()
        await Promise.all([endpoint?.close(), theirs.close(), stranger.close()])
      })
    })
}

t.test('the pieces on the page about trunks run one after the other', async t => {
  const page = readFileSync(join(repositoryRoot, 'docs', 'trunks.md'), 'utf8')
  const lab = createLab({ network: { delayMs: 10 } })
  const [twilio, telnyx] = (['twilio', 'telnyx'] as const).map(name =>
    standIns.find(({ carrier }: { readonly carrier: CarrierName }) => carrier === name)!,
  )
  const hosts = ['acme.pstn.ashburn.twilio.com', 'sip.telnyx.com'] as const
  const printed: unknown[] = []
  const first = await CarrierStandIn.open({
    data: twilio!,
    host: hosts[0],
    ourAddress,
    endpoint: endpointOn(lab, '10.1.0.1', hosts[0]),
  })
  const second = await CarrierStandIn.open({
    data: telnyx!,
    host: hosts[1],
    ourAddress,
    endpoint: endpointOn(lab, '10.1.0.2', hosts[1]),
  })
  const parts = pieces(page).filter(
    piece => piece.includes('createTrunk') || /^(?:const group|try|trunk\.on)/m.test(piece),
  )
  t.equal(parts.length, 4)
  await lab.run(async () => {
    const { endpoint, trunk } = await run(`${parts.join('\n')}\nawait backup.close()`, lab, printed, [
      'endpoint',
      'trunk',
    ])
    await trunk?.close()
    await Promise.all([endpoint?.close(), first.endpoint.close(), second.endpoint.close()])
  })
  t.match(printed, ['up', 'twilio', 'twilio', 'twilio', /486 Busy Here/])
  for (const status of [403, 404, 503]) t.ok(page.includes(String(status)) && adviceFor(status) !== undefined)
})
