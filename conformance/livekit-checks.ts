/** A session of `@livekit/agents` behind `offhook serve`, called by a phone. */

import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { findTone } from './audio.ts'
import type { Check } from './check.ts'
import { type OnDemand, fetchPackages } from './peers/on-demand.ts'
import {
  callerHz,
  expect,
  expectBetween,
  heardSeconds,
  onServe,
  pause,
  type ServeStage,
} from './serve-stage.ts'

/** What the session says. */
const botHz = 440
const bot = fileURLToPath(new URL('bots/livekit-bot.js', import.meta.url))

export function livekitPackages(): OnDemand {
  return fetchPackages('livekit', 290, ['@livekit/agents@1.9.0', '@livekit/rtc-node@0.13.35', 'zod@4.6.7'])
}

export function livekitChecks(logs: string, packages: OnDemand): readonly Check[] {
  if ('missing' in packages) return []
  const name = 'sdk-baresip-livekit'
  return [
    {
      name,
      rfc: 'RFC 3264 5.1',
      what: 'tones both ways, pause and resume, cut off where it was heard, hung up by the session',
      how: 'baresip calls, offhook serve, LiveKit Agents',
      run: () => onServe(join(logs, name), stage => converse(stage, packages.folder)),
    },
  ]
}

async function converse(stage: ServeStage, packages: string): Promise<void> {
  await stage.serve({ bot: { module: bot } }, {}, { PACKAGES: packages })
  const { process } = stage
  const phone = await stage.phone('caller')
  await process.event(({ event }) => event === 'playbackStarted')
  await pause(1500)
  await phone.command('sndcode', '*')
  await pause(1000)
  await phone.command('sndcode', '0')
  await pause(1000)
  await phone.command('sndcode', '1')
  const { interrupted, playbackPosition } = await process.event(({ event }) => event === 'playbackFinished')
  expect('What was cut off counts as interrupted', interrupted, true)
  await pause(500)
  await phone.command('sndcode', '#')
  await phone.says('session closed')
  // It finishes its files when it has said so.
  await phone.stop()
  const { heard } = await process.event(({ event }) => event === 'over')
  expectBetween('Seconds of the caller at the session', toneSeconds(String(heard)), 2)
  const heardAtPhone = heardSeconds(phone, botHz)
  expectBetween('Seconds of the session at the phone', heardAtPhone, 0.5)
  const position = Number(playbackPosition)
  // Up to a piece of the measure is lost at every end of the tone, and the pause gave it two more.
  expectBetween('Seconds that are said to have been heard', position, heardAtPhone - 0.3, heardAtPhone + 0.4)
  const { ended, engines = [], personal } = await stage.record()
  expect('Ended', [ended?.by, engines.length], ['local', 1])
  expect('The engine', [engines[0]?.engine, engines[0]?.end], ['livekit-agents', 'engine'])
  expect('The digits of the record', personal.digitsReceived, '*01#')
  expect(
    'Errors',
    process.events.filter(({ event }) => event === 'error'),
    [],
  )
}

/** Of the caller's tone, in what the session has heard. */
function toneSeconds(base64: string): number {
  const octets = Buffer.from(base64, 'base64')
  const samples = Float64Array.from(
    { length: octets.length / 2 },
    (_, at) => octets.readInt16LE(2 * at) / 32_768,
  )
  return findTone({ sampleRate: 8000, channels: [samples] }, 0, callerHz).seconds
}
