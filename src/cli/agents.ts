import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Agent } from '../agent/agent.ts'
import { demoMenu } from '../agent/demo-menu.ts'
import { echoAgent } from '../agent/echo.ts'
import { OptionError } from '../runtime/errors.ts'

const builtIn: Readonly<Record<string, () => Agent | Promise<Agent>>> = {
  echo: echoAgent,
  menu: demoMenu,
}

/** A built-in agent by name, or the default export of a module: an agent, or a function that makes one. */
export async function loadAgent(name: string): Promise<Agent> {
  const make = Object.hasOwn(builtIn, name) ? builtIn[name] : undefined
  if (make !== undefined) return make()
  const loaded = await load(name)
  const agent: unknown = typeof loaded === 'function' ? await (loaded as () => unknown)() : loaded
  if (isAgent(agent)) return agent
  throw new OptionError(
    '--agent',
    `${name} must export default an agent, that is an object with run(session), or a function that returns one`,
  )
}

async function load(name: string): Promise<unknown> {
  try {
    const module = (await import(pathToFileURL(resolve(name)).href)) as { default?: unknown }
    return module.default
  } catch (cause) {
    const names = Object.keys(builtIn).join(', ')
    throw new OptionError(
      '--agent',
      `"${name}" is neither a built-in agent (${names}) nor a module Node can load: ${(cause as Error).message}`,
      { cause },
    )
  }
}

function isAgent(value: unknown): value is Agent {
  return typeof value === 'object' && value !== null && typeof (value as { run?: unknown }).run === 'function'
}
