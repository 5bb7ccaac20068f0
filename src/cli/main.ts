#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { SipError } from '../runtime/errors.ts'
import { answer, answerHelp } from './answer.ts'
import { call, callHelp } from './call.ts'
import { demo, demoHelp } from './demo.ts'
import { serve, serveHelp } from './serve.ts'
import { trunk, trunkHelp } from './trunk-check.ts'

const commands: Readonly<Record<string, { run(args: readonly string[]): Promise<number>; help: string }>> = {
  answer: { run: answer, help: answerHelp },
  call: { run: call, help: callHelp },
  demo: { run: demo, help: demoHelp },
  serve: { run: serve, help: serveHelp },
  trunk: { run: trunk, help: trunkHelp },
}

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args
  if (name === '--version') {
    const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
      version: string
    }
    console.log(manifest.version)
    return 0
  }
  const command = name !== undefined && Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined || rest.includes('--help')) {
    const help =
      command === undefined
        ? Object.values(commands)
            .map(entry => entry.help)
            .join('\n\n')
        : command.help
    const asked = name === undefined || name === '--help' || command !== undefined
    if (!asked) console.error(`offhook: "${name}" is not a command\n`)
    console[asked ? 'log' : 'error'](help)
    return asked ? 0 : 2
  }
  try {
    return await command.run(rest)
  } catch (error) {
    if (!(error instanceof SipError)) throw error
    console.error(`offhook ${name}: ${error.message}`)
    return error.code === 'SIP_OPTION' ? 2 : 1
  }
}

const status = await main(process.argv.slice(2))
process.exitCode = status
// A command that is done ends: neither timers of calls nobody reacted to, nor what an agent left open, keep the process.
process.stdout.write('', () => process.exit(status))
