import { loadConfig } from '../serve/load.ts'
import { describeEvent } from '../serve/events.ts'
import type { ServePlan } from '../serve/plan.ts'
import { ConfigError, writeProblem } from '../serve/problems.ts'
import { startServer } from '../serve/server.ts'
import { SipError, OptionError } from '../runtime/errors.ts'
import { readArgs } from './args.ts'
import { Reporter } from './reporter.ts'

export const serveHelp: string = `offhook serve CONFIG: takes calls as a file says (YAML, JSON, or a module): trunks, routes, agents, recording, traces

  --check            only says what is wrong with CONFIG, or what is in it; status 0, or 2 when it cannot be used
  --json             one JSON object a line
  SIGHUP reads CONFIG anew; calls go on. SIGTERM and Ctrl-C let calls end, up to drain.limitMs; the second time ends at once`

/** Runs until it is told to end; resolves to the exit status. */
export async function serve(args: readonly string[]): Promise<number> {
  const options = readArgs(
    args,
    { check: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
    { allowPositionals: true },
  )
  const [file, ...rest] = options.positionals
  if (file === undefined) throw new OptionError('CONFIG', 'give the file: offhook serve serve.yaml')
  if (rest.length > 0) throw new OptionError('CONFIG', `one file at a time; what is "${rest.join(' ')}"?`)
  const reporter = new Reporter({ json: options.flag('json') })
  let plan: ServePlan
  try {
    plan = await loadConfig(file)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    for (const problem of error.problems) console.error(writeProblem(problem))
    return 2
  }
  try {
    return options.flag('check') ? check(plan, reporter) : await run(plan, reporter)
  } catch (error) {
    // A stack could quote what is secret.
    const message = plan.redactor.text(error instanceof Error ? error.message : String(error))
    console.error(`offhook serve: ${message}`)
    return error instanceof SipError && error.code === 'SIP_OPTION' ? 2 : 1
  } finally {
    reporter.end()
  }
}

function check(
  { file, config, trunks, agents, routes, streams, redactor }: ServePlan,
  reporter: Reporter,
): number {
  const { listen } = config.endpoint
  const summary = {
    file,
    listen,
    trunks: [...trunks.keys()],
    agents: [...agents.keys()],
    routes: routes.names,
    streams: streams?.paths.map(({ path }) => path) ?? [],
  }
  const lines = [
    `${file} is all right`,
    `  listens on ${listen.join(', ')}`,
    `  trunks: ${summary.trunks.join(', ') || 'none'}`,
    `  agents: ${summary.agents.join(', ') || 'none'}`,
    `  routes: ${summary.routes.join(', ')}`,
    ...(summary.streams.length > 0 ? [`  streams: ${summary.streams.join(', ')}`] : []),
  ]
  reporter.say(redactor.value({ event: 'checked', ...summary }), redactor.text(lines.join('\n')))
  return 0
}

async function run(plan: ServePlan, reporter: Reporter): Promise<number> {
  const server = await startServer(plan, {
    onEvent: event => reporter.say({ ...event }, describeEvent(event)),
  })
  let asked = false
  return new Promise((resolve, reject) => {
    const stop = (signal?: NodeJS.Signals): void => {
      // What is left of the calls the other sides find out by themselves.
      if (asked) return resolve(signal === 'SIGTERM' ? 143 : 130)
      asked = true
      server.drain().then(() => resolve(0), reject)
    }
    // Node.js would print it as it is, secrets and all.
    process.on('uncaughtException', error => {
      console.error(server.redact(error.stack ?? error.message))
      process.exit(1)
    })
    process.on('SIGTERM', stop)
    process.on('SIGINT', stop)
    reporter.whenClosed(() => stop())
    process.on('SIGHUP', () => {
      server
        .reload(() => loadConfig(plan.file))
        .catch((error: unknown) =>
          reporter.say(
            { event: 'error', message: (error as Error).message },
            `error: ${(error as Error).message}`,
          ),
        )
    })
  })
}
