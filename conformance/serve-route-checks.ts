/** Where the routes of `offhook serve` send calls, and what becomes of callers whose bot is down: what real phones hear and are answered. */

import { join } from 'node:path'
import { repositoryRoot } from '../test/support/repository.ts'
import { writeTone } from './audio.ts'
import type { Check } from './check.ts'
import { freePort } from './peers/ports.ts'
import { startSipp } from './peers/sipp.ts'
import {
  callerHz,
  expect,
  expectBetween,
  heardSeconds,
  onServe,
  pause,
  type ServeStage,
  twilioBot,
} from './serve-stage.ts'

const botHz = 1250
const deskHz = 1900
const musicHz = 410

type Rows = Readonly<
  Record<
    string,
    Pick<Check, 'rfc' | 'what' | 'how'> & { readonly play: (stage: ServeStage) => Promise<void> }
  >
>

const rows: Rows = {
  answers: {
    rfc: 'RFC 3261 8.1.3.4, 21.4.18',
    what: 'routes by number, by name and by caller: 486, and 302 with Contact',
    how: 'SIPp calls, offhook serve',
    play: answers,
  },
  'dead-number': {
    rfc: 'RFC 7092 3.1',
    what: 'a dead bot: the caller is put through to a number',
    how: 'baresip calls, baresip is the desk, offhook serve',
    play: deadThenNumber,
  },
  'dead-end': {
    rfc: 'RFC 3261 15.1.1',
    what: 'a dead bot, and a desk that is busy: hung up',
    how: 'baresip calls, SIPp is the desk, offhook serve',
    play: deadThenBusy,
  },
  queue: {
    rfc: 'RFC 3264 5.1',
    what: 'the second caller hears music until the first has gone',
    how: 'baresip calls twice, offhook serve, a ws bot for Media Streams',
    play: queue,
  },
}

export function serveRouteChecks(logs: string): readonly Check[] {
  return Object.entries(rows).map(([key, { rfc, what, how, play }]) => {
    const name = `serve-route-${key}`
    return { name, rfc, what, how, run: () => onServe(join(logs, name), play) }
  })
}

async function answers(stage: ServeStage): Promise<void> {
  const busy = { reject: { statusCode: 486 } }
  await stage.serve(
    { nobody: { builtIn: 'echo' } },
    {
      defaultCountry: 'DE',
      routes: [
        { name: 'berlin', match: { dialled: '+4930*' }, to: busy },
        { name: 'short', match: { dialled: '110' }, to: busy },
        { name: 'moved', match: { dialled: 'moved' }, to: { redirect: 'sip:desk@example.com' } },
        { name: 'by-caller', match: { caller: 'sipp', dialled: 'me' }, to: busy },
      ],
    },
  )
  const dialled = [
    ['caller-refused', '03023125000'],
    ['caller-refused', '+493023125000'],
    ['caller-refused', '110'],
    ['caller-refused', 'me'],
    ['caller-redirected', 'moved'],
  ] as const
  for (const [name, user] of dialled) {
    const sipp = await startSipp({
      scenario: { file: join(repositoryRoot, 'conformance', 'sipp', `${name}.xml`) },
      transport: 'udp',
      target: { port: stage.port, user },
      folder: join(stage.folder, user),
    })
    await sipp.passed.catch((error: unknown) => {
      throw new Error(`${user}: ${(error as Error).message}`)
    })
  }
  await expectRoutes(stage, ['berlin', 'berlin', 'short', 'by-caller', 'moved'])
}

async function deadThenNumber(stage: ServeStage): Promise<void> {
  const desk = await stage.desk(deskHz)
  await stage.serve(
    { bot: twilioBot(`ws://127.0.0.1:${await freePort()}/`) },
    { routes: [{ name: 'front', to: { agent: 'bot', fallback: { number: desk.uri } } }] },
  )
  const phone = await stage.phone('caller')
  await desk.says('Call established')
  await pause(2000)
  await phone.stop()
  await desk.says('session closed')
  await desk.stop()
  expectBetween('Seconds of the caller at the desk', heardSeconds(desk, callerHz), 1)
  expectBetween('Seconds of the desk at the caller', heardSeconds(phone, deskHz), 1)
  await expectSteps(stage, ['agent', 'number'])
}

async function deadThenBusy(stage: ServeStage): Promise<void> {
  const desk = await startSipp({
    scenario: { file: join(repositoryRoot, 'conformance', 'sipp', 'callee-busy.xml') },
    transport: 'udp',
    folder: join(stage.folder, 'desk'),
  })
  const number = `sip:desk@127.0.0.1:${desk.port}`
  await stage.serve(
    { bot: twilioBot(`ws://127.0.0.1:${await freePort()}/`) },
    { routes: [{ name: 'front', to: { agent: 'bot', fallback: { number } } }] },
  )
  const phone = await stage.phone('caller')
  await phone.says('session closed')
  await desk.passed
  await expectSteps(stage, ['agent', 'number', 'reject'])
}

async function queue(stage: ServeStage): Promise<void> {
  writeTone(join(stage.folder, 'music.wav'), musicHz, 2)
  const bot = await stage.bot(call => call.say(botHz, 30))
  await stage.serve(
    { bot: twilioBot(bot.url) },
    {
      routes: [{ name: 'front', to: { queue: { to: { agent: 'bot' }, maxActive: 1, music: 'music.wav' } } }],
    },
  )
  const first = await stage.phone('first')
  await bot.call()
  const second = await stage.phone('second')
  await pause(2000)
  expect('Calls at the bot', bot.calls.length, 1)
  await first.stop()
  await bot.call(1)
  await pause(1500)
  await second.stop()
  expectBetween('Seconds of music', heardSeconds(second, musicHz), 1.3)
  expectBetween('Seconds of the bot', heardSeconds(second, botHz), 1)
  expectBetween('Seconds of music at the first', heardSeconds(first, musicHz), 0, 0)
}

/** As the records have them, in the order the calls ended. */
async function expectRoutes(stage: ServeStage, names: readonly string[]): Promise<void> {
  const records = await Promise.all(names.map((_, index) => stage.record(index)))
  const taken = records.map(({ routes = [] }) => routes.map(({ route }) => route).join(' '))
  expect('The routes of the records', taken, names)
}

/** Of the one caller, by its record; each but the first says why. */
async function expectSteps(stage: ServeStage, actions: readonly string[]): Promise<void> {
  const { routes = [] } = await stage.record()
  expect(
    'The steps of the record',
    routes.map(({ action }) => action),
    actions,
  )
  expect('Why the bot did not have it', /cannot be reached/.test(routes[1]?.after ?? ''), true)
}
