import t from 'tap'
import type { Call } from '../../src/call/call.ts'
import type { Media } from '../../src/call/call-types.ts'
import type { IncomingCall } from '../../src/call/incoming-call.ts'
import type { CallOptions } from '../../src/call/outgoing-call.ts'
import { goertzelDbfs } from '../../src/media/audio/goertzel.ts'
import { tone } from '../../src/media/audio/tones.ts'
import { createLab } from '../../src/testing/lab.ts'
import type { Lab } from '../../src/testing/lab.ts'
import type { Reliability } from '../../src/sip/dialog/reliable-provisional.ts'

const target = 'sip:desk@desk.lab'

interface Setting {
  readonly lab: Lab
  readonly call: (options?: CallOptions) => Promise<Call>
}

async function withDesk(
  modes: { readonly caller?: Reliability; readonly desk?: Reliability },
  desk: (call: IncomingCall, lab: Lab) => Promise<void>,
  script: (setting: Setting) => Promise<void>,
): Promise<void> {
  const lab = createLab({ network: { delayMs: 20 } })
  const callee = await lab.endpoint('desk.lab', { reliableProvisionals: modes.desk ?? 'supported' })
  const caller = await lab.endpoint('phone.lab', { reliableProvisionals: modes.caller ?? 'supported' })
  void callee.serve(call => desk(call, lab))
  await lab.run(() => script({ lab, call: options => caller.call(target, options) }))
  await lab.clock.advance(100)
  t.equal(lab.clock.pendingTimers, 0, 'nothing is left behind')
}

function refusedWith(statusCode: number): { name: string; statusCode: number } {
  return { name: 'SipResponseError', statusCode }
}

function ear(media: Media): number[] {
  const heard: number[] = []
  void (async () => {
    for await (const { samples } of media.input) heard.push(...samples)
  })()
  return heard
}

function say(media: Media, hz: number): void {
  void media.output.write(tone({ sampleRate: 8000, hz, durationMs: 600 }))
}

/** The loudest frequency the last 100 ms are made of. */
function hears(heard: readonly number[], hz: number): boolean {
  return goertzelDbfs(Int16Array.from(heard.slice(-800)), 8000, hz) > -25
}

for (const [caller, desk] of [
  ['supported', 'supported'],
  ['off', 'supported'],
  ['supported', 'off'],
  ['required', 'required'],
] as const) {
  t.test(`both hear each other before the answer; 100rel: caller ${caller}, callee ${desk}`, async t => {
    const states: string[] = []
    await withDesk(
      { caller, desk },
      async (call, lab) => {
        const early = await call.progress()
        const heard = ear(early)
        say(early, 440)
        await lab.clock.sleep(500)
        t.ok(hears(heard, 800), 'the callee hears the caller')
        t.equal(call.state, 'early')
        const media = await call.answer()
        t.equal(media, early, 'the answer keeps the media')
        say(media, 600)
        await call.ended
      },
      async ({ lab, call }) => {
        let early: Media | undefined
        let heard: number[] = []
        const answered = call({
          onEarlyMedia: (media, ringing) => {
            early = media
            heard = ear(media)
            say(media, 800)
            void lab.clock.sleep(400).then(() => {
              states.push(ringing.state)
              t.ok(hears(heard, 440), 'the caller hears the callee')
            })
          },
        })
        const up = await answered
        t.equal(up.media, early, 'and so does the call')
        await lab.clock.sleep(500)
        t.ok(hears(heard, 600), 'and hears on after the answer')
      },
    )
    t.same(states, ['early'])
  })
}

t.test('without onEarlyMedia the ring-back tone is not in what the answered call says', async t => {
  await withDesk(
    {},
    async call => {
      say(await call.progress(), 440)
      await call.sleep(800)
      await call.answer()
      await call.ended
    },
    async ({ lab, call }) => {
      const up = await call()
      const heard = ear(up.media)
      await lab.clock.sleep(60)
      t.ok(heard.length < 800, 'what came before the answer is gone')
      t.notOk(hears(heard, 440))
    },
  )
})

t.test('a call that is given up in early media ends on both sides', async t => {
  const ends: string[] = []
  await withDesk(
    {},
    async call => {
      await call.progress()
      await call.progress()
      ends.push((await call.ended).cause)
    },
    async ({ lab, call }) => {
      const stop = new AbortController()
      const asked = call({
        signal: stop.signal,
        onEarlyMedia: () => void lab.clock.sleep(300).then(() => stop.abort()),
      })
      await t.rejects(asked, { name: 'AbortError' })
      await lab.clock.sleep(200)
    },
  )
  t.same(ends, ['cancelled'])
})

t.test(
  'an early call is refused, rings after its announcement, and can be put on hold by UPDATE',
  async t => {
    const holds: string[] = []
    const codes: number[] = []
    await withDesk(
      {},
      async call => {
        await call.progress()
        call.ring()
        await call.sleep(200)
        await call.hold()
        holds.push(`callee ${call.state}`)
        await call.resume()
        call.reject(603)
      },
      async ({ call }) => {
        const refused = call({
          onProgress: ({ statusCode }) => void codes.push(statusCode),
          onEarlyMedia: (_, ringing) =>
            void ringing.on('hold', (by, active) => holds.push(`${by} ${active} ${ringing.state}`)),
        })
        await t.rejects(refused, refusedWith(603))
      },
    )
    t.same(codes, [183, 180])
    t.same(holds, ['remote true early', 'callee early', 'remote false early'])
  },
)

async function answers(call: IncomingCall): Promise<void> {
  await call.answer()
  await call.ended
}

t.test(
  'who requires reliability refuses those without it, and is refused by them (RFC 3262 §3, §4)',
  async t => {
    await withDesk({ caller: 'off', desk: 'required' }, answers, async ({ call }) => {
      await t.rejects(call(), refusedWith(421))
    })
    await withDesk({ caller: 'required', desk: 'off' }, answers, async ({ call }) => {
      await t.rejects(call(), refusedWith(420))
    })
  },
)

t.test('a mode there is not is named', async t => {
  const lab = createLab()
  await t.rejects(lab.endpoint('x', { reliableProvisionals: 'yes' as Reliability }), /reliableProvisionals/)
})
