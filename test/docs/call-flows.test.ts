import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import * as agent from '../../src/agent/index.ts'
import type { AgentSession } from '../../src/agent/index.ts'
import type { Call } from '../../src/call/call.ts'
import type { Endpoint } from '../../src/call/endpoint.ts'
import type { IncomingCall } from '../../src/call/incoming-call.ts'
import { tone } from '../../src/media/audio/tones.ts'
import { createLab } from '../../src/testing/lab.ts'
import { repositoryRoot } from '../support/repository.ts'

const { agentSession, ConferenceRoom, ParkingLot, collect, leaveMessage, listenForSpeech } = agent
const { passOn, speak, warmTransfer } = agent

const page = readFileSync(join(repositoryRoot, 'docs/call-flows.md'), 'utf8')
const blocks = [...page.matchAll(/```ts\n([\s\S]*?)```/g)].map(match => match[1]!)

/** Text without indentation and line breaks, which differ between the page and this file. */
const flat = (text: string): string => text.replaceAll(/\s+/g, ' ').trim()

t.test('every piece of code on the page is in this file, and every name is exported', t => {
  const source = flat(readFileSync(join(repositoryRoot, 'test/docs/call-flows.test.ts'), 'utf8'))
  const [imports = '', ...pieces] = blocks
  t.equal(pieces.length, 10)
  for (const piece of pieces) t.ok(source.includes(flat(piece)), flat(piece).slice(0, 60))
  const names = /\{([\s\S]*)\}/
    .exec(imports)![1]!
    .split(',')
    .map(name => name.trim())
  for (const name of names.filter(Boolean)) t.ok(name in agent, name)
  t.end()
})

const sound = (hz: number): Int16Array => tone({ sampleRate: 8000, hz, durationMs: 500 })
const askForNumber = (): Int16Array => sound(500)
const music = (): Int16Array => sound(1000)
const whoCalls = (): Int16Array => sound(1300)
const reminder = (): Int16Array => sound(300)

async function* synthesise(
  text: string,
  { signal }: { readonly signal: AbortSignal },
): AsyncGenerator<{ samples: Int16Array; characters: number }> {
  if (!signal.aborted) yield { samples: sound(600), characters: text.length }
}

type Flow = (session: AgentSession, call: Call, endpoint: Endpoint) => Promise<void>

/** Runs a flow on a call that comes in, while the caller does what is said. */
async function flow(run: Flow, caller: (call: Call) => Promise<void>): Promise<void> {
  const lab = createLab()
  const endpoint = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  const desk = await lab.endpoint('desk.example')
  void desk.serve(async call => {
    await call.answer()
    await call.sleep(1500)
    await call.sendDtmf('1')
    await call.ended
  })
  let over: Promise<void> | undefined
  void endpoint.serve(async call => {
    await answer(call)
    over = run(agentSession(call), call, endpoint)
    await over
  })
  await lab.run(async () => {
    const call = await phone.call('sip:agent@agent.lab')
    await caller(call)
    await call.hangup()
    await over
  })
}

const warned: number[] = []
const warn = (remainingMs: number): number => warned.push(remainingMs)

async function answer(call: IncomingCall): Promise<void> {
  await call.answer({ maxDurationMs: 600_000, expiringNoticeMs: 30_000 })
  const session = agentSession(call)
  const stopListening = session.on?.('expiring', remainingMs => void warn(remainingMs))
  void call.ended.then(stopListening)
}

t.test('digits, prompts and speech', async t => {
  await flow(
    async session => {
      const { digits, complete, by } = await collect(session, {
        digits: { min: 4, max: 8 },
        prompt: () => askForNumber(),
        timeoutMs: 5000,
        interDigitMs: 3000,
        terminators: '#',
        tries: 3,
      })
      t.strictSame({ digits, complete, by }, { digits: '4711', complete: true, by: 'terminator' })
      {
        const { complete, by, heardMs, heardText } = await speak(session, 'Your parcel arrives tomorrow.', {
          tts: (text, { signal }) => synthesise(text, { signal }),
          bargeIn: 'any',
        })
        t.match({ complete, by, heardMs }, { complete: true, by: undefined, heardMs: 500 })
        t.equal(heardText, 'Your parcel arrives tomorrow.')
      }
      const { outcome, speech } = await listenForSpeech(session, { noInputMs: 5000, silenceMs: 700 })
      t.strictSame([outcome, speech], ['no-input', undefined])
    },
    async call => {
      await call.sendDtmf('4711#')
      await call.ended
    },
  )
})

t.test('warm transfer', async t => {
  await flow(
    async (_, call, endpoint) => {
      const result = await warmTransfer(call, 'sip:desk@desk.example', {
        endpoint,
        ringTimeoutMs: 20_000,
        holdMusic: () => music(),
        whisper: () => whoCalls(),
        decide: async ({ session }) => (await collect(session, { digits: 1 })).digits === '1',
      })
      if (result.outcome === 'connected') await result.bridge.ended
      t.equal(result.outcome, 'connected')
    },
    call => call.sleep(4000),
  )
})

t.test('passing on', async t => {
  await flow(
    async (_, call, endpoint) => {
      const passed = await passOn(call, 'sip:desk@desk.example', { endpoint, holdMusic: () => music() })
      if (passed.outcome === 'bridged') await passed.bridge.ended
      t.equal(passed.outcome, 'bridged')
    },
    call => call.sleep(2000),
  )
})

t.test('parking, and the conference', async t => {
  await flow(
    async (_, call, endpoint) => {
      const room = new ConferenceRoom({ clock: endpoint.clock, maxParties: 8 })
      room.add(call)
      room.mute(call)
      room.mute(call, false)
      const { input, output, leave } = room.seat()
      leave()
      room.remove(call)
      t.same([input.sampleRate, output.sampleRate, room.size], [16_000, 16_000, 0])
      const lot = new ParkingLot({ clock: endpoint.clock, limitMs: 60_000, holdMusic: () => music() })
      const { slot, left } = lot.park(call)
      const unparked = await left
      if (unparked.outcome === 'picked-up') await unparked.bridge.ended
      t.same([slot, unparked.outcome], ['701', 'timeout'])
    },
    async call => void (await call.ended),
  )
})

t.test('a message, and the end', async t => {
  const lab = createLab()
  const endpoint = await lab.endpoint('agent.lab')
  const desk = await lab.endpoint('desk.example')
  void desk.serve(async call => {
    await call.answer()
    await call.ended
  })
  await lab.run(async () => {
    const session = agentSession(await endpoint.call('sip:desk@desk.example'))
    const { answeredBy, left: isLeft } = await leaveMessage(session, { message: () => reminder() })
    t.same([answeredBy, isLeft], ['silence', false])
    void session.sleep(2000).then(() => session.hangup())
    const before = endpoint.clock.now()
    await endpoint.close({ graceMs: 60_000 })
    t.match(await session.ended, { cause: 'hangup', by: 'local' })
    t.ok(endpoint.clock.now() - before < 5000, 'no longer than the last call')
  })
})
