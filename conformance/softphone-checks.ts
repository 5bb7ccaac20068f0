/**
 * Softphones that register with our registrar and talk, by way of our proxy, with endpoints of ours that register there too: calls both
 * ways, hold, and transfers. The phone says one tone; what we say changes its tone, so that it shows when it was heard.
 */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type Call, createEndpoint, type Endpoint, type Registration } from '../src/index.ts'
import { findTone, readWav, sine } from './audio.ts'
import type { Check } from './check.ts'
import { Linphone } from './peers/linphone.ts'
import { freePort } from './peers/ports.ts'
import { BaresipPhone, type Softphone, type SoftphoneOptions } from './peers/softphone.ts'
import { password, startSwitchboard, type Switchboard } from './switchboard.ts'
import { within } from './within.ts'

const phoneHz = 1000
/** Our tone has -15 dBFS, as Linphone's has; that of baresip is louder. */
const quietestDbfs = -18
/** What we say when a hold is over. */
const afterHoldHz = 800

type Start = (options: SoftphoneOptions) => Promise<Softphone>
type Direction = 'calls' | 'is called'

/** A user of ours at the switchboard. */
interface Party {
  readonly endpoint: Endpoint
  readonly registration: Registration
  readonly uri: string
}

/** A phone and an agent of ours who talk, and a desk of ours that answers, and says a tone, whoever calls. */
interface Setting {
  readonly phone: Softphone
  readonly phoneUri: string
  readonly folder: string
  readonly agent: Party
  readonly desk: Party
  /** The next call at the desk. */
  readonly atDesk: () => Promise<Call>
  /** With the phone. */
  readonly call: Call
}

interface Scenario {
  readonly rfc: string
  readonly what: string
  readonly play: (setting: Setting) => Promise<void>
  /** What the phone hears of us all in all: tone, and seconds at least (0: never). */
  readonly hears?: readonly (readonly [hz: number, seconds: number])[]
}

const scenarios: Readonly<Record<string, Scenario>> = {
  talks: {
    rfc: 'RFC 3261 10.3, 16.6',
    what: 'registers with a password; each hears the other',
    play: async ({ call, folder }) => {
      await hear(call, join(folder, 'agent.wav'), 500)
      await call.hangup()
    },
    hears: [[500, 1]],
  },
  holds: {
    rfc: 'RFC 3264 8.4',
    what: 'it puts us on hold, hears nothing of us, and resumes',
    play: async ({ phone, call, folder }) => {
      await call.media.output.write(sine(500, 3))
      await call.media.output.flush()
      await Promise.all([hold(call, 'remote', true), phone.hold()])
      await call.sleep(300)
      void call.media.output.write(sine(600, 1))
      await call.sleep(1200)
      call.media.output.clear()
      await Promise.all([hold(call, 'remote', false), phone.resume()])
      await hear(call, join(folder, 'agent.wav'), afterHoldHz)
      await call.hangup()
    },
    hears: [
      [500, 1],
      [600, 0],
      [afterHoldHz, 1],
    ],
  },
  'is-held': {
    rfc: 'RFC 3264 8.4',
    what: 'we put it on hold, and resume',
    play: async ({ call, folder }) => {
      await call.media.output.write(sine(500, 3))
      await call.media.output.flush()
      await call.hold()
      await call.sleep(1000)
      await call.resume()
      await hear(call, join(folder, 'agent.wav'), afterHoldHz)
      await call.hangup()
    },
    hears: [
      [500, 1],
      [afterHoldHz, 1],
    ],
  },
  transfers: {
    rfc: 'RFC 3515 2.4.4',
    what: 'it transfers us to a desk, where we are heard',
    play: async ({ phone, call, desk, atDesk, folder }) => {
      const taken = new Promise<Call>((resolve, reject) => {
        call.on('transfer', request => void request.accept().then(resolve, reject))
      })
      const arriving = atDesk()
      await call.sleep(500)
      await phone.transfer(desk.uri)
      const moved = await within(6000, taken, 'taken over')
      const desked = await within(2000, arriving, 'called at the desk')
      await Promise.all([
        moved.media.output.write(sine(700, 3)),
        hear(desked, join(folder, 'desk.wav'), 500, 700),
      ])
      await moved.hangup()
    },
  },
  'transfers-attended': {
    rfc: 'RFC 3891 3, RFC 5589 7',
    what: 'it talks to a desk first and transfers us there: we take its place, and are heard',
    play: async ({ phone, call, agent, desk, atDesk, folder }) => {
      const { registration } = agent
      const taken = new Promise<Call>((resolve, reject) => {
        call.on('transfer', request => void request.accept({ registration }).then(resolve, reject))
      })
      const first = atDesk()
      await call.sleep(500)
      await Promise.all([hold(call, 'remote', true), phone.hold()])
      await phone.call(desk.uri)
      const consultation = await within(4000, first, 'consulted')
      const second = atDesk()
      await call.sleep(500)
      await phone.transferToSecond()
      const moved = await within(6000, taken, 'taken over')
      const desked = await within(2000, second, 'called at the desk')
      await within(3000, consultation.ended, 'replaced')
      await Promise.all([
        moved.media.output.write(sine(700, 3)),
        hear(desked, join(folder, 'desk.wav'), 500, 700),
      ])
      await moved.hangup()
    },
  },
  'is-transferred': {
    rfc: 'RFC 3515 2.4.4',
    what: 'we transfer it to a desk, where it is heard',
    play: async ({ call, desk, atDesk, folder }) => {
      const arriving = atDesk()
      await call.sleep(500)
      const result = await call.transfer(desk.uri)
      if (result.outcome !== 'transferred') throw new Error(`${result.outcome}: ${result.reason}`)
      const desked = await within(2000, arriving, 'called at the desk')
      await hear(desked, join(folder, 'desk.wav'), 500)
      await desked.hangup()
    },
    hears: [[500, 1]],
  },
  'is-transferred-attended': {
    rfc: 'RFC 3891 3, RFC 5589 7',
    what: 'we talk to a desk first and transfer it there: it takes our place, and is heard',
    play: async ({ call, agent, desk, atDesk, folder }) => {
      const first = atDesk()
      const consultation = await agent.endpoint.call(desk.uri, { registration: agent.registration })
      await first
      const second = atDesk()
      const result = await call.transfer(consultation)
      if (result.outcome !== 'transferred') throw new Error(`${result.outcome}: ${result.reason}`)
      const desked = await within(2000, second, 'called at the desk')
      await hear(desked, join(folder, 'desk.wav'), 500)
      await within(3000, consultation.ended, 'replaced')
      await desked.hangup()
    },
    hears: [[500, 1]],
  },
}

/** baresip 1.0 knows no Replaces. */
const noBaresip: ReadonlySet<string> = new Set(['transfers-attended', 'is-transferred-attended'])

export function linphoneChecks(logs: string): readonly Check[] {
  return checks('linphone', options => Linphone.start(options), logs)
}

export function baresipPhoneChecks(logs: string): readonly Check[] {
  return checks('baresip', options => BaresipPhone.start(options), logs)
}

function checks(user: string, start: Start, logs: string): readonly Check[] {
  const able = Object.entries(scenarios).filter(([name]) => user !== 'baresip' || !noBaresip.has(name))
  return able.flatMap(([name, scenario]) =>
    (['calls', 'is called'] as const).map(direction => {
      const id = `${user}-${direction.replace(' ', '-')}-${name}`
      return {
        name: id,
        rfc: scenario.rfc,
        what: scenario.what,
        how: `${user} ${direction} through our proxy, UDP`,
        run: () => run(user, start, direction, scenario, join(logs, id)),
      }
    }),
  )
}

async function run(
  user: string,
  start: Start,
  direction: Direction,
  scenario: Scenario,
  folder: string,
): Promise<void> {
  mkdirSync(folder, { recursive: true })
  // baresip 1.0 knows no other algorithm than MD5.
  const switchboard = await startSwitchboard(await freePort(), user === 'baresip' ? 'MD5' : 'SHA-256')
  const endpoints: Endpoint[] = []
  let phone: Softphone | undefined
  let heard: readonly string[] = []
  try {
    const [agent, desk] = await Promise.all(
      ['agent', 'desk'].map(async name => openParty(switchboard, name, endpoints)),
    )
    if (agent === undefined || desk === undefined) throw new Error('Two parties were asked for')
    const registrar = `sip:127.0.0.1:${switchboard.port}`
    phone = await start({ folder, toneHz: phoneHz, user, password, registrar, timeoutMs: 30_000 })
    await switchboard.untilBindings(3)
    const phoneUri = switchboard.uriOf(user)
    const call =
      direction === 'calls'
        ? (await within(6000, Promise.all([answering(agent.endpoint)(), phone.call(agent.uri)]), 'called'))[0]
        : await within(6000, agent.endpoint.call(phoneUri, { registration: agent.registration }), 'answered')
    const atDesk = answering(desk.endpoint)
    await within(15_000, scenario.play({ phone, phoneUri, folder, agent, desk, atDesk, call }), 'done')
    const { cause } = await within(3000, call.ended, 'ended')
    if (cause !== 'hangup') throw new Error(`The call ended with ${cause}`)
  } finally {
    heard = (await phone?.stop()) ?? []
    await Promise.all(endpoints.map(endpoint => endpoint.close({ giveUpMs: 1000 })))
    await switchboard.stop()
  }
  for (const [hz, least] of scenario.hears ?? []) {
    // The player baresip has in place of a sound card writes nothing after a re-INVITE.
    if (user !== 'baresip' || hz !== afterHoldHz) expectHeard(heard, hz, least)
  }
}

async function openParty(switchboard: Switchboard, user: string, endpoints: Endpoint[]): Promise<Party> {
  const endpoint = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  endpoints.push(endpoint)
  const registration = endpoint.register({
    aor: `sip:${user}@127.0.0.1`,
    registrar: `sip:127.0.0.1:${switchboard.port}`,
    // Whom Linphone refers us to it names without a port.
    outboundProxy: `sip:127.0.0.1:${switchboard.port};lr`,
    credentials: { username: user, password },
  })
  await within(5000, registration.ready, 'registered')
  return { endpoint, registration, uri: switchboard.uriOf(user) }
}

/** Answers the next call, and gives it. */
function answering(endpoint: Endpoint): () => Promise<Call> {
  return async () => {
    const stop = new AbortController()
    return new Promise((resolve, reject) => {
      void endpoint.serve(
        async call => {
          stop.abort()
          try {
            await call.answer()
            resolve(call)
          } catch (error) {
            reject(error)
          }
          await call.ended
        },
        { signal: stop.signal },
      )
    })
  }
}

/** Three seconds in which the other party must be heard to say its tone, and hears ours. */
async function hear(call: Call, file: string, oursHz: number, theirsHz = phoneHz): Promise<void> {
  const recording = await call.record(file)
  await Promise.all([call.media.output.write(sine(oursHz, 3)), call.sleep(3500)])
  await recording.stop()
  expectTone(`${file} has`, findTone(readWav(file), 0, theirsHz), theirsHz, 1.5)
}

function hold(call: Call, by: 'local' | 'remote', active: boolean): Promise<void> {
  const seen = new Promise<void>(resolve => {
    const look = (who: 'local' | 'remote', now: boolean): void => {
      if (who !== by || now !== active) return
      call.off('hold', look)
      resolve()
    }
    call.on('hold', look)
  })
  return within(5000, seen, active ? 'put on hold' : 'resumed')
}

function expectHeard(files: readonly string[], hz: number, least: number): void {
  const tones = files.map(file => findTone(readWav(file), 0, hz))
  const longest = tones.toSorted((a, b) => b.seconds - a.seconds)[0] ?? { seconds: 0, levelDbfs: Number.NaN }
  if (least > 0) expectTone('The phone heard', longest, hz, least)
  else if (longest.seconds > 0.2) throw new Error(`The phone heard ${hz} Hz while we were on hold`)
}

function expectTone(
  who: string,
  { seconds, levelDbfs }: { readonly seconds: number; readonly levelDbfs: number },
  hz: number,
  least: number,
): void {
  const figures = `${seconds.toFixed(1)} s of ${hz} Hz at ${levelDbfs.toFixed(1)} dBFS`
  if (seconds < least || !(levelDbfs > quietestDbfs))
    throw new Error(`${who} ${figures}, not ${least} s above ${quietestDbfs} dBFS`)
}
