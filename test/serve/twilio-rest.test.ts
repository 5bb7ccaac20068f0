import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { tone } from '../../src/media/audio/tones.ts'
import type { Lab } from '../../src/testing/lab.ts'
import { authToken, bot, post, rest } from './twilio-bot.ts'
import { configOf, dialled, inWorld, serverAddress } from './world.ts'

/** Somebody at desk.lab, who says a tone; gives who was dialled there. */
async function desk(lab: Lab, dialledThere: string[]): Promise<void> {
  const endpoint = await lab.endpoint('desk.lab')
  void endpoint.serve(async call => {
    dialledThere.push(call.local.uriText)
    await call.answer()
    await call.media.output.at(8000).write(tone({ hz: 1000, sampleRate: 8000, durationMs: 3000 }))
    await call.ended
  })
}

t.test('a bot of Twilio’s dialect hangs its call up, with the account that `start` names', async t => {
  await inWorld(configOf(bot + rest), async world => {
    const { lab, events } = world
    t.match(events, [{ event: 'listening', twilioRest: `http://${serverAddress}:8081` }])
    const caller = lab.caller()
    const call = await caller.call(dialled)
    await caller.waits(200)
    t.match(await post(world, { Status: 'completed' }, 'guess'), { status: 401, body: /20003/ })
    t.equal(call.endedValue, undefined)
    t.match(await post(world, { Status: 'completed' }), { status: 200, body: /"sid": ?"CA/ })
    t.match(await call.ended, { by: 'remote' })
  })
})

t.test(
  '<Dial><Sip>: where REFER is refused the caller is bridged, and the bot is told that it is over',
  async t => {
    const there: string[] = []
    await inWorld(
      configOf(bot + rest),
      async world => {
        const caller = world.lab.caller()
        await caller.call(dialled)
        await caller.waits(200)
        const Twiml = '<Response><Dial><Sip>sip:desk@desk.lab</Sip></Dial></Response>'
        t.match(await post(world, { Twiml }), { status: 200 })
        await caller.hears({ toneHz: 1000 })
        t.same(there, ['sip:desk@desk.lab'])
        t.match(world.bots[0]?.messages.at(-1), { event: 'stop' })
        await caller.hangup()
        await caller.waits(100)
        t.equal(world.server.endpoint.calls.length, 0, 'both legs')
      },
      { before: lab => desk(lab, there) },
    )
  },
)

t.test(
  '<Dial> of a number goes by the trunk that is named, while the caller hears it ring; busy, the next verb',
  async t => {
    const there: string[] = []
    const trunk = `trunks: { carrier: { preset: generic, hosts: ['desk.lab:5060'], transport: udp, auth: none, health: false, caller: '+15550199' } }\n`
    await inWorld(
      configOf(trunk + bot + rest.replace(' }', ', trunk: carrier }')),
      async world => {
        const caller = world.lab.caller()
        await caller.call(dialled)
        await caller.waits(200)
        t.match(await post(world, { Twiml: '<Response><Dial>+15550100</Dial></Response>' }), { status: 200 })
        await caller.hears({ toneHz: 440 })
        await caller.hears({ toneHz: 1000 })
        t.match(there, [/^sip:\+15550100@/])
        await caller.hangup()
      },
      {
        before: async lab => {
          const endpoint = await lab.endpoint('desk.lab')
          void endpoint.serve(async call => {
            there.push(call.local.uriText)
            call.ring()
            await lab.clock.sleep(3000)
            await call.answer()
            await call.media.output.at(8000).write(tone({ hz: 1000, sampleRate: 8000, durationMs: 3000 }))
            await call.ended
          })
        },
      },
    )
    await inWorld(
      configOf(trunk + bot + rest.replace(' }', ', trunk: carrier }')),
      async world => {
        const caller = world.lab.caller()
        const call = await caller.call(dialled)
        await caller.waits(200)
        const keys: string[] = []
        const listening = (async () => {
          for await (const { digit } of call.dtmf()) keys.push(digit)
        })()
        const Twiml = '<Response><Dial>+15550100</Dial><Play digits="7"/></Response>'
        t.match(await post(world, { Twiml }), { status: 200 })
        t.match(await call.ended, { by: 'remote' })
        await listening
        t.same(keys, ['7'])
      },
      {
        before: async lab => {
          const endpoint = await lab.endpoint('desk.lab')
          void endpoint.serve(async call => call.reject(486))
        },
      },
    )
  },
)

t.test('a reload names it where it changed; its token is printed nowhere', async t => {
  await inWorld(
    configOf(bot + rest.replace(authToken, "'${env:TOKEN}'")),
    async ({ reload, events }) => {
      await reload(configOf(bot + rest.replace('8081', '8082')))
      t.match(events.at(-1), { event: 'reloaded', needRestart: ['twilioRest.port'] })
      t.notMatch(JSON.stringify(events), authToken)
    },
    { env: { TOKEN: authToken } },
  )
})

t.test('a port that is taken: nothing of it stays behind', async t => {
  const taken = configOf(bot + rest.replace('8081', '9090'))
  await t.rejects(
    inWorld(taken, async () => {}),
    /9090/,
  )
})

t.test('with a certificate it is https; another one under the same name takes a restart', async t => {
  const tls = rest.replace(' }', ', tls: { cert: own.pem, key: own.key } }')
  await inWorld(
    configOf(bot + tls),
    async ({ host, folder, events, reload }) => {
      t.match(events, [{ event: 'listening', twilioRest: `https://${serverAddress}:8081` }])
      // It has one that nobody knows.
      await t.rejects(host.fetch(`https://${serverAddress}:8081/`), /UNABLE_TO_VERIFY/)
      await t.rejects(host.fetch(`http://${serverAddress}:8081/`), /ECONNRESET/)
      await reload(configOf(bot + tls))
      t.match(events.at(-1), { needRestart: [] })
      writeFileSync(join(folder, 'own.pem'), 'renewed')
      await reload(configOf(bot + tls))
      t.match(events.at(-1), { event: 'reloaded', needRestart: ['twilioRest.tls'] })
    },
    { files: { 'own.pem': 'certificate', 'own.key': 'key' } },
  )
})
