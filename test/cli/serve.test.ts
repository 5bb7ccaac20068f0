import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createEndpoint } from '../../src/index.ts'
import { Program } from '../examples/program.ts'

const folder = mkdtempSync(join(tmpdir(), 'offhook-serve-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

const config = (agent: string, more = ''): string => `endpoint:
  listen: ['udp://127.0.0.1:0']
  admit: [127.0.0.1]
agents: { bot: ${agent} }
health: { port: 0 }
environment: \${env:SERVE_TEST_SECRET}
${more}
`
const env = { SERVE_TEST_SECRET: 'rabbit-hole' }
const echo = '{ builtIn: echo }'

function start(name: string, text: string, ...args: string[]): Program {
  writeFileSync(join(folder, name), text)
  return new Program('src/cli/main', folder, env, ['serve', ...args, name])
}

t.test('--check says what is in a file, or what is wrong with it', async t => {
  const good = start('good.yaml', config(echo), '--check')
  t.equal(await good.ended, 0)
  t.equal(
    good.output,
    'good.yaml is all right\n  listens on udp://127.0.0.1:0\n  trunks: none\n  agents: bot\n  routes: everything\n',
  )
  const json = start('good.yaml', config(echo), '--check', '--json')
  t.equal(await json.ended, 0)
  t.match(JSON.parse(json.output), { event: 'checked', agents: ['bot'] })
  const bad = start('bad.yaml', config('{ builtIn: ecco }', 'drain: 1'), '--check')
  t.equal(await bad.ended, 2)
  t.match(
    bad.output,
    /^bad\.yaml:4:27: agents\.bot\.builtIn: .*\nbad\.yaml:7:8: drain: it is a number; give fields of its own\n$/,
  )
  const none = new Program('src/cli/main', folder, env, ['serve'])
  t.equal(await none.ended, 2)
  t.match(none.output, /offhook serve: CONFIG: give the file/)
})

t.test('it serves, reads its file anew, and ends in order', async t => {
  const serve = start('serve.yaml', config(echo), '--json')
  const [, port = ''] = await serve.prints(/"listen":\["udp:\/\/127\.0\.0\.1:(\d+)"\]/)
  const [, health = ''] = await serve.prints(/"health":"(http:[^"]+)"/)
  t.equal((await fetch(`${health}/readyz`)).status, 200)
  writeFileSync(join(folder, 'serve.yaml'), config('{ builtIn: nothing }'))
  serve.signal('SIGHUP')
  await serve.prints(/"event":"reload-refused".*"line":4/)
  writeFileSync(join(folder, 'serve.yaml'), config(echo, 'limits: { calls: 3 }'))
  serve.signal('SIGHUP')
  await serve.prints(/"event":"reloaded".*"needRestart":\["limits\.calls"\]/)
  const phone = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  const call = await phone.call(`sip:bot@127.0.0.1:${port}`)
  serve.signal('SIGTERM')
  await serve.prints(/"event":"draining","calls":1/)
  t.equal((await fetch(`${health}/readyz`)).status, 503)
  await call.hangup()
  t.equal(await serve.ended, 0, serve.output)
  t.match(serve.output, /"event":"stopped"/)
  t.notMatch(serve.output, /rabbit-hole/)
  await phone.close()
})

t.test('the second signal ends it at once', async t => {
  const serve = start('twice.yaml', config(echo))
  const [, port = ''] = await serve.prints(/serving on udp:\/\/127\.0\.0\.1:(\d+)/)
  const phone = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  await phone.call(`sip:bot@127.0.0.1:${port}`)
  serve.signal('SIGTERM')
  await serve.prints(/no new calls; 1 under way may take 30 s/)
  serve.signal('SIGTERM')
  t.equal(await serve.ended, 143, serve.output)
  await phone.close({ giveUpMs: 100 })
})

t.test('an address that is taken, and what an agent throws, are told without secrets', async t => {
  const holder = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  const taken = start('taken.yaml', config(echo).replace('udp://127.0.0.1:0', holder.listening[0] ?? ''))
  t.equal(await taken.ended, 1)
  t.match(taken.output, /offhook serve: .*127\.0\.0\.1/)
  await holder.close()
  writeFileSync(
    join(folder, 'throws.mjs'),
    'export default { async run() { setTimeout(() => { throw new Error(`no rabbit-hole here ${process.env.SERVE_TEST_TOKEN}`) }, 1); await new Promise(() => {}) } }',
  )
  writeFileSync(
    join(folder, 'throws.yaml'),
    `${config('{ module: ./throws.mjs }')}recording: { folder: '\${env:SERVE_TEST_TOKEN}' }\ntrunks: { a: { preset: generic, hosts: [127.0.0.1], token: '\${env:SERVE_TEST_TOKEN}', health: false } }\n`,
  )
  const serve = new Program('src/cli/main', folder, { ...env, SERVE_TEST_TOKEN: 'looking-glass' }, [
    'serve',
    'throws.yaml',
  ])
  const [, port = ''] = await serve.prints(/serving on udp:\/\/127\.0\.0\.1:(\d+)/)
  const phone = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  await phone.call(`sip:bot@127.0.0.1:${port}`).catch(() => {})
  t.equal(await serve.ended, 1)
  t.match(serve.output, /Error: no rabbit-hole here \*\*\*\n/)
  t.notMatch(serve.output, /looking-glass/)
  await phone.close({ giveUpMs: 100 })
})
