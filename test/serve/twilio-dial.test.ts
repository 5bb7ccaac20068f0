import t from 'tap'
import type { CallEnded } from '../../src/call/call-ended.ts'
import { tone } from '../../src/media/audio/tones.ts'
import type { Lab } from '../../src/testing/lab.ts'
import type { AgentSession } from '../../src/agent/agent.ts'
import type { TransferResult } from '../../src/call/transfer-options.ts'
import { dial } from '../../src/serve/twilio-dial.ts'
import type { DialHost } from '../../src/serve/twilio-dial.ts'
import { bot, post, rest } from './twilio-bot.ts'
import { configOf, dialled, inWorld } from './world.ts'
import type { World } from './world.ts'

const trunk = `trunks: { carrier: { preset: generic, hosts: ['desk.lab:5060'], transport: udp, auth: none, health: false, caller: '+15550199' } }\n`
const byRefer = configOf(bot + rest)
const byTrunk = configOf(trunk + bot + rest.replace(' }', ', trunk: carrier }'))

/** The phones of a lab refuse REFER, so that what can be is bridged. */
const ways: readonly (readonly [how: string, config: string, dial: string])[] = [
  ['a number by the trunk', byTrunk, '<Dial>+15550100</Dial>'],
  ['a URI by a bridge', byRefer, '<Dial><Sip>sip:desk@desk.lab</Sip></Dial>'],
]

interface Desk {
  readonly before: (lab: Lab) => Promise<void>
  readonly ended: CallEnded[]
}

/** Somebody at desk.lab who says 1,000 Hz once it has rung; hangs up after `talkMs`. */
function deskThat({ ringMs = 0, talkMs }: { readonly ringMs?: number; readonly talkMs?: number } = {}): Desk {
  const ended: CallEnded[] = []
  const before = async (lab: Lab): Promise<void> => {
    const endpoint = await lab.endpoint('desk.lab')
    void endpoint.serve(async call => {
      call.ring()
      await lab.clock.sleep(ringMs)
      await call.answer()
      void call.media.output.at(8000).write(tone({ hz: 1000, sampleRate: 8000, durationMs: 60_000 }))
      void call.ended.then(value => ended.push(value))
      await (talkMs === undefined ? call.ended : lab.clock.sleep(talkMs))
    })
  }
  return { before, ended }
}

const response = (verbs: string): { readonly Twiml: string } => ({ Twiml: `<Response>${verbs}</Response>` })

function errorsOf({ events }: World): readonly string[] {
  return events.flatMap(event => (event.event === 'error' ? event.message : []))
}

/** A caller of the bot whose call has been given these verbs. */
async function givenVerbs(
  world: World,
  verbs: string,
): Promise<{
  readonly caller: ReturnType<Lab['caller']>
  readonly keys: string[]
  readonly ended: Promise<CallEnded>
}> {
  const caller = world.lab.caller()
  const call = await caller.call(dialled)
  const keys: string[] = []
  void (async () => {
    for await (const { digit } of call.dtmf()) keys.push(digit)
  })()
  await caller.waits(200)
  await post(world, response(verbs))
  return { caller, keys, ended: call.ended }
}

for (const [how, config, verbs] of ways) {
  t.test(`other TwiML while the two talk lets the desk go, and the caller is given it: ${how}`, async t => {
    const desk = deskThat()
    await inWorld(
      config,
      async world => {
        const { caller, keys, ended } = await givenVerbs(world, verbs)
        await caller.hears({ toneHz: 1000 })
        await post(world, response('<Pause length="2"/><Play digits="7"/>'))
        await caller.waits(200)
        t.match(desk.ended, [{ by: 'remote', cause: 'hangup' }])
        await caller.hears({ silenceMs: 500 })
        t.match(await ended, { by: 'remote' })
        t.same(keys, ['7'])
        t.same(errorsOf(world), [])
      },
      desk,
    )
  })

  t.test(`other TwiML while it rings takes the call back: ${how}`, async t => {
    const desk = deskThat({ ringMs: 20_000 })
    await inWorld(
      config,
      async world => {
        const { caller, keys, ended } = await givenVerbs(world, verbs)
        await caller.hears({ toneHz: 440 })
        await post(world, response('<Pause length="2"/><Play digits="7"/>'))
        await caller.waits(300)
        t.equal(world.server.endpoint.calls.length, 1, 'the caller alone')
        await caller.hears({ silenceMs: 500 })
        await ended
        t.same(keys, ['7'])
        t.same(errorsOf(world), [])
      },
      desk,
    )
  })

  t.test(`either one that hangs up ends both: ${how}`, async t => {
    const desk = deskThat({ talkMs: 1000 })
    await inWorld(
      config,
      async world => {
        const first = await givenVerbs(world, verbs)
        t.match(await first.ended, { by: 'remote', cause: 'hangup' })
        t.match(desk.ended, [{ by: 'local' }])
        t.same(errorsOf(world), [])
      },
      desk,
    )
    const late = deskThat({ ringMs: 20_000 })
    await inWorld(
      config,
      async world => {
        const { caller } = await givenVerbs(world, verbs)
        await caller.hears({ toneHz: 440 })
        await caller.hangup()
        await caller.waits(500)
        t.equal(world.server.endpoint.calls.length, 0, 'while it rings')
        t.same(errorsOf(world), [])
      },
      late,
    )
  })
}

t.test('a number without a trunk, where REFER is refused: the next verb, and what to do is said', async t => {
  await inWorld(byRefer, async world => {
    const { keys, ended } = await givenVerbs(world, '<Dial>+15550100</Dial><Play digits="7"/>')
    await ended
    t.same(keys, ['7'])
    t.match(errorsOf(world), [/REFER was refused; name the trunk .* twilioRest\.trunk/])
  })
})

t.test('who cannot be reached is passed over, the next one is dialled, and why is said', async t => {
  const desk = deskThat({ talkMs: 1000 })
  await inWorld(
    byRefer,
    async world => {
      const nouns = '<Sip>sip:desk@nowhere.lab</Sip><Sip>sip:desk@desk.lab</Sip>'
      const { caller } = await givenVerbs(world, `<Dial>${nouns}</Dial>`)
      await caller.hears({ toneHz: 1000 }, { withinMs: 40_000 })
      t.match(errorsOf(world), [/<Dial>: .*nowhere\.lab/])
    },
    desk,
  )
})

t.test('another trunk is taken over by a reload', async t => {
  const other = byTrunk.replace('carrier:', 'other:').replace('trunk: carrier', 'trunk: other')
  await inWorld(
    other.replace('desk.lab', 'nowhere.lab'),
    async world => {
      await world.reload(byTrunk)
      t.match(world.events.at(-1), { event: 'reloaded', needRestart: [] })
      const { caller } = await givenVerbs(world, '<Dial>+15550100</Dial>')
      await caller.hears({ toneHz: 1000 })
    },
    deskThat(),
  )
})

t.test('a call that came on a stream is passed on by its carrier', async t => {
  const asked: unknown[] = []
  const errors: string[] = []
  const host = {
    endpoint: { calls: [] },
    country: undefined,
    onError: (message: string) => errors.push(message),
  }
  const { signal } = new AbortController()
  const dialling = (target: string, outcome: TransferResult['outcome']): Promise<boolean> => {
    const transfer = async (uri: unknown): Promise<object> => {
      asked.push(uri)
      return { outcome, reason: 'not today' }
    }
    const session = { id: 'stream', transfer, signal } as unknown as AgentSession
    return dial(session, target, signal, host as unknown as DialHost)
  }
  t.equal(await dialling('+15550100', 'transferred'), true)
  t.equal(await dialling('sip:desk@desk.lab', 'unknown'), true)
  t.same(errors, [])
  t.equal(await dialling('+15550100', 'refused'), false)
  t.same(asked, ['tel:+15550100', 'sip:desk@desk.lab', 'tel:+15550100'])
  t.match(errors, [/the carrier does not pass the call on: not today/])
})
