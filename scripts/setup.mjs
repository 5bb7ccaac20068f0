/**
 * Runs before every npm script: installs what is missing, compiles what is stale, and says so in one line each on
 * stderr (stdout belongs to the command). When all is in place it takes a few milliseconds and says nothing.
 *
 * Plain JavaScript without imports from elsewhere, because it is what runs when nothing is installed yet.
 */

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const at = (...parts) => join(root, ...parts)

/** What was last installed and last compiled, as digests of what went in. */
const installStamp = at('node_modules', '.offhook-installed')
const buildStamp = at('dist', '.built')
const lock = at('.build', 'setup.lock')

if (Number(process.versions.node.split('.')[0]) < 20) {
  fail(`Offhook needs Node 20.19 or later; this is ${process.version}.`)
}

if (isStale()) {
  await takeLock()
  try {
    if (read(installStamp) !== installDigest()) install()
    if (read(buildStamp) !== sourceDigest()) build()
  } finally {
    rmSync(lock, { recursive: true, force: true })
  }
}

function isStale() {
  return read(installStamp) !== installDigest() || read(buildStamp) !== sourceDigest()
}

function install() {
  say('installing dependencies (about half a minute)')
  // `install`, not `ci`: a registry need not carry the optional binaries of every platform, and `ci` wants them all.
  const npm = process.env.npm_execpath?.endsWith('.js')
    ? [process.execPath, process.env.npm_execpath]
    : [process.platform === 'win32' ? 'npm.cmd' : 'npm']
  run(...npm, 'install', '--include=dev', '--no-save', '--ignore-scripts', '--loglevel=error')
  // tap compiles its own test class from the plug-ins in .taprc; left alone it would do so in the first test run.
  run(process.execPath, at('node_modules/tap/dist/esm/run.mjs'), 'build')
  writeFileSync(installStamp, installDigest())
}

function build() {
  say('compiling')
  const digest = sourceDigest()
  run(process.execPath, at('node_modules/typescript/bin/tsc'), '-p', at('tsconfig.json'))
  removeOrphans()
  writeFileSync(buildStamp, digest)
}

/** Output whose source is gone would still be found by the test runner and by imports. */
function removeOrphans() {
  for (const file of filesUnder(at('dist'))) {
    const source = relative(at('dist'), file).replace(/\.(js|d\.ts)(\.map)?$/, '.ts')
    if (source.endsWith('.ts') && !existsSync(at(source))) rmSync(file)
  }
}

function installDigest() {
  return digestOf(['package-lock.json', '.taprc'].map(name => at(name)))
}

function sourceDigest() {
  const { include } = JSON.parse(readFileSync(at('tsconfig.json'), 'utf8'))
  const sources = include.flatMap(folder => filesUnder(at(folder))).filter(file => file.endsWith('.ts'))
  return digestOf([at('tsconfig.json'), at('package-lock.json'), ...sources])
}

/** Over names and contents: a checkout changes times without changing files. */
function digestOf(files) {
  const hash = createHash('sha256')
  for (const file of files)
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update('\0')
  return hash.digest('hex')
}

function filesUnder(folder) {
  if (!existsSync(folder)) return []
  const files = []
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) files.push(...filesUnder(join(folder, entry.name)))
    else if (entry.isFile()) files.push(join(folder, entry.name))
  }
  return files.toSorted((a, b) => (a < b ? -1 : 1))
}

/** Two commands started at once in a fresh clone must not install over each other. */
async function takeLock() {
  mkdirSync(at('.build'), { recursive: true })
  for (let waited = false; ; waited = true) {
    try {
      mkdirSync(lock)
      writeFileSync(join(lock, 'pid'), String(process.pid))
      return
    } catch (error) {
      if (error.code !== 'EEXIST') throw error
    }
    if (!waited) say('waiting for another set-up in this folder')
    if (!isHeld()) rmSync(lock, { recursive: true, force: true })
    else await new Promise(resolve => setTimeout(resolve, 200))
  }
}

function isHeld() {
  const pid = Number(read(join(lock, 'pid')))
  // Between mkdir and the pid file there is a moment without one.
  if (!(pid > 0)) return Date.now() - (statSync(lock, { throwIfNoEntry: false })?.mtimeMs ?? 0) < 5000
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}

function run(command, ...args) {
  const { status, error, stdout, stderr } = spawnSync(command, args, {
    cwd: root,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  })
  if (status === 0) return
  rmSync(lock, { recursive: true, force: true })
  process.stderr.write(`${stdout ?? ''}${stderr ?? ''}`)
  fail(`\`${[command, ...args].join(' ')}\` failed${error ? `: ${error.message}` : ''}`)
}

function read(file) {
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined
}

function say(what) {
  process.stderr.write(`setup: ${what} …\n`)
}

function fail(why) {
  process.stderr.write(`setup: ${why}\n`)
  process.exit(1)
}
