import t from 'tap'
import twilio from 'twilio'
import type { Agent, AgentSession } from '../../../src/agent/agent.ts'
import { streamAgent } from '../../../src/agent/streams/client.ts'
import { twilioCallSid } from '../../../src/agent/streams/ids.ts'
import { twilioRest } from '../../../src/agent/twilio-rest/twilio-rest.ts'
import type { TwilioRest, TwilioRestOptions } from '../../../src/agent/twilio-rest/twilio-rest.ts'
import type { HttpRequest, HttpResponse } from '../../../src/runtime/web.ts'
import { botUrl, callBot } from '../streams/bot.ts'
import type { ScriptedBot } from '../streams/bot.ts'

const accountSid = `AC${'5'.repeat(32)}`
const authToken = 'secret'

/** The real package, with our handler where the network would be. */
function clientOf(rest: TwilioRest, password = authToken): ReturnType<typeof twilio> {
  const httpClient = {
    async request(options: {
      method: string
      uri: string
      username?: string
      password?: string
      data?: Record<string, string>
    }) {
      const { method, uri, username = '', password: pass = '', data = {} } = options
      const {
        status,
        body = '',
        headers,
      } = await ask(rest, {
        method: method.toUpperCase(),
        url: uri.replace('https://api.twilio.com', ''),
        authorization: `Basic ${Buffer.from(`${username}:${pass}`).toString('base64')}`,
        body: new URLSearchParams(data).toString(),
      })
      return { statusCode: status, body: Buffer.from(body).toString(), headers }
    },
  }
  return twilio(accountSid, password, { httpClient: httpClient as never })
}

function ask(
  rest: TwilioRest,
  {
    method,
    url,
    authorization,
    body,
  }: { method: string; url: string; authorization?: string; body?: string },
): Promise<HttpResponse> {
  const headers = new Map(authorization === undefined ? [] : [['authorization', authorization]])
  const remote = { address: '10.0.0.1', port: 1, family: 4 as const }
  const request: HttpRequest = { method, url, headers, body: Buffer.from(body ?? ''), remote, secure: true }
  return rest.handle(request)
}

function callSid(bot: ScriptedBot): string {
  const { start } = bot.messages.find(({ event }) => event === 'start') as {
    start: { callSid: string; accountSid: string }
  }
  return start.callSid
}

async function withBot(
  options: Partial<TwilioRestOptions>,
  script: (all: {
    client: ReturnType<typeof twilio>
    rest: TwilioRest
    bot: ScriptedBot
    sid: string
    lab: Parameters<Parameters<typeof callBot>[1]>[2]
    caller: Parameters<Parameters<typeof callBot>[1]>[0]
  }) => Promise<void>,
) {
  let rest: TwilioRest | undefined
  return callBot(
    {
      dialect: 'twilio',
      agent: (runtime): Agent => {
        rest = twilioRest({ accountSid, authToken, runtime, ...options })
        return rest.track(
          streamAgent({ url: botUrl, dialect: 'twilio', ids: { accountId: accountSid }, runtime }),
        )
      },
    },
    async (caller, bot, lab) => {
      if (rest === undefined) throw new Error('no agent')
      await script({ client: clientOf(rest), rest, bot, sid: callSid(bot), lab, caller })
    },
  )
}

t.test('a bot hangs up as on Twilio, and the call can still be looked at', async t => {
  const { record, bots } = await withBot({}, async ({ client, sid, lab, caller }) => {
    const before = await client.calls(sid).fetch()
    t.equal(before.status, 'in-progress')
    t.equal(before.sid, sid)
    t.equal(before.accountSid, accountSid)
    t.equal(before.direction, 'inbound')
    t.ok(before.startTime instanceof Date)
    await lab.clock.sleep(3000)
    await client.calls(sid).update({ status: 'completed' })
    await caller.isHungUp()
    const after = await client.calls(sid).fetch()
    t.equal(after.status, 'completed')
    t.match(after.duration, /^[34]$/)
    const again = client.calls(sid).update({ status: 'completed' })
    await t.rejects(again, { status: 400, code: 21220, moreInfo: 'https://www.twilio.com/docs/errors/21220' })
  })
  t.equal(record.ended?.by, 'local')
  t.equal(bots[0]?.messages.at(-1)?.['event'], 'stop')
})

t.test('<Dial> takes the call from the bot and passes the caller on', async t => {
  const dialled: string[] = []
  const dial = async (session: AgentSession, target: string): Promise<boolean> => {
    dialled.push(target)
    await session.sleep(500)
    return dialled.length === 2
  }
  const { bots } = await withBot({ dial }, async ({ client, sid, bot, lab, caller }) => {
    bot.tone(440, 30_000)
    await caller.hears({ toneHz: 440 })
    const twiml = new twilio.twiml.VoiceResponse()
    const dialVerb = twiml.dial()
    dialVerb.number('+15550100')
    dialVerb.sip('sip:desk@example.com')
    const { status } = await client.calls(sid).update({ twiml })
    t.equal(status, 'in-progress')
    // What most bots do next.
    bot.close()
    await caller.hears({ silenceMs: 200 }, { withinMs: 400 })
    await lab.clock.sleep(200)
    t.equal(bot.messages.at(-1)?.['event'], 'stop')
    await caller.isHungUp({ withinMs: 3000 })
  })
  t.same(dialled, ['+15550100', 'sip:desk@example.com'])
  t.equal(bots.length, 1)
})

t.test(
  '<Play digits> presses keys, <Say> speaks where speech was given, <Pause> waits, and the end hangs up',
  async t => {
    const said: string[] = []
    const say = (_session: AgentSession, text: string): Promise<void> => {
      said.push(text)
      return Promise.resolve()
    }
    const { record } = await withBot({ say }, async ({ client, sid, lab, caller }) => {
      const twiml = '<Response><Play digits="1w2"/><Pause length="2"/><Say>Bye</Say></Response>'
      await client.calls(sid).update({ twiml })
      await lab.clock.sleep(1800)
      t.same(said, [])
      await caller.isHungUp({ withinMs: 3000 })
    })
    t.same(said, ['Bye'])
    t.equal(record.personal.digitsSent, '12')
  },
)

t.test('a second document takes the place of the first', async t => {
  const { record } = await withBot({}, async ({ client, sid, lab, caller }) => {
    await client.calls(sid).update({ twiml: '<Response><Pause length="600"/></Response>' })
    await lab.clock.sleep(500)
    await client.calls(sid).update({ twiml: '<Response><Play digits="7"/><Hangup/></Response>' })
    await caller.isHungUp({ withinMs: 3000 })
  })
  t.equal(record.personal.digitsSent, '7')
})

t.test('<Dial> by REFER unless told otherwise; one that nobody takes hangs up', async t => {
  const { record } = await withBot({}, async ({ client, sid, caller }) => {
    await client.calls(sid).update({ twiml: '<Response><Dial>+15550100</Dial></Response>' })
    await caller.isHungUp({ withinMs: 10_000 })
  })
  t.same(record.personal.transferTargets, ['<tel:+15550100>'])
  t.equal(record.transfers?.[0]?.outcome, 'refused')
})

t.test('what is not understood is refused in Twilio’s words, and the call goes on', async t => {
  await withBot({}, async ({ client, rest, sid, bot, lab }) => {
    const calls = client.calls(sid)
    await t.rejects(calls.update({ twiml: '<Response><Say>Hi</Say></Response>' }), {
      status: 400,
      code: 12200,
    })
    await t.rejects(calls.update({ twiml: '<Response><Play>https://x/a.mp3</Play></Response>' }), {
      code: 12200,
    })
    await t.rejects(calls.update({ url: 'https://example.com/twiml' }), { code: 21205, message: /Twiml/ })
    await t.rejects(calls.update({ status: 'canceled' }), { code: 21220 })
    await t.rejects(client.calls(`CA${'0'.repeat(32)}`).fetch(), { status: 404, code: 20404 })
    await t.rejects(clientOf(rest, 'wrong').calls(sid).fetch(), { status: 401, code: 20003 })
    const url = `/2010-04-01/Accounts/${accountSid}/Calls/${sid}.json`
    const authorization = `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString('base64')}`
    t.equal((await ask(rest, { method: 'GET', url })).status, 401)
    t.equal((await ask(rest, { method: 'DELETE', url, authorization })).status, 405)
    t.equal((await ask(rest, { method: 'POST', url, authorization, body: 'Status=gone' })).status, 400)
    t.equal((await ask(rest, { method: 'GET', url: '/2010-04-01/Accounts.json', authorization })).status, 404)
    t.equal(
      (await ask(rest, { method: 'GET', url: url.replace(accountSid, 'AC1'), authorization })).status,
      404,
    )
    await lab.clock.sleep(200)
    t.equal(bot.closed, undefined)
  })
})

/** A call of nobody, for what needs no phone. */
function sessionOf(id: string, ended: Promise<unknown>): AgentSession {
  const party = { uriText: 'sip:a@example.com' }
  const { signal } = new AbortController()
  return { id, ended, signal, hangup: farEndGone, local: party, remote: party, output: {} } as never
}

function farEndGone(): Promise<never> {
  return Promise.reject(new Error('the far end is gone'))
}

/** Status and Twilio's code for a request about that call. */
async function asked(rest: TwilioRest, id: string, body?: string): Promise<readonly [number, unknown]> {
  const account = `AC${'0'.repeat(32)}`
  const response = await ask(rest, {
    method: body === undefined ? 'GET' : 'POST',
    url: `/2010-04-01/Accounts/${account}/Calls/${twilioCallSid(id)}.json`,
    authorization: `Basic ${Buffer.from(`${account}:${authToken}`).toString('base64')}`,
    ...(body !== undefined && { body }),
  })
  return [response.status, (JSON.parse(String(response.body)) as { code?: number }).code]
}

t.test('calls that have ended are kept up to a number', async t => {
  const rest = twilioRest({ authToken, keepCalls: 1, runtime: { clock: { wallTime: () => 0 } } as never })
  const tracked = rest.track({ run: () => Promise.resolve() })
  for (const id of ['a', 'b']) await tracked.run(sessionOf(id, Promise.resolve({})))
  t.same(await asked(rest, 'a'), [404, 20404])
  t.same(await asked(rest, 'b'), [200, undefined])
})

t.test('TwiML for a call that the bot has left already is refused, not taken and forgotten', async t => {
  const rest = twilioRest({ authToken, runtime: { clock: { wallTime: () => 0 } } as never })
  const twiml = new URLSearchParams({ Twiml: '<Response><Dial>+15550100</Dial></Response>' }).toString()
  await rest.track({ run: () => Promise.resolve() }).run(sessionOf('a', new Promise(() => {})))
  t.same(await asked(rest, 'a', twiml), [400, 21220])
  const failed = rest.track({ run: () => Promise.reject(new Error('broken')) })
  await t.rejects(failed.run(sessionOf('b', new Promise(() => {}))), /broken/)
  t.same(await asked(rest, 'b', twiml), [400, 21220])
  // It can still be ended, whoever has it now; one whose far end is gone is no fault of who asks.
  t.same(await asked(rest, 'b', 'Status=completed'), [200, undefined])
})

t.test('options that cannot be meant are refused', async t => {
  t.throws(() => twilioRest({ authToken: '' }), /authToken/)
  t.throws(() => twilioRest({ authToken: 'x', accountSid: '../' }), /accountSid/)
  t.throws(() => twilioRest({ authToken: 'x', keepCalls: 0 }), /keepCalls/)
})
