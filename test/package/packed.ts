import { execFileSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { plainCommand } from '../support/plain-command.ts'
import { repositoryRoot } from '../support/repository.ts'

/** Runs a program and gives what it printed; throws with both streams when it fails. */
export function run(command: string, args: readonly string[], cwd: string): string {
  try {
    return execFileSync(...plainCommand(command, args), {
      cwd,

      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  } catch (error) {
    const { stdout, stderr } = error as { stdout?: string; stderr?: string }
    throw new Error(`${command} ${args.join(' ')} failed\n${stdout ?? ''}${stderr ?? ''}`, { cause: error })
  }
}

/** A program of our own development dependencies. */
export function runTool(script: string, args: readonly string[], cwd: string): string {
  return run(process.execPath, [join(repositoryRoot, 'node_modules', script), ...args], cwd)
}

/** Packs the package as it would be published; the path of the tarball. */
export function pack(folder: string): string {
  // Its own set-up would compile again, under the feet of the tests that run.
  const output = npm(['pack', '--ignore-scripts', '--json', '--pack-destination', folder], repositoryRoot)
  // npm 11 gives a list, npm 12 an object by package name.
  const [packed] = Object.values(JSON.parse(output) as Record<string, { filename: string }>)
  return join(folder, packed?.filename ?? '')
}

/** An empty project with nothing but the tarball installed. */
export function installInto(folder: string, tarball: string): void {
  mkdirSync(folder, { recursive: true })
  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'consumer', private: true, type: 'module' }),
  )
  npm(['install', '--prefer-offline', '--no-package-lock', tarball], folder)
}

function npm(args: readonly string[], cwd: string): string {
  const cli = process.env['npm_execpath']
  const common = [...args, '--loglevel=error', '--no-audit', '--no-fund']
  return cli?.endsWith('.js') === true
    ? run(process.execPath, [cli, ...common], cwd)
    : run('npm', common, cwd)
}
