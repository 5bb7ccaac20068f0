/**
 * Runs every bench file of this folder, each in a process of its own so that none inherits another's heap or
 * compiled code. Prints a JSON line per figure as it is taken and one table at the end.
 *
 *   npm run bench [-- [--short] [message] [signalling] ...]
 *
 * A full run ends with 1 when a figure missed its limit or a file failed; a short one only when a file failed.
 */

import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type BenchLine, type BenchRun, formatTable, verdictOf } from './harness.ts'

/** Beside the bench files, but none of them. */
const notBenches = new Set(['harness', 'main'])

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { short: { type: 'boolean', default: false }, file: { type: 'string' } },
})

if (values.file === undefined) await runAll(positionals, values.short)
else await runOne(values.file, values.short)

async function runAll(wanted: readonly string[], short: boolean): Promise<void> {
  const known = readdirSync(new URL('.', import.meta.url))
    .filter(name => /^[a-z-]+\.(js|ts)$/.test(name))
    .map(name => name.replace(/\.(js|ts)$/, ''))
    .filter(name => !notBenches.has(name))
    .toSorted()
  const unknown = wanted.filter(name => !known.includes(name))
  if (unknown.length > 0) {
    console.error(`No bench named ${unknown.join(', ')}; there are: ${known.join(', ')}`)
    process.exitCode = 2
    return
  }
  const lines: BenchLine[] = []
  const failed: string[] = []
  for (const name of wanted.length > 0 ? wanted : known) {
    if (!(await runInChild(name, short, lines))) failed.push(name)
  }
  console.log(`\n${formatTable(lines)}\n`)
  const missed = lines.filter(line => ['over', 'under'].includes(verdictOf(line)))
  for (const line of missed) console.log(`limit missed: ${line.name}`)
  for (const name of failed) console.log(`failed: ${name}`)
  if (short) console.log('A short run: the figures are too noisy to hold against the limits.')
  process.exitCode = failed.length > 0 || (missed.length > 0 && !short) ? 1 : 0
}

async function runInChild(name: string, short: boolean, lines: BenchLine[]): Promise<boolean> {
  console.error(`bench ${name} …`)
  const child = spawn(
    process.execPath,
    ['--expose-gc', fileURLToPath(import.meta.url), '--file', name, ...(short ? ['--short'] : [])],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const ended = new Promise<number | null>(resolve => child.once('close', resolve))
  for await (const text of createInterface({ input: child.stdout })) {
    console.log(text)
    if (text.startsWith('{')) lines.push(JSON.parse(text) as BenchLine)
  }
  return (await ended) === 0
}

async function runOne(name: string, short: boolean): Promise<void> {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  const { run } = (await import(`./${name}.${extension}`)) as { run: BenchRun }
  for (const line of await run({ short })) {
    const verdict = verdictOf(line)
    console.log(JSON.stringify(verdict === '' ? line : { ...line, verdict }))
  }
}
