import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { loadConfig } from '../../src/serve/load.ts'
import { metrics } from '../../src/serve/metrics.ts'
import { actionSchema, routesSchema } from '../../src/serve/route-schema.ts'
import { agentSchemas, configSchema } from '../../src/serve/schema.ts'
import { fieldsOf } from '../../src/serve/schema-walk.ts'
import { repositoryRoot } from '../support/repository.ts'
import { Program } from '../examples/program.ts'

const page = readFileSync(join(repositoryRoot, 'docs/serve.md'), 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'offhook-serve-'))
t.teardown(() => rmSync(folder, { recursive: true, force: true }))

t.test('the table has every field there is, in order, and no other', t => {
  const agents = Object.values(agentSchemas).flatMap(schema => fieldsOf(schema, 'agents.NAME'))
  const routes = [...fieldsOf(routesSchema, 'routes'), ...fieldsOf(actionSchema, 'ACTION')]
  const more: Readonly<Record<string, readonly string[]>> = { agents, routes }
  const expected = fieldsOf(configSchema).flatMap(field => [field].concat(more[field] ?? []))
  const section = page.slice(page.indexOf('## Every field'))
  const listed = [...section.matchAll(/^\| `([^`]+)` \|/gm)].map(([, field]) => field)
  // One rule, or several in a list.
  t.same(listed, [...new Set(expected.map(field => field.replace('time[]', 'time')))])
  t.end()
})

t.test('the table of metrics is that of the program', t => {
  const listed = [...page.matchAll(/^\| (`(?:offhook|process)_[^|]+) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => name),
  )
  t.same(
    listed,
    metrics.map(({ name }) => name),
  )
  t.end()
})

t.test('the configuration of the page is all right, by --check', async t => {
  const [, yaml = ''] = /```yaml\n([\s\S]*?)```/.exec(page) ?? []
  for (const name of ['tls', 'agents']) mkdirSync(join(folder, name))
  for (const [from, to] of [
    ['localhost.pem', 'cert.pem'],
    ['localhost.key', 'key.pem'],
  ] as const)
    copyFileSync(join(repositoryRoot, 'test/certificates', from), join(folder, 'tls', to))
  writeFileSync(join(folder, 'serve.yaml'), yaml)
  writeFileSync(join(folder, 'pbx-password.txt'), 'wonderland\n')
  writeFileSync(join(folder, 'agents/sorry.js'), 'export default { run: async () => {} }')
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const env = {
    OPENAI_API_KEY: 'cheshire',
    TRUNK_PASSWORD: 'rabbit-hole',
    TWILIO_AUTH_TOKEN: 'looking-glass',
  }
  const check = new Program('src/cli/main', folder, env, ['serve', '--check', 'serve.yaml'])
  t.equal(await check.ended, 0, check.output)
  t.match(
    check.output,
    /serve\.yaml is all right\n.*\n  trunks: carrier, pbx\n  agents: support, support@staging, model, sorry, echo\n  routes: .*\n  streams: \/twilio\n/,
  )
  const missing = new Program(
    'src/cli/main',
    folder,
    { OPENAI_API_KEY: 'cheshire', TRUNK_PASSWORD: 'rabbit-hole' },
    ['serve', '--check', 'serve.yaml'],
  )
  t.equal(await missing.ended, 2)
  t.match(missing.output, /^serve\.yaml:\d+:\d+: agents\.support\.authToken: .*TWILIO_AUTH_TOKEN is not set/)
  t.notMatch(missing.output, /rabbit-hole/)
  const [, section] = page.split('## A configuration')
  for (const [, name = ''] of (section ?? '').matchAll(/^(\w+):/gm)) t.ok(name in configFields(), name)
})

function configFields(): Readonly<Record<string, true>> {
  return Object.fromEntries(fieldsOf(configSchema).map(field => [field, true]))
}

t.test('the example is all right', async t => {
  const plan = await loadConfig(join(repositoryRoot, 'examples/serve.yaml'))
  t.same(plan.routes.names, ['the menu', 'everybody else'])
})
