/**
 * Runs the compiled tests, each file in a process of its own: all of them, or those under the given paths.
 *
 *   npm test [-- test/sip/message test/call/endpoint.test.ts ...]
 *
 * The whole TAP stream goes to `.build/test.tap`; the last line is `N passed, N failed`, counted in assertions.
 * Not tap's own runner: its hooks into the loading of modules take as long again as the tests do.
 */

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { asSubtest, readFailures, readTotals } from './tap-stream.ts'

/** Folders with tests in them, as in the sources. */
const testFolders = ['test', 'conformance']
/** They take longest; begun first, nothing waits for them at the end. */
const longest = ['test/examples', 'test/package', 'test/cli', 'test/bench']
const jobs = 2
const fileTimeoutMs = 180_000
/** Of one test, as tap reads it. */
const testTimeoutSeconds = 120

const dist = dirname(dirname(fileURLToPath(import.meta.url)))
const root = dirname(dist)

const wanted = process.argv.slice(2)
const waiting = testFiles().filter(file => wanted.length === 0 || wanted.some(path => isUnder(file, path)))
if (waiting.length === 0) {
  console.error(`No test under ${wanted.join(', ')}`)
  process.exit(2)
}

const streams: string[] = []
let passed = 0
let failed = 0
await Promise.all(Array.from({ length: jobs }, runWaiting))
const outputFile = join(root, '.build', 'test.tap')
mkdirSync(dirname(outputFile), { recursive: true })
writeFileSync(outputFile, `TAP version 14\n${streams.join('')}1..${streams.length}\n`)
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1

async function runWaiting(): Promise<void> {
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    const startedAt = performance.now()
    const { output, errors, exit } = await run(file)
    const totals = readTotals(output)
    passed += totals.passed
    // A file that dies before its plan may leave the assertions at nothing failed.
    failed += exit === undefined ? totals.failed : Math.max(totals.failed, 1)
    const stream = asSubtest(output, {
      name: relative(root, file),
      number: streams.length + 1,
      failure: exit,
      ms: performance.now() - startedAt,
    })
    streams.push(stream)
    if (exit !== undefined) process.stderr.write(errors)
    for (const failure of readFailures(stream)) console.log(`FAILED ${failure}\n`)
  }
}

interface Run {
  readonly output: string
  readonly errors: string
  /** How it ended, if not well. */
  readonly exit?: string
}

function run(file: string): Promise<Run> {
  const child = spawn(process.execPath, [file], {
    cwd: root,
    env: { ...process.env, TAP: '1', TAP_TIMEOUT: String(testTimeoutSeconds) },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: fileTimeoutMs,
    killSignal: 'SIGKILL',
  })
  let output = ''
  let errors = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text))
  return new Promise(resolve =>
    child.once('close', (code, signal) => {
      const complete = /^1\.\.\d+/m.test(output)
      if (code === 0 && complete) resolve({ output, errors })
      else resolve({ output, errors, exit: code === 0 ? 'no plan' : `exit: ${signal ?? String(code)}` })
    }),
  )
}

function testFiles(): string[] {
  const files = testFolders
    .filter(folder => existsSync(join(dist, folder)))
    .flatMap(folder => readdirSync(join(dist, folder), { recursive: true, withFileTypes: true }))
    .filter(entry => entry.isFile() && entry.name.endsWith('.test.js'))
    .map(entry => join(entry.parentPath, entry.name))
    .toSorted()
  return [...files.filter(isLong), ...files.filter(file => !isLong(file))]
}

function isLong(file: string): boolean {
  return longest.some(path => isUnder(file, path))
}

/** Whether a compiled file comes from the source file or folder `path`. */
function isUnder(file: string, path: string): boolean {
  const source = relative(dist, file)
  const stem = path
    .replace(/^\.\//, '')
    .replace(/^dist\//, '')
    .replace(/\/$/, '')
    .replace(/\.[jt]s$/, '')
  return source === `${stem}.js` || source.startsWith(`${stem}/`)
}
