import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import * as fc from 'fast-check'
import t from 'tap'
import { describeEvent } from '../../src/serve/events.ts'
import { fillIn, Redactor } from '../../src/serve/secrets.ts'
import type { FoundProblem } from '../../src/serve/problems.ts'
import { configOf, dialled, inWorld } from './world.ts'

function filled(value: unknown, env: Readonly<Record<string, string>>): unknown {
  const problems: FoundProblem[] = []
  const result = fillIn(value, { env, folder: '.', redactor: new Redactor(), problems })
  t.same(problems, [])
  return result
}

t.test('secrets come out of the environment, alone or within a text, and $${ stands for itself', t => {
  const env = { A: 'alpha', B: 'b$&b' }
  t.same(filled({ x: ['${env:A}', 'say ${env:A}-${env:B}'], y: { z: 7, n: null } }, env), {
    x: ['alpha', 'say alpha-b$&b'],
    y: { z: 7, n: null },
  })
  t.equal(filled('$${env:A} costs $5', env), '${env:A} costs $5')
  t.end()
})

t.test('whatever a secret is, nothing of it is left of a text', t => {
  fc.assert(
    fc.property(fc.string({ minLength: 6 }), fc.string(), fc.string(), (secret, before, after) => {
      if ('***'.includes(secret)) return
      const redactor = new Redactor()
      redactor.add(secret)
      const parts = [before, secret, after].join(' ')
      const said = redactor.text(parts)
      if (said.includes(secret) && !`${before}***${after}`.includes('*')) throw new Error(said)
      const url = redactor.text(`wss://bot/?key=${encodeURIComponent(secret)}&x=1`)
      if (url !== 'wss://bot/?key=***&x=1' && !'wss://bot/?key=&x=1'.includes(secret)) throw new Error(url)
      const json = redactor.text(JSON.stringify({ value: secret }))
      if (json !== '{"value":"***"}' && !'{"value":""}'.includes(secret)) throw new Error(json)
    }),
  )
  t.end()
})

t.test('a short secret is taken out where it stands alone, and leaves words as they are', t => {
  const redactor = new Redactor()
  redactor.add('abc')
  t.equal(redactor.text('token abc, not abcd'), 'token ***, not abcd')
  t.same(redactor.value({ error: new Error('abc'), list: ['x=abc'] }), { error: '***', list: ['x=***'] })
  t.end()
})

const secrets = {
  BOT_KEY: 'b0t-k3y/with+signs',
  TOKEN: 'tw1l10-t0ken',
  PASSWORD: 'pa55-"word"-of-trunk',
  NEXT: 'another-s3cret',
}

const config = (key: string): string =>
  configOf(`agents:
  bot:
    url: 'ws://bot.lab/call?key=\${env:${key}}'
    dialect: twilio
    authToken: '\${env:TOKEN}'
    headers: { Authorization: 'Bearer \${file:bearer.txt}' }
  unreachable: { url: 'ws://nobody.lab/?key=\${env:${key}}', dialect: offhook }
trunks:
  a:
    preset: generic
    hosts: [sbc.lab]
    credentials: { username: acme, password: '\${env:PASSWORD}' }
    health: { intervalMs: 1000, timeoutMs: 200 }
routes:
  - { match: { dialled: 'bad*' }, to: { agent: unreachable } }
  - { to: { agent: bot } }
traces: { folder: traces, records: true }
recording: { folder: sound }`)

t.test('no secret is in anything that is said or written, whatever goes wrong', async t => {
  const said: string[] = []
  await inWorld(
    config('BOT_KEY'),
    async ({ lab, bots, events, get, folder, reload, server }) => {
      const callAndHear = async (target: string): Promise<void> => {
        const caller = lab.caller()
        await caller.call(target)
        await caller.waits(500)
        const { connection } = bots.at(-1) ?? {}
        // A bot that says what it knows.
        connection?.close(1011, `bad key ${secrets.BOT_KEY} in the header s3cr3t-b34r3r`)
        await caller.isHungUp()
        await caller.waits(1_000)
      }
      await callAndHear(dialled)
      t.equal(bots[0]?.request.url, `/call?key=${secrets.BOT_KEY}`, 'the bot gets it')
      t.equal(bots[0]?.request.headers.get('authorization'), 'Bearer s3cr3t-b34r3r')
      await callAndHear(dialled.replace('anybody', 'bad1'))
      t.equal(await reload(config('NEXT')), true)
      await callAndHear(dialled)
      t.equal(await reload(config('NEXT').replace('dialect: offhook', 'dialect: ${env:TOKEN}')), false)
      said.push(...events.flatMap(event => [JSON.stringify(event), describeEvent(event)]))
      said.push((await get('/metrics')).body, (await get('/readyz')).body)
      await server.drain()
      for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
        const file = join(folder, name)
        if (statSync(file).isFile() && !name.endsWith('.yaml') && name !== 'bearer.txt')
          said.push(name, readFileSync(file, 'latin1'))
      }
    },
    { env: secrets, files: { 'bearer.txt': 's3cr3t-b34r3r\n' } },
  )
  t.ok(
    said.some(text => text.includes('bad key *** in the header ***')),
    'what the bot said is there',
  )
  for (const secret of [...Object.values(secrets), 's3cr3t-b34r3r']) {
    for (const form of [secret, encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)])
      t.notOk(
        said.some(text => text.includes(form)),
        `${secret} is nowhere`,
      )
  }
})
