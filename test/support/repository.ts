import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The folder with package.json, wherever below it these tests were compiled to. */
export const repositoryRoot: string = findRoot(dirname(fileURLToPath(import.meta.url)))

export interface PackageManifest {
  readonly name: string
  readonly version: string
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>
  readonly exports: Readonly<Record<string, string | { readonly types: string; readonly default: string }>>
}

export function readManifest(): PackageManifest {
  return JSON.parse(readFileSync(join(repositoryRoot, 'package.json'), 'utf8')) as PackageManifest
}

/** The sources behind `exports`: `src/index.ts`, `src/sip/index.ts` and so on. */
export function entrySources(): readonly string[] {
  return Object.values(readManifest().exports)
    .filter(target => typeof target !== 'string')
    .map(target => target.default.replace(/^\.\/dist\//, '').replace(/\.js$/, '.ts'))
}

/** Files below a folder of the repository with that ending: path from the root (with `/`) and text, by path. */
export function readTree(folder: string, ending = '.ts'): ReadonlyMap<string, string> {
  const start = join(repositoryRoot, folder)
  if (!existsSync(start)) return new Map()
  const entries = readdirSync(start, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter(entry => entry.isFile() && entry.name.endsWith(ending))
    .map(entry => join(entry.parentPath, entry.name))
    .toSorted()
  return new Map(
    paths.map(path => [relative(repositoryRoot, path).split(sep).join('/'), readFileSync(path, 'utf8')]),
  )
}

function findRoot(folder: string): string {
  if (existsSync(join(folder, 'package.json'))) return folder
  const above = dirname(folder)
  if (above === folder) throw new Error('No package.json above the tests')
  return findRoot(above)
}
