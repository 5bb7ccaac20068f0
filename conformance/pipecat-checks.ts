/** A bot on Pipecat, unchanged but for where it finds the platform's HTTP interface, called by a phone through `offhook serve`. */

import { join } from 'node:path'
import { repositoryRoot } from '../test/support/repository.ts'
import type { Check } from './check.ts'
import { OffhookProcess } from './peers/offhook.ts'
import { type OnDemand, fetchPythonPackages } from './peers/on-demand.ts'
import { freePort } from './peers/ports.ts'
import {
  authToken,
  expect,
  expectBetween,
  heardSeconds,
  onServe,
  pause,
  type ServeStage,
} from './serve-stage.ts'

/** What it says at once, and after key 5. */
const botHz = 700
const otherHz = 400
const accountSid = `AC${'7'.repeat(32)}`

const script = join(repositoryRoot, 'conformance', 'bots', 'pipecat-bot.py')

const platforms = ['twilio', 'telnyx', 'plivo', 'vonage'] as const

export function pipecatPackages(): OnDemand {
  return fetchPythonPackages('pipecat', 430, ['pipecat-ai[websocket]==1.14.0', 'uvicorn==0.40.0'])
}

export function pipecatChecks(logs: string, packages: OnDemand): readonly Check[] {
  if ('missing' in packages) return []
  return platforms.map(platform => {
    const name = `pipecat-${platform}`
    return {
      name,
      rfc: 'RFC 6455 5.6',
      what: 'a bot is heard and hears, is interrupted by a key, and hangs up with another',
      how: `baresip calls, offhook serve, Pipecat as ${platform} has it`,
      run: () => onServe(join(logs, name), stage => converse(stage, platform, packages.folder)),
    }
  })
}

async function converse(
  stage: ServeStage,
  platform: (typeof platforms)[number],
  python: string,
): Promise<void> {
  // As Twilio has it, the bot hangs up over HTTP; as the others have it, by its WebSocket.
  const rest = platform === 'twilio' ? { port: await freePort(), accountSid } : undefined
  const args = rest === undefined ? [] : [`http://127.0.0.1:${rest.port}`, accountSid, authToken]
  const bot = new OffhookProcess(script, args, { python })
  try {
    const { port } = await bot.event(({ event }) => event === 'listening', 20_000)
    const url = `ws://127.0.0.1:${String(port)}/${platform === 'vonage' ? 'vonage' : ''}`
    await stage.serve(
      { bot: { url, dialect: platform } },
      // eslint-disable-next-line no-template-curly-in-string
      rest && { twilioRest: { ...rest, authToken: '${file:token}' } },
    )
    const phone = await stage.phone('caller')
    const { platform: taken } = await bot.event(({ event }) => event === 'call')
    expect('Whom Pipecat takes it for', taken, platform)
    await bot.event(({ event }) => event === 'heard')
    await pause(1500)
    await phone.command('sndcode', '5')
    await bot.event(({ event, key }) => event === 'key' && key === '5')
    await pause(1500)
    await phone.command('sndcode', '9')
    await bot.event(({ event }) => event === 'ended')
    await phone.says('session closed')
    // It finishes its files when it has said so.
    await phone.stop()
    expectBetween('Seconds of the bot at the phone', heardSeconds(phone, botHz), 1, 4)
    expectBetween('Seconds after the key', heardSeconds(phone, otherHz), 0.8, 1.7)
    const { ended, engines } = await stage.record()
    const [engine] = engines ?? []
    const end = rest === undefined ? 'engine' : 'call'
    expect('Ended', [ended?.by, engine?.engine, engine?.end], ['local', platform, end])
  } finally {
    await bot.stop()
  }
}
