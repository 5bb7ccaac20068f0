import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import t from 'tap'
import { tone } from '../../src/media/audio/tones.ts'
import { createLab } from '../../src/testing/lab.ts'
import { plainCommand } from '../support/plain-command.ts'
import { countLines, titledBlocks } from '../support/readme.ts'
import { repositoryRoot } from '../support/repository.ts'

const readme = readFileSync(join(repositoryRoot, 'README.md'), 'utf8')
const agent = titledBlocks(readme).find(block => block.title === 'agent.ts')
const folder = join(repositoryRoot, '.build', 'readme')
mkdirSync(folder, { recursive: true })

t.test('the agent in the README has at most ten lines and compiles against the package', async t => {
  t.ok(agent && countLines(agent.code) <= 10)
  writeFileSync(join(folder, 'agent.ts'), agent?.code ?? '')
  const tsc = join(repositoryRoot, 'node_modules', 'typescript', 'bin', 'tsc')
  const config = join(folder, 'tsconfig.json')
  writeFileSync(
    config,
    JSON.stringify({
      extends: '../../tsconfig.json',
      compilerOptions: { noEmit: true },
      include: ['agent.ts', '../../src/media/sdp/sdp-transform.d.ts'],
    }),
  )
  const { status, stdout } = spawnSync(...plainCommand(process.execPath, [tsc, '-p', config]), {
    encoding: 'utf8',
  })
  t.equal(status, 0, stdout)
})

t.test('and it runs: a caller hears the tone it sends', async t => {
  const lab = createLab({ network: { delayMs: 20 } })
  const shim = `
    const { runAgent } = await import(${JSON.stringify(pathToFileURL(join(repositoryRoot, 'dist/src/agent/agent.js')).href)})
    export { runAgent }
    export const createEndpoint = options => globalThis.readmeEndpoint(options)
  `
  writeFileSync(join(folder, 'shim.mjs'), shim)
  writeFileSync(join(folder, 'agent.mjs'), (agent?.code ?? '').replace("'offhook'", "'./shim.mjs'"))
  const opened = new Promise<unknown>(resolve => {
    Object.assign(globalThis, {
      readmeEndpoint: (options: { listen: unknown }) => {
        resolve(options.listen)
        return lab.endpoint('agent.lab')
      },
    })
  })
  const running = import(pathToFileURL(join(folder, 'agent.mjs')).href)
  t.same(await opened, ['udp://0.0.0.0:5060'])
  const caller = lab.caller()
  await lab.run(async () => {
    const call = await caller.call('sip:anyone@agent.lab')
    void call.media.output.write(tone({ sampleRate: 8000, hz: 1000, durationMs: 2000 }))
    await caller.hears({ toneHz: 1000, levelDbfs: -20 })
    await caller.hangup()
  })
  await running
})

t.test('every file the README links to is there', async t => {
  for (const [, path] of readme.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
    const target = path ?? ''
    t.ok(existsSync(join(repositoryRoot, target)), target)
  }
})

t.test('nothing in the README is left to fill in', async t => {
  t.notMatch(readme, /%[A-Z]+%/)
})
