import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { repositoryRoot } from '../support/repository.ts'

const folder = join(repositoryRoot, 'docs')
const pages = readdirSync(folder).filter(name => name.endsWith('.md'))

t.test('every file that a page of the documentation links to is there', async t => {
  let links = 0
  for (const page of pages) {
    const text = readFileSync(join(folder, page), 'utf8')
    for (const [, path = ''] of text.matchAll(/\]\((?!https?:)([^)#]+)/g)) {
      t.ok(existsSync(join(folder, path)), `${page}: ${path}`)
      links += 1
    }
  }
  t.ok(links > 0)
})

t.test('every page is reached from the README or from another page', async t => {
  const texts = [
    readFileSync(join(repositoryRoot, 'README.md'), 'utf8'),
    ...pages.map(page => readFileSync(join(folder, page), 'utf8')),
  ]
  for (const page of pages)
    t.ok(
      texts.some(text => new RegExp(`\\]\\((?:docs/)?${page}[)#]`).test(text)),
      page,
    )
})
