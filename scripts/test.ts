/**
 * Runs the compiled tests under tap: all of them, or those under the given paths.
 *
 *   npm test [-- test/sip/message test/call/endpoint.test.ts ...]
 *
 * The whole TAP stream goes to `.build/test.tap`; the last line is `N passed, N failed`, counted in assertions.
 */

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readFailures, readTotals } from './tap-stream.ts'

/** Folders with tests in them, as in the sources. */
const testFolders = ['test', 'conformance']

const dist = dirname(dirname(fileURLToPath(import.meta.url)))
const root = dirname(dist)

const wanted = process.argv.slice(2).filter(argument => !argument.startsWith('-'))
const flags = process.argv.slice(2).filter(argument => argument.startsWith('-'))
const files = testFiles().filter(file => wanted.length === 0 || wanted.some(path => isUnder(file, path)))
if (files.length === 0) {
  console.error(`No test under ${wanted.join(', ')}`)
  process.exit(2)
}

const outputFile = join(root, '.build', 'test.tap')
mkdirSync(dirname(outputFile), { recursive: true })
rmSync(outputFile, { force: true })
const code = await runTap([
  'run',
  `--reporter=${process.stdout.isTTY ? 'base' : 'silent'}`,
  `--output-file=${outputFile}`,
  ...flags,
  ...files.map(file => relative(root, file)),
])
const stream = existsSync(outputFile) ? readFileSync(outputFile, 'utf8') : ''
if (!process.stdout.isTTY) for (const failure of readFailures(stream)) console.log(`FAILED ${failure}\n`)
const { passed, failed } = readTotals(stream)
// A file that dies before its plan may leave the assertions at nothing failed.
console.log(`${passed} passed, ${code === 0 ? failed : Math.max(failed, 1)} failed`)
process.exitCode = code

function testFiles(): string[] {
  return testFolders
    .filter(folder => existsSync(join(dist, folder)))
    .flatMap(folder => readdirSync(join(dist, folder), { recursive: true, withFileTypes: true }))
    .filter(entry => entry.isFile() && entry.name.endsWith('.test.js'))
    .map(entry => join(entry.parentPath, entry.name))
    .toSorted()
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

function runTap(args: readonly string[]): Promise<number> {
  const tap = join(root, 'node_modules', 'tap', 'dist', 'esm', 'run.mjs')
  const child = spawn(process.execPath, [tap, ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return new Promise(resolve => child.once('close', exitCode => resolve(exitCode ?? 1)))
}
