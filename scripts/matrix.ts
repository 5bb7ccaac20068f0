/**
 * Runs the tests on several versions of Node, each taken from the npm package that holds its binary.
 *
 *   npm run matrix [-- --versions 20,24] [-- test/sip ...]
 *
 * Binaries are kept in `.build/node`. Ends with a line per version and 1 when one of them failed.
 */

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const dist = dirname(dirname(fileURLToPath(import.meta.url)))
const cache = join(dirname(dist), '.build', 'node')

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { versions: { type: 'string', default: '20,22,24,26' } },
})

const results: { version: string; summary: string; ok: boolean }[] = []
for (const version of values.versions.split(',')) {
  const node = binaryOf(version)
  const name = spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout.trim()
  console.log(`\nNode ${name}`)
  results.push({ version: name, ...(await runTests(node)) })
}

console.log('')
for (const { version, summary, ok } of results) {
  console.log(`${ok ? 'ok    ' : 'FAILED'}  Node ${version.padEnd(10)} ${summary}`)
}
process.exitCode = results.every(({ ok }) => ok) ? 0 : 1

/** The path of a binary of that major version: this process's own when it is one. */
function binaryOf(major: string): string {
  if (process.versions.node.split('.')[0] === major) return process.execPath
  const name = `node-${process.platform}-${process.arch}`
  const folder = join(cache, major)
  const binary = join(folder, 'node_modules', name, 'bin', 'node')
  if (!existsSync(binary)) {
    console.log(`fetching ${name}@${major} …`)
    mkdirSync(folder, { recursive: true })
    const { status, stderr } = spawnSync(
      'npm',
      [
        'install',
        '--prefix',
        folder,
        '--no-save',
        '--no-package-lock',
        '--ignore-scripts',
        '--loglevel=error',
        `${name}@${major}`,
      ],
      { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] },
    )
    if (status !== 0) throw new Error(`npm could not install ${name}@${major}:\n${stderr}`)
  }
  return binary
}

async function runTests(node: string): Promise<{ summary: string; ok: boolean }> {
  const child = spawn(node, [join(dist, 'scripts', 'test.js'), ...positionals], {
    stdio: ['ignore', 'pipe', 'inherit'],
    // Tests that start `node` by name get the version under test.
    env: { ...process.env, PATH: `${dirname(node)}:${process.env['PATH'] ?? ''}` },
  })
  let summary = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    process.stdout.write(text)
    summary = (summary + text).slice(-200)
  })
  const code = await new Promise<number | null>(resolve => child.once('close', resolve))
  return { summary: summary.trimEnd().split('\n').at(-1) ?? '', ok: code === 0 }
}
