/** Warm transfers, transfers that are refused, conferences and parking with real phones: who hears whom at each step, by each one's recording. */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  agentSession,
  ConferenceRoom,
  ParkingLot,
  passOn,
  warmTransfer,
  type Consultation,
} from '../src/agent/index.ts'
import { type Call, createEndpoint } from '../src/index.ts'
import { repositoryRoot } from '../test/support/repository.ts'
import { sine } from './audio.ts'
import type { Check } from './check.ts'
import type { Baresip } from './peers/baresip.ts'
import { Linphone } from './peers/linphone.ts'
import { freePort } from './peers/ports.ts'
import { RtpPhone } from './peers/rtp-phone.ts'
import { startSipp } from './peers/sipp.ts'
import { password, startSwitchboard } from './switchboard.ts'
import { onStage, type Play, settled, Stage, stepMs, tones } from './stage.ts'
import { Diary, heardInFile } from './who-hears-whom.ts'
import { within } from './within.ts'

const flows: Readonly<Record<string, Pick<Check, 'rfc' | 'what' | 'how'> & { readonly play: Play }>> = {
  'warm-transfer': {
    rfc: 'RFC 7092 3.1',
    what: 'warm transfer: music, whisper, consultation, three-way, aside, through',
    how: 'baresip calls, baresip is the desk, UDP',
    play: warm,
  },
  'back-to-caller': {
    rfc: 'RFC 3261 21.4.18',
    what: 'warm transfer to a desk that is busy, does not answer, does not want: the caller is back',
    how: 'baresip calls; SIPp, SIPp and baresip are the desk, UDP',
    play: backToCaller,
  },
  'refer-refused': {
    rfc: 'RFC 3515 2.4.2',
    what: 'a transfer that is refused with 405 becomes a bridge',
    how: 'SIPp is the caller, baresip is the desk, UDP',
    play: referRefused,
  },
  'attended-refused': {
    rfc: 'RFC 3891 3, RFC 3515 2.4.2',
    what: 'an attended transfer that is refused with 405 becomes a bridge with the consulted party',
    how: 'SIPp is the caller, baresip is the desk, UDP',
    play: attendedRefused,
  },
  conference: {
    rfc: 'RFC 4579 3.1',
    what: 'five in a conference: each hears the others; one is muted, one leaves',
    how: 'five baresips are called, UDP',
    play: conference,
  },
  parking: {
    rfc: 'RFC 5359 2.15',
    what: 'a caller is parked, taken back, parked, and picked up by another phone',
    how: 'baresip calls, baresip picks up, UDP',
    play: parking,
  },
}

/** baresip 1.0 knows no Replaces. */
export function linphoneCallFlowChecks(logs: string): readonly Check[] {
  const name = 'call-flow-attended'
  return [
    {
      name,
      rfc: 'RFC 3891 3, RFC 5589 7',
      what: 'attended transfer: we talk to the desk, then caller and desk to each other, without us',
      how: 'Linphone is called, Linphone is the desk, UDP',
      run: () => attended(join(logs, name)),
    },
  ]
}

export function callFlowChecks(logs: string): readonly Check[] {
  return Object.entries(flows).map(([key, { rfc, what, how, play }]) => {
    const name = `call-flow-${key}`
    return { name, rfc, what, how, run: () => onStage(join(logs, name), play) }
  })
}

const holdMusic = (): Int16Array => sine(tones.music, 2)

async function warm(stage: Stage): Promise<void> {
  const { endpoint, diary } = stage
  const desk = await stage.phone('desk', tones.desk)
  const call = await stage.caller('caller', tones.caller)
  await stage.talk('agent', agentSession(call), ['caller'], { caller: ['agent'] })
  let whispered: (() => void) | undefined
  const decide = async (consultation: Consultation): Promise<boolean> => {
    whispered?.()
    const { session } = consultation
    await stage.talk('consultation', session, ['desk'], { caller: ['music'], desk: ['agent'] })
    const { seat } = consultation.threeWay()
    const ours = { input: seat.input.at(8000), output: seat.output.at(8000) }
    const everybody = { caller: ['agent', 'desk'], desk: ['agent', 'caller'] }
    await stage.talk('three-way', ours, ['caller', 'desk'], everybody)
    consultation.aside()
    await stage.talk('aside', session, ['desk'], { caller: ['music'], desk: ['agent'] })
    return true
  }
  const result = await warmTransfer(call, desk.uri, {
    endpoint,
    holdMusic,
    whisper: () => {
      whispered = diary.begin('whisper', { caller: ['music'], desk: ['whisper'] })
      return sine(tones.whisper, stepMs / 1000)
    },
    decide,
  })
  if (result.outcome !== 'connected') throw new Error(`The transfer ended with ${result.outcome}`)
  await stage.talk('connected', agentSession(call), [], { caller: ['desk'], desk: ['caller'] })
  await call.hangup()
  await within(3000, result.consulted.ended, 'hung up with the caller')
}

function expectOutcome(expected: string, { outcome }: { readonly outcome: string }): void {
  if (outcome !== expected) throw new Error(`It is ${outcome}, not ${expected}`)
}

async function backToCaller(stage: Stage): Promise<void> {
  const { endpoint, diary } = stage
  const scenarios = join(repositoryRoot, 'conformance', 'sipp')
  const sipp = (name: string): ReturnType<typeof startSipp> =>
    startSipp({
      scenario: { file: join(scenarios, `${name}.xml`) },
      transport: 'udp',
      folder: join(stage.folder, name),
    })
  const [busy, ringing] = await Promise.all([sipp('callee-busy'), sipp('callee-cancelled')])
  const desk = await stage.phone('desk', tones.desk)
  const call = await stage.caller('caller', tones.caller)
  const session = agentSession(call)
  const again = (what: string): Promise<void> => stage.talk(what, session, ['caller'], { caller: ['agent'] })
  await again('agent')
  const options = { endpoint, holdMusic }
  expectOutcome('busy', await warmTransfer(call, `sip:desk@127.0.0.1:${busy.port}`, options))
  await again('after busy')
  const unanswered = warmTransfer(call, `sip:desk@127.0.0.1:${ringing.port}`, {
    ...options,
    ringTimeoutMs: stepMs,
  })
  expectOutcome('unanswered', await diary.step('it rings', { caller: ['music'] }, unanswered))
  await again('after ringing')
  const declined = await warmTransfer(call, desk.uri, {
    ...options,
    decide: async consultation => {
      await stage.talk('asked', consultation.session, ['desk'], { caller: ['music'], desk: ['agent'] })
      return false
    },
  })
  expectOutcome('declined', declined)
  await again('after no')
  await call.hangup()
  await Promise.all([busy.passed, ringing.passed])
}

async function referRefused(stage: Stage): Promise<void> {
  await refused(stage, async (_call, desk) => desk.uri)
}

async function attendedRefused(stage: Stage): Promise<void> {
  await refused(stage, async (_call, desk) => {
    const consultation = await stage.endpoint.call(desk.uri)
    const session = agentSession(consultation)
    await stage.talk('consultation', session, ['desk'], { caller: [], desk: ['agent'] })
    return consultation
  })
}

/** A caller who refuses REFER with 405 is bridged to the target, and hears nobody else. */
async function refused(
  stage: Stage,
  targetOf: (call: Call, desk: Baresip) => Promise<string | Call>,
): Promise<void> {
  const { endpoint, diary, folder } = stage
  const desk = await stage.phone('desk', tones.desk)
  const sound = await RtpPhone.open(tones.caller)
  try {
    const name = 'transferee-refuses-405.xml'
    const scenario = readFileSync(join(repositoryRoot, 'conformance', 'sipp', name), 'utf8')
    const file = join(folder, name)
    // Whom the REFER names, and where the sound of the caller is.
    writeFileSync(
      file,
      scenario.replaceAll('sip:desk@', 'sip:baresip[^@]*@').replaceAll('[media_port]', `${sound.port}`),
    )
    const sipp = await startSipp({ scenario: { file }, transport: 'udp', folder: join(folder, 'caller') })
    const call = await endpoint.call(`sip:caller@127.0.0.1:${sipp.port}`)
    await stage.talk('agent', agentSession(call), ['caller'], { caller: ['agent'] })
    const target = await targetOf(call, desk)
    // The scenario knows no re-INVITE.
    const passed = await passOn(call, target, { endpoint, holdMusic, transfer: { hold: false } })
    if (passed.outcome !== 'bridged') throw new Error(`It is ${passed.outcome}, not bridged`)
    if (passed.transfer.statusCode !== 405) throw new Error(`REFER: ${passed.transfer.reason}`)
    await stage.talk('bridged', agentSession(call), [], { caller: ['desk'], desk: ['caller'] })
    await call.hangup()
    await within(3000, passed.target.ended, 'hung up with the caller')
    await sipp.passed
    diary.check('caller', sound.heard())
  } finally {
    sound.close()
  }
}

/** Each hears the others of those who speak. */
function hearing(
  present: readonly string[],
  speaking: readonly string[],
): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(present.map(name => [name, speaking.filter(other => other !== name)]))
}

async function conference(stage: Stage): Promise<void> {
  // Five at once are clipped: no product of the third order falls on another's tone.
  const said = { anna: 490, ben: 940, cleo: 1180, dora: 1700, emil: 2430, agent: 2770 }
  stage.diary = new Diary(said)
  const names = Object.keys(said).filter(name => name !== 'agent')
  const phones = await Promise.all(names.map(name => stage.phone(name, said[name as keyof typeof said])))
  const calls = await Promise.all(phones.map(phone => stage.endpoint.call(phone.uri)))
  const room = new ConferenceRoom({ clock: stage.endpoint.clock, maxParties: 6 })
  for (const call of calls) room.add(call)
  await settled()
  await stage.diary.step('all five', hearing(names, names), calls[0]!.sleep(stepMs))
  room.mute(calls[1]!)
  const withoutBen = names.filter(name => name !== 'ben')
  await stage.diary.step('ben is muted', hearing(names, withoutBen), calls[0]!.sleep(stepMs))
  room.remove(calls[4]!)
  const four = names.filter(name => name !== 'emil')
  const three = four.filter(name => name !== 'ben')
  await stage.talk('emil has left', agentSession(calls[4]!), ['emil'], {
    ...hearing(four, three),
    emil: ['agent'],
  })
  const seat = room.seat()
  const ours = { input: seat.input.at(8000), output: seat.output.at(8000) }
  await stage.talk('the agent takes a seat', ours, three, hearing(four, [...three, 'agent']))
  room.close()
  await Promise.all(calls.map(call => call.hangup()))
}

async function parking(stage: Stage): Promise<void> {
  const { endpoint, diary } = stage
  const desk = await stage.phone('desk', tones.desk)
  const call = await stage.caller('caller', tones.caller)
  const lot = new ParkingLot({ clock: endpoint.clock, holdMusic })
  const first = lot.park(call)
  await diary.step('parked', { caller: ['music'] }, call.sleep(stepMs))
  first.takeBack()
  await stage.talk('taken back', agentSession(call), ['caller'], { caller: ['agent'] })
  const second = lot.park(call)
  const other = await endpoint.call(desk.uri)
  await stage.talk('parked again', agentSession(other), ['desk'], { caller: ['music'], desk: ['agent'] })
  await lot.pickUp(second.slot, other)
  const { outcome } = await within(1000, second.left, 'picked up')
  if (outcome !== 'picked-up') throw new Error(`The caller left its place by ${outcome}`)
  await stage.talk('picked up', agentSession(call), [], { caller: ['desk'], desk: ['caller'] })
  await call.hangup()
  await within(3000, other.ended, 'hung up with the caller')
}

async function attended(folder: string): Promise<void> {
  const switchboard = await startSwitchboard(await freePort(), 'SHA-256')
  const endpoint = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  const stage = new Stage(folder, endpoint)
  const registrar = `sip:127.0.0.1:${switchboard.port}`
  const phones: Linphone[] = []
  const heard: (readonly string[])[] = []
  try {
    const registration = endpoint.register({
      aor: 'sip:agent@127.0.0.1',
      registrar,
      outboundProxy: `${registrar};lr`,
      credentials: { username: 'agent', password },
    })
    for (const user of ['caller', 'desk'] as const)
      phones.push(
        await Linphone.start({
          folder: join(folder, user),
          toneHz: tones[user],
          user,
          password,
          registrar,
          timeoutMs: 40_000,
        }),
      )
    await switchboard.untilBindings(3)
    const dial = (user: string): Promise<Call> =>
      within(6000, endpoint.call(switchboard.uriOf(user), { registration }), 'answered')
    const call = await dial('caller')
    await stage.talk('agent', agentSession(call), ['caller'], {})
    const consultation = await dial('desk')
    await stage.talk('consultation', agentSession(consultation), ['desk'], {})
    const passed = await within(15_000, passOn(call, consultation, { endpoint }), 'transferred')
    if (passed.outcome !== 'transferred') throw new Error(`It is ${passed.outcome}`)
    await within(3000, consultation.ended, 'replaced')
    // Linphone begins its file anew with each call.
    const together = stage.diary.begin('together', { caller: ['desk'], desk: ['caller'] })
    await new Promise(resolve => setTimeout(resolve, 2 * stepMs))
    together()
  } finally {
    for (const phone of phones) heard.push(await phone.stop())
    await endpoint.close({ giveUpMs: 1000 })
    await switchboard.stop()
  }
  for (const [index, party] of ['caller', 'desk'].entries())
    stage.diary.check(party, heardInFile(heard[index]![0]!))
}
