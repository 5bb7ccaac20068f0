import t from 'tap'
import type { CallRtpOptions } from '../../src/call/options.ts'
import type { PlayoutDelayOptions } from '../../src/media/rtp/jitter-options.ts'
import { levelDbfs } from '../../src/media/audio/level.ts'
import { tone } from '../../src/media/audio/tones.ts'
import { createLab } from '../../src/testing/lab.ts'

interface Settings {
  readonly endpoint?: CallRtpOptions
  readonly call?: CallRtpOptions
  readonly answer?: CallRtpOptions
}

/** Milliseconds from the mouth of one to the ear of the other, the network aside: of the caller, and of the callee. */
async function heardAfter(settings: Settings, saidAtMs: number = 200): Promise<readonly [number, number]> {
  const { endpoint, call: calling, answer } = settings
  const delayMs = 25
  const lab = createLab({ network: { delayMs } })
  const options = endpoint === undefined ? {} : { rtp: endpoint }
  const agent = await lab.endpoint('agent.lab', options)
  const phone = await lab.endpoint('phone.lab', options)
  const beep = tone({ sampleRate: 8000, hz: 600, durationMs: 200 })
  const heard = [NaN, NaN]
  const listen = async (input: AsyncIterable<{ samples: Int16Array }>, who: number): Promise<void> => {
    for await (const { samples } of input) {
      if (levelDbfs(samples) < -30) continue
      heard[who] = lab.clock.now()
      return
    }
  }
  const said = [NaN, NaN]
  await lab.run(async () => {
    void agent.serve(async call => {
      const { input, output } = await call.answer(answer === undefined ? {} : { rtp: answer })
      void listen(input, 1)
      await call.sleep(saidAtMs)
      said[1] = lab.clock.now()
      await output.write(beep)
      await call.ended
    })
    const call = await phone.call('sip:x@agent.lab', calling === undefined ? {} : { rtp: calling })
    void listen(call.media.input, 0)
    await call.sleep(saidAtMs)
    said[0] = lab.clock.now()
    await call.media.output.write(beep)
    await call.sleep(1500)
    await call.hangup()
  })
  return [heard[0]! - said[1]! - delayMs, heard[1]! - said[0]! - delayMs]
}

t.test(
  'without settings a call on a quiet network is heard within 45 ms, its frames at both ends included',
  async t => {
    for (const ms of await heardAfter({})) t.ok(ms <= 45, `${ms} ms`)
  },
)

const late: PlayoutDelayOptions = { startDelayMs: 200, fixedDelay: true }

t.test('an endpoint sets the delay of all its calls', async t => {
  for (const ms of await heardAfter({ endpoint: { jitterBuffer: late } })) {
    t.ok(ms >= 200 && ms <= 240, `${ms} ms`)
  }
})

t.test('a call sets its own', async t => {
  const [caller, callee] = await heardAfter({ call: { jitterBuffer: late } })
  t.ok(caller >= 200 && caller <= 240, `${caller} ms`)
  t.ok(callee <= 60, `${callee} ms`)
})

t.test('so does an answer, and what it leaves out the endpoint says', async t => {
  const [caller, callee] = await heardAfter({
    endpoint: { jitterBuffer: { startDelayMs: 100, fixedDelay: true } },
    answer: { jitterBuffer: { startDelayMs: 200 } },
  })
  t.ok(caller >= 100 && caller <= 140, `${caller} ms`)
  t.ok(callee >= 200 && callee <= 240, `${callee} ms`)
})

t.test('a delay at least so long', async t => {
  const endpoint = { jitterBuffer: { minDelayMs: 120 } }
  for (const ms of await heardAfter({ endpoint }, 3000)) t.ok(ms >= 120 && ms <= 160, `${ms} ms`)
})

const wrong: readonly (readonly [PlayoutDelayOptions, string])[] = [
  [{ minDelayMs: -1 }, 'rtp.jitterBuffer.minDelayMs'],
  [{ maxDelayMs: 1001 }, 'rtp.jitterBuffer.maxDelayMs'],
  [{ startDelayMs: NaN }, 'rtp.jitterBuffer.startDelayMs'],
  [{ startDelayMs: '60' as unknown as number, maxDelayMs: 50 }, 'rtp.jitterBuffer.startDelayMs'],
  [{ minDelayMs: 300, maxDelayMs: 200 }, 'rtp.jitterBuffer.minDelayMs'],
  [{ startDelayMs: 300, maxDelayMs: 200 }, 'rtp.jitterBuffer.startDelayMs'],
  [{ fixedDelay: 'yes' as unknown as boolean }, 'rtp.jitterBuffer.fixedDelay'],
]

t.test('what cannot be is refused, and the field named', async t => {
  for (const [jitterBuffer, field] of wrong) {
    const lab = createLab()
    await t.rejects(lab.endpoint('agent.lab', { rtp: { jitterBuffer } }), { code: 'SIP_OPTION', field })
  }
  const lab = createLab()
  await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  await lab.run(async () => {
    await t.rejects(phone.call('sip:x@agent.lab', { rtp: { jitterBuffer: { minDelayMs: 600 } } }), {
      code: 'SIP_OPTION',
      field: 'rtp.jitterBuffer.minDelayMs',
    })
  })
})
