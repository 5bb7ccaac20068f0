import t from 'tap'
import type { Call } from '../../src/call/call.ts'
import type { IncomingCall } from '../../src/call/incoming-call.ts'
import { goertzelDbfs } from '../../src/media/audio/goertzel.ts'
import { tone } from '../../src/media/audio/tones.ts'
import type { SipError } from '../../src/runtime/errors.ts'
import { SipResponseError } from '../../src/sip/dialog/errors.ts'
import { SipTimeoutError } from '../../src/sip/transaction/errors.ts'
import { createLab } from '../../src/testing/lab.ts'

const target = 'sip:agent@agent.lab'

async function collect(call: Call): Promise<Int16Array> {
  const frames: number[] = []
  for await (const { samples } of call.media.input) frames.push(...samples)
  return Int16Array.from(frames)
}

t.test('an answered call carries audio both ways and ends with the same verdict on both sides', async t => {
  const lab = createLab({ network: { delayMs: 20 } })
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  let atAgent: Int16Array | undefined
  let inbound: IncomingCall | undefined
  void agent.serve(async call => {
    inbound = call
    const { output } = await call.answer()
    void output.write(tone({ sampleRate: 8000, hz: 700, durationMs: 1000 }))
    atAgent = await collect(call)
  })
  await lab.run(async () => {
    const call = await phone.call(target)
    t.equal(call.state, 'confirmed')
    t.equal(call.direction, 'outbound')
    t.equal(call.callId, inbound?.callId, 'one Call-ID, two ids of ours')
    t.not(call.id, inbound?.id)
    const heard = collect(call)
    void call.media.output.write(tone({ sampleRate: 8000, hz: 400, durationMs: 1000 }))
    await call.sleep(2000)
    const ended = await call.hangup({ reason: { protocol: 'Q.850', cause: 16, text: 'done' } })
    t.match(ended, { by: 'local', cause: 'hangup' })
    t.ok(call.signal.aborted)
    await lab.clock.sleep(100)
    const samples = await heard
    t.ok(goertzelDbfs(samples.subarray(4000, 8000), 8000, 700) > -20, 'the caller hears 700 Hz')
  })
  t.ok(atAgent && goertzelDbfs(atAgent.subarray(4000, 8000), 8000, 400) > -20, 'the agent hears 400 Hz')
  const ended = await inbound?.ended
  t.match(ended, { by: 'remote', cause: 'hangup', reason: { protocol: 'Q.850', cause: 16, text: 'done' } })
  t.ok(ended && Math.abs(ended.durationMs - 2040) < 100, `duration ${ended?.durationMs}`)
  t.equal(lab.clock.pendingTimers, 0, 'nothing is left behind')
})

/** What a caller sees of a handler: the status it was refused with, or how the call ended. */
async function outcome(handler: (call: IncomingCall) => void | Promise<void>): Promise<unknown> {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  agent.on('error', () => {})
  void agent.serve(handler)
  let result: unknown
  await lab.run(async () => {
    try {
      const call = await phone.call(target)
      result = await call.ended
    } catch (error) {
      result = error instanceof SipResponseError ? error.statusCode : error
    }
  })
  return result
}

t.test('the handler is the call', async t => {
  t.match(
    await outcome(async call => void (await call.answer())),
    { by: 'remote', cause: 'hangup' },
    'returning hangs up what is up',
  )
  t.equal(await outcome(() => {}), 480, 'returning unanswered refuses')
  t.equal(
    await outcome(() => {
      throw new Error('no such customer')
    }),
    500,
    'throwing unanswered is a 500',
  )
  t.match(
    await outcome(async call => {
      await call.answer()
      throw new Error('engine down')
    }),
    { by: 'remote', cause: 'hangup', reason: { protocol: 'SIP', cause: 500 } },
    'throwing later hangs up, and says so in a Reason header',
  )
  t.equal(await outcome(call => call.reject(603)), 603)
  t.equal(await outcome(call => call.redirect(['sip:other@elsewhere.lab'])), 302)
})

t.test('a handler that throws is reported once, with the call it was', async t => {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  const errors: SipError[] = []
  agent.on('error', error => errors.push(error))
  void agent.serve(() => {
    throw new Error('no such customer')
  })
  await lab.run(async () => {
    await t.rejects(phone.call(target), { code: 'SIP_RESPONSE', statusCode: 500 })
  })
  t.equal(errors.length, 1)
  t.match(errors[0]?.message, /no such customer/)
})

t.test('a listener that throws does not hurt the call', async t => {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  const warnings: string[] = []
  const onWarning = (warning: Error): void => void warnings.push(warning.name)
  process.on('warning', onWarning)
  void agent.serve(async call => {
    call.on('state', () => {
      throw new Error('listener bug')
    })
    await call.answer()
    await call.ended
  })
  await lab.run(async () => {
    const call = await phone.call(target)
    await call.sleep(100)
    t.match(await call.hangup(), { cause: 'hangup' })
  })
  await new Promise(resolve => setImmediate(resolve))
  process.off('warning', onWarning)
  t.ok(warnings.includes('OffhookListenerError'))
})

t.test('giving up while it rings sends CANCEL; the other side sees it cancelled (RFC 3261 §9.1)', async t => {
  const lab = createLab({ network: { delayMs: 30 } })
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  const seen: unknown[] = []
  void agent.serve(async call => {
    call.ring()
    seen.push(await call.ended)
  })
  const giveUp = new AbortController()
  await lab.run(async () => {
    const progress: number[] = []
    const call = phone.call(target, {
      signal: giveUp.signal,
      onProgress: ({ statusCode }) => {
        progress.push(statusCode)
        giveUp.abort(new Error('changed my mind'))
      },
    })
    await t.rejects(call, { message: 'changed my mind' })
    t.same(progress, [180])
    await lab.clock.sleep(1000)
  })
  t.match(seen, [{ by: 'remote', cause: 'cancelled' }])
})

t.test('answering after the caller gave up throws how it ended, and nothing else happens', async t => {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  let thrown: unknown
  void agent.serve(async call => {
    call.ring()
    await call.ended
    thrown = await call.answer().catch((error: unknown) => error)
  })
  await lab.run(async () => {
    const giveUp = new AbortController()
    const calling = phone.call(target, { signal: giveUp.signal, onProgress: () => giveUp.abort() })
    await t.rejects(calling, { name: 'AbortError' })
    await lab.clock.sleep(1000)
  })
  t.match(thrown, { code: 'SIP_CALL_ENDED', ended: { cause: 'cancelled' } })
})

t.test('hanging up twice, and from both sides at once, is one end (trap 20)', async t => {
  const lab = createLab({ network: { delayMs: 50 } })
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  const ends: unknown[] = []
  void agent.serve(async call => {
    await call.answer()
    await call.sleep(500)
    ends.push(await call.hangup(), await call.hangup())
  })
  await lab.run(async () => {
    const call = await phone.call(target)
    await call.sleep(450)
    ends.push(await call.hangup(), await call.hangup())
  })
  t.equal(ends.length, 4)
  for (const end of ends) t.match(end, { cause: 'hangup' })
})

t.test('nobody there: the call fails with the timer that ran out', async t => {
  const lab = createLab()
  const phone = await lab.endpoint('phone.lab')
  await lab.run(async () => {
    const error = await phone.call('sip:ghost@10.9.9.9').catch((reason: unknown) => reason)
    t.type(error, SipTimeoutError)
    t.match(error, { code: 'SIP_TIMEOUT', timer: 'B', provisionals: 0 })
  })
})

t.test(
  'an offer with no codec of ours is refused 488 with a Warning, and the handler learns why',
  async t => {
    const lab = createLab()
    const agent = await lab.endpoint('agent.lab', { codecs: ['PCMA'] })
    const phone = await lab.endpoint('phone.lab', { codecs: ['PCMU'] })
    let thrown: unknown
    agent.on('error', () => {})
    void agent.serve(async call => {
      thrown = await call.answer().catch((error: unknown) => error)
    })
    await lab.run(async () => {
      const error = await phone.call(target).catch((reason: unknown) => reason)
      t.match(error, { code: 'SIP_RESPONSE', statusCode: 488 })
      t.match((error as SipResponseError).response.headers.get('Warning'), /^30\d /)
    })
    t.match(thrown, { code: 'SIP_SDP' })
  },
)

t.test('a call with no audio ends by itself, with an error that says what to check', async t => {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab', { rtp: { timeoutMs: 5_000 } })
  const phone = await lab.endpoint('phone.lab')
  let ended: unknown
  void agent.serve(async call => {
    await call.answer()
    ended = await call.ended
  })
  await lab.run(async () => {
    const call = await phone.call(target)
    await call.sleep(1000)
    lab.network.setConditions({ loss: 1 }, { from: '10.0.0.2' })
    await call.sleep(6000)
    lab.network.setConditions({}, { from: '10.0.0.2' })
    await call.ended
  })
  t.match(ended, { by: 'timeout', cause: 'media-timeout', error: { code: 'SIP_MEDIA_TIMEOUT' } })
})

t.test('a key that goes down is told before the digit', async t => {
  const lab = createLab({ network: { delayMs: 10 } })
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  const seen: string[] = []
  const times: number[] = []
  void agent.serve(async call => {
    call.on('dtmfStart', ({ digit }) => {
      seen.push(`${digit} down`)
      times.push(lab.clock.now())
    })
    await call.answer()
    for await (const { digit } of call.dtmf()) {
      seen.push(digit)
      times.push(lab.clock.now())
    }
  })
  await lab.run(async () => {
    const call = await phone.call(target)
    await call.sendDtmf('47', { durationMs: 200 })
    await call.sleep(200)
  })
  t.same(seen, ['4 down', '4', '7 down', '7'])
  t.ok((times[1] ?? 0) - (times[0] ?? 0) >= 150, 'by about the time it is held')
})

t.test('a phone that rings for longer than the media timeout is not taken for dead', async t => {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab', { rtp: { timeoutMs: 2_000 } })
  void agent.serve(async call => {
    call.ring()
    await call.sleep(10_000)
    await call.answer()
    await call.sleep(10_000)
  })
  await lab.run(async () => {
    const call = await phone.call(target)
    t.match(await call.ended, { by: 'remote', cause: 'hangup' })
  })
})

t.test('hold and resume: the other side is told, and sends nothing meanwhile', async t => {
  const lab = createLab({ network: { delayMs: 10 } })
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  const holds: unknown[] = []
  let received = 0
  void agent.serve(async call => {
    call.on('hold', (by, active) => holds.push([by, active]))
    await call.answer()
    await call.ended
  })
  await lab.run(async () => {
    const call = await phone.call(target)
    await call.sleep(500)
    await call.hold()
    await call.sleep(200)
    received = call.media.stats().packetsReceived
    await call.sleep(2000)
    t.equal(call.media.stats().packetsReceived, received, 'no RTP while on hold')
    await call.resume()
    await call.sleep(1000)
    t.ok(call.media.stats().packetsReceived > received + 40, 'RTP again')
    await call.hangup()
  })
  t.same(holds, [
    ['remote', true],
    ['remote', false],
  ])
})

t.test('limits, drain and close', async t => {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab', { limits: { calls: 1 } })
  const phone = await lab.endpoint('phone.lab')
  void agent.serve(async call => {
    await call.answer()
    await call.ended
  })
  await lab.run(async () => {
    const first = await phone.call(target)
    const refused = await phone.call(target).catch((error: unknown) => error)
    t.match(refused, { statusCode: 503 })
    t.equal((refused as SipResponseError).response.headers.get('Retry-After'), '10')
    let drained = false
    const draining = agent.drain().then(() => {
      drained = true
    })
    await first.sleep(100)
    t.notOk(drained, 'the call under way goes on')
    await first.hangup()
    await lab.clock.sleep(100)
    await draining
    t.equal(agent.stats().calls, 0)
    t.match(await phone.call(target).catch((error: unknown) => error), { statusCode: 503 })
    await agent.close()
    await agent.close()
    await t.rejects(
      agent.serve(() => {}),
      { code: 'SIP_STATE' },
    )
  })
})

t.test('closing hangs up what is up', async t => {
  const lab = createLab()
  const agent = await lab.endpoint('agent.lab')
  const phone = await lab.endpoint('phone.lab')
  void agent.serve(async call => {
    await call.answer()
    await call.ended
  })
  await lab.run(async () => {
    const call = await phone.call(target)
    await call.sleep(100)
    await agent.close()
    t.match(await call.ended, { by: 'remote', cause: 'hangup' })
  })
})
