/** Packages that only one check needs, too large for every clone: fetched into `.build` when that is wanted. */

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { repositoryRoot } from '../../test/support/repository.ts'

/** With this variable, and in CI, they are fetched. */
const wanted = process.env['CONFORMANCE_FETCH'] === '1' || process.env['CI'] === 'true'
const limitMs = 180_000

export type OnDemand =
  /** The folder they are installed in. */
  | { readonly folder: string }
  /** Why they are not there. */
  | { readonly missing: string }

interface Installer {
  readonly command: string
  readonly argsInto: (folder: string) => readonly string[]
  /** What is in a folder that is whole. */
  readonly mark: string
}

const npm: Installer = {
  command: 'npm',
  // prettier-ignore
  argsInto: folder => [
    'install', '--prefix', folder, '--no-save', '--no-package-lock', '--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund',
    '--loglevel=error',
  ],
  mark: 'node_modules',
}

const pip: Installer = {
  command: 'python3',
  // prettier-ignore
  argsInto: folder => [
    '-m', 'pip', 'install', '--target', folder, '--quiet', '--disable-pip-version-check', '--no-compile', '--root-user-action', 'ignore',
  ],
  mark: '.',
}

/** @param packages with their versions, `ws@8.0.0` */
export function fetchPackages(name: string, megabytes: number, packages: readonly string[]): OnDemand {
  return fetchWith(npm, name, megabytes, packages)
}

/** Of Python's. @param packages with their versions, `pipecat-ai==1.14.0` */
export function fetchPythonPackages(name: string, megabytes: number, packages: readonly string[]): OnDemand {
  return fetchWith(pip, name, megabytes, packages)
}

function fetchWith(
  { command, argsInto, mark }: Installer,
  name: string,
  megabytes: number,
  packages: readonly string[],
): OnDemand {
  const folder = join(repositoryRoot, '.build', name)
  if (existsSync(join(folder, mark))) return { folder }
  if (!wanted)
    return {
      missing: `${packages[0]}, ${megabytes} MB, which CONFORMANCE_FETCH=1 fetches into .build/${name}`,
    }
  // Under another name until it is whole.
  const partial = `${folder}.partial`
  rmSync(partial, { recursive: true, force: true })
  mkdirSync(partial, { recursive: true })
  const { status, error, stderr } = spawnSync(command, [...argsInto(partial), ...packages], {
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
    timeout: limitMs,
  })
  if (status === 0) {
    renameSync(partial, folder)
    return { folder }
  }
  rmSync(partial, { recursive: true, force: true })
  const why = error?.message ?? stderr.trim().split('\n').at(-1) ?? ''
  return { missing: `${packages[0]}, which ${command} could not install: ${why}` }
}

/** One of them, as CommonJS gives it. */
export function requireFrom(folder: string, name: string): unknown {
  return createRequire(join(folder, 'x.js'))(name)
}
