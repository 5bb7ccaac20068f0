import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { OptionError } from '../runtime/errors.ts'
import { realWork } from '../runtime/real-work.ts'

let imports = 0

/**
 * The default export of a module, read anew each time; what it imports itself is read once a process. @throws OptionError
 */
export async function importDefault(file: string): Promise<unknown> {
  const url = pathToFileURL(resolve(file))
  // Node keeps a module for as long as the process lives: another query is another module.
  imports += 1
  if (imports > 1) url.search = `?load=${imports}`
  try {
    const module = (await realWork(import(url.href))) as { default?: unknown }
    return module.default
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException
    if (code === 'ERR_UNKNOWN_FILE_EXTENSION' && /\.[cm]?ts$/.test(file))
      throw new OptionError(
        'file',
        'this Node.js does not read TypeScript: take Node.js 22.18 or newer, or write it as .js (configurations also as .yaml)',
        { cause },
      )
    throw new OptionError('file', `it cannot be loaded: ${message}`, { cause })
  }
}
