import t from 'tap'
import type { Test } from 'tap'
import { bridgeCodecs } from '../../src/call/bridge-codecs.ts'
import { bridge } from '../../src/call/bridge.ts'
import type { Bridge, BridgeOptions } from '../../src/call/bridge.ts'
import type { Call } from '../../src/call/call.ts'
import type { Endpoint } from '../../src/call/endpoint.ts'
import { goertzelDbfs } from '../../src/media/audio/goertzel.ts'
import { tone } from '../../src/media/audio/tones.ts'
import type { DtmfDigit } from '../../src/media/session/types.ts'
import { createLab } from '../../src/testing/lab.ts'
import type { Lab, LabEndpointOptions } from '../../src/testing/lab.ts'

interface Scene {
  readonly lab: Lab
  readonly switchboard: Endpoint
  readonly phone: Endpoint
  readonly desk: Endpoint
  /** The far ends. */
  readonly caller: Call
  readonly callee: Call
  /** The switchboard's own. */
  readonly inbound: Call
  readonly outbound: Call
}

interface Settings {
  readonly phone?: LabEndpointOptions
  readonly desk?: LabEndpointOptions
  readonly switchboard?: LabEndpointOptions
}

/** A phone that calls the switchboard, which calls the desk; nothing is bridged yet. */
async function scene(settings: Settings, script: (scene: Scene) => Promise<void>): Promise<void> {
  const lab = createLab({ seed: 3, network: { delayMs: 20 } })
  const switchboard = await lab.endpoint('switch.lab', settings.switchboard)
  const phone = await lab.endpoint('phone.lab', settings.phone)
  const desk = await lab.endpoint('desk.lab', settings.desk)
  await lab.run(async () =>
    script({ lab, switchboard, phone, desk, ...(await dial(switchboard, phone, desk)) }),
  )
}

async function dial(
  switchboard: Endpoint,
  phone: Endpoint,
  desk: Endpoint,
): Promise<Pick<Scene, 'caller' | 'callee' | 'inbound' | 'outbound'>> {
  const stop = new AbortController()
  let inbound: Call | undefined
  let outbound: Call | undefined
  let callee: Call | undefined
  void desk.serve(
    async call => {
      await call.answer()
      callee = call
      await call.ended
    },
    { signal: stop.signal },
  )
  void switchboard.serve(
    async call => {
      outbound = await switchboard.call('sip:desk@desk.lab', { codecs: bridgeCodecs(call) })
      await call.answer({ codecs: bridgeCodecs(outbound), srtp: 'optional' })
      inbound = call
      await Promise.all([call.ended, outbound.ended])
    },
    { signal: stop.signal },
  )
  const caller = await phone.call('sip:desk@switch.lab')
  await caller.sleep(200)
  stop.abort()
  return { caller, callee: callee!, inbound: inbound!, outbound: outbound! }
}

/** How loud a tone that `from` sounds is at `to`, dBFS. */
async function hears(from: Call, to: Call, hz = 440): Promise<number> {
  const { output } = from.media
  const { input } = to.media
  input.clear()
  void output.write(tone({ sampleRate: output.sampleRate, hz, durationMs: 700 }))
  const heard: number[] = []
  for await (const { samples } of input) {
    heard.push(...samples)
    if (heard.length >= 0.6 * input.sampleRate) break
  }
  output.clear()
  return goertzelDbfs(Int16Array.from(heard.slice(-input.sampleRate / 4)), input.sampleRate, hz)
}

async function bothHear(t: Test, { caller, callee }: Scene): Promise<void> {
  t.ok((await hears(caller, callee, 440)) > -20, 'the callee hears the caller')
  t.ok((await hears(callee, caller, 600)) > -20, 'the caller hears the callee')
}

for (const [phone, desk, modes] of [
  [['PCMU'], ['PCMA', 'PCMU'], 'relayed'],
  [['G722', 'PCMA'], ['PCMA', 'G722'], 'relayed'],
  [['opus'], ['opus'], 'relayed'],
] as const) {
  t.test(`${phone.join()} to ${desk.join()}: ${modes}`, async t => {
    const settings = {
      phone: { codecs: phone },
      desk: { codecs: desk },
      switchboard: { codecs: ['PCMA', 'PCMU', 'opus', 'G722'] },
    }
    await scene(settings, async scene => {
      const bridged = await bridge(scene.inbound, scene.outbound)
      t.strictSame(bridged.modes, [modes, modes])
      await bothHear(t, scene)
      t.ok(bridged.stats().forward.relayed > 25)
    })
  })
}

t.test(
  'a change of codec in mid-call costs no packet: those under way pass by their former number',
  async t => {
    const codecs = { codecs: ['PCMU', 'G722'] }
    await scene({ phone: codecs, desk: codecs, switchboard: codecs }, async scene => {
      const bridged = await bridge(scene.inbound, scene.outbound)
      const { caller, callee, lab } = scene
      const { output } = caller.media
      void output.write(tone({ sampleRate: output.sampleRate, hz: 440, durationMs: 3000 }))
      await lab.clock.sleep(500)
      callee.media.input.clear()
      let concealed = 0
      void (async () => {
        for await (const frame of callee.media.input) if (frame.concealed) concealed += 1
      })()
      for (const name of ['G722', 'PCMU']) {
        await caller.renegotiate({ codecs: [name] })
        t.equal(scene.inbound.media.codec.name, name)
        await lab.clock.sleep(500)
      }
      t.match(bridged.stats(), { forward: { mode: 'relayed', withheld: 0 }, backward: { withheld: 0 } })
      t.equal(concealed, 0)
    })
  },
)

t.test('G.722 to Opus is transcoded, and tones are heard', async t => {
  const lab = createLab({ seed: 4, network: { delayMs: 20 } })
  const switchboard = await lab.endpoint('switch.lab', { codecs: ['opus', 'G722'] })
  const phone = await lab.endpoint('phone.lab', { codecs: ['G722'] })
  const desk = await lab.endpoint('desk.lab', { codecs: ['opus'] })
  await lab.run(async () => {
    let callee: Call | undefined
    let inbound: Call | undefined
    void desk.serve(async call => {
      await call.answer()
      callee = call
      await call.ended
    })
    void switchboard.serve(async call => {
      await call.answer()
      inbound = call
      await call.ended
    })
    const caller = await phone.call('sip:desk@switch.lab')
    const outbound = await switchboard.call('sip:desk@desk.lab')
    await caller.sleep(200)
    const bridged = await bridge(inbound!, outbound)
    t.strictSame(bridged.modes, ['transcoded', 'transcoded'])
    t.ok((await hears(caller, callee!, 440)) > -20)
    t.ok((await hears(callee!, caller, 3000)) > -20)
    await caller.sendDtmf('12')
    const digits: string[] = []
    for await (const { digit } of callee!.dtmf()) {
      digits.push(digit)
      if (digits.length === 2) break
    }
    t.same(digits, ['1', '2'], 'digits go by their own road')
    await outbound.hangup()
  })
})

t.test('a press that comes by INFO and as an event goes on once, whichever comes first', async t => {
  for (const infoAheadMs of [-200, 0, 40, 300]) {
    await scene({}, async ({ caller, callee, inbound, outbound }) => {
      const bridged = await bridge(inbound, outbound)
      t.strictSame(bridged.modes, ['relayed', 'relayed'])
      const heard = digitsOf(callee)
      for (const key of '5578') {
        const press = async (): Promise<void> => caller.sendDtmf(key, { via: 'rtp', durationMs: 500 })
        const tell = async (): Promise<unknown> =>
          caller.request('INFO', { body: { contentType: 'application/dtmf', body: key } })
        if (infoAheadMs > 0) void tell()
        await caller.sleep(Math.max(0, infoAheadMs))
        const pressed = press()
        await caller.sleep(Math.max(0, -infoAheadMs))
        if (infoAheadMs <= 0) void tell()
        await pressed
        await caller.sleep(400)
      }
      await caller.sleep(1000)
      t.equal(heard.map(({ digit }) => digit).join(''), '5578', `INFO ${infoAheadMs} ms ahead`)
      t.equal(inbound.media.stats().dtmfMerged, 4)
    })
  }
})

t.test('a digit of which next to nothing came goes on long enough to be taken', async t => {
  await scene(
    { desk: { dtmf: { receive: ['info'], send: 'info' } } },
    async ({ caller, callee, ...calls }) => {
      await bridge(calls.inbound, calls.outbound)
      const heard = digitsOf(callee)
      await caller.sendDtmf('12', { durationMs: 1 })
      await caller.sendDtmf('3', { durationMs: 300 })
      await caller.sleep(1000)
      t.same(
        heard.map(({ digit, durationMs }) => `${digit} ${durationMs} ms`),
        ['1 40 ms', '2 40 ms', '3 300 ms'],
      )
    },
  )
})

t.test('SRTP on one side and none on the other', async t => {
  const settings = { phone: { srtp: 'required' } } as const
  await scene(settings, async scene => {
    t.ok(scene.inbound.media.encryption)
    t.equal(scene.outbound.media.encryption, undefined)
    const bridged = await bridge(scene.inbound, scene.outbound)
    t.strictSame(bridged.modes, ['relayed', 'relayed'])
    await bothHear(t, scene)
    await scene.inbound.renegotiate({ rekey: true })
    await bothHear(t, scene)
    bridged.close()
    t.ok((await hears(scene.inbound, scene.caller)) > -20, 'and the agent afterwards')
    const { srtp } = scene.caller.media.stats()
    t.same(Object.values(srtp!.failures).filter(Boolean), [], 'no index was used twice')
  })
})

t.test('G.729 both ways: agreed on as the caller offers it, and passed on', async t => {
  const codecs = ['passthrough:G729;annexb=no']
  await scene({ phone: { codecs }, desk: { codecs: ['passthrough:G729', 'PCMU'] } }, async scene => {
    t.match(scene.outbound.media.codec, { name: 'G729', sendPayloadType: 18, fmtp: 'annexb=no' })
    t.match(scene.inbound.media.codec, { name: 'G729', fmtp: 'annexb=no' })
    t.ok(scene.inbound.media.passthrough)
    const bridged = await bridge(scene.inbound, scene.outbound)
    t.strictSame(bridged.modes, ['relayed', 'relayed'])
  })
})

t.test('a codec that is only passed on, bridged to another: one call is renegotiated', async t => {
  const settings = { phone: { codecs: ['passthrough:G729', 'PCMU'] }, desk: { codecs: ['PCMU'] } }
  const lab = createLab({ seed: 5, network: { delayMs: 20 } })
  const switchboard = await lab.endpoint('switch.lab')
  const phone = await lab.endpoint('phone.lab', settings.phone)
  const desk = await lab.endpoint('desk.lab', settings.desk)
  await lab.run(async () => {
    void desk.serve(async call => {
      await call.answer()
      await call.ended
    })
    let inbound: Call | undefined
    void switchboard.serve(async call => {
      await call.answer({ codecs: bridgeCodecs(call) })
      inbound = call
      await call.ended
    })
    const caller = await phone.call('sip:desk@switch.lab')
    const outbound = await switchboard.call('sip:desk@desk.lab')
    await caller.sleep(100)
    t.equal(inbound!.media.codec.name, 'G729')
    const bridged = await bridge(inbound!, outbound)
    t.equal(inbound!.media.codec.name, 'PCMU')
    t.strictSame(bridged.modes, ['relayed', 'relayed'])
    bridged.close()
    await caller.hangup()

    const other = await phone.call('sip:desk@switch.lab', { codecs: ['passthrough:G729'] })
    await other.sleep(100)
    await t.rejects(bridge(inbound!, outbound), {
      code: 'SIP_MEDIA',
      message: /G729 and PCMU cannot be bridged/,
    })
    t.equal(inbound!.state, 'confirmed', 'both calls are as they were')
    t.equal(outbound.state, 'confirmed')
    await other.hangup()
    await outbound.hangup()
  })
})

/** A scene whose two calls are bridged. */
async function settle(
  options: BridgeOptions,
  check: (scene: Scene, bridged: Bridge) => Promise<void>,
): Promise<void> {
  await scene({}, async scene => check(scene, await bridge(scene.inbound, scene.outbound, options)))
}

t.test('either call that ends ends the bridge; the other goes on, or is hung up', async t => {
  await settle({}, async (scene, bridged) => {
    await scene.callee.hangup()
    t.match(await bridged.ended, { cause: 'call-ended', call: scene.outbound })
    await scene.caller.sleep(500)
    t.equal(scene.inbound.state, 'confirmed')
    t.ok((await hears(scene.inbound, scene.caller)) > -20, 'our own audio again')
    t.ok((await hears(scene.caller, scene.inbound)) > -20, 'and its input')
  })
  await settle({ hangup: 'both' }, async (scene, bridged) => {
    await scene.caller.hangup()
    t.equal((await bridged.ended).cause, 'call-ended')
    t.equal((await scene.callee.ended).by, 'remote')
  })
  const stop = new AbortController()
  await settle({ signal: stop.signal }, async (scene, bridged) => {
    stop.abort()
    t.same(await bridged.ended, { cause: 'closed' })
    t.equal(scene.outbound.state, 'confirmed')
  })
})

t.test('hold by a far end: the other hears music while it lasts', async t => {
  await scene({}, async scene => {
    const rate = scene.outbound.media.output.sampleRate
    const holdMusic = (): Int16Array => tone({ sampleRate: rate, hz: 800, durationMs: 400 })
    const bridged = await bridge(scene.inbound, scene.outbound, { holdMusic })
    await scene.inbound.hold()
    t.strictSame(bridged.modes, ['own', 'own'])
    const heard = await hears(scene.callee, scene.callee, 800)
    t.ok(heard > -20, 'music')
    await scene.inbound.resume()
    t.strictSame(bridged.modes, ['relayed', 'relayed'])
    await bothHear(t, scene)
  })
})

t.test('what cannot be bridged is told apart', async t => {
  await scene({}, async ({ inbound, outbound }) => {
    await t.rejects(bridge(inbound, inbound), { code: 'SIP_OPTION', field: 'b' })
    await bridge(inbound, outbound)
    await t.rejects(bridge(inbound, outbound), { code: 'SIP_STATE', message: /bridged already/ })
    await outbound.hangup()
    await t.rejects(bridge(inbound, outbound), { code: 'SIP_STATE', message: /terminated/ })
  })
})

t.test('two hundred bridges one after the other leave nothing behind', async t => {
  await scene({}, async ({ lab, inbound, outbound }) => {
    const before = lab.clock.pendingTimers
    for (let i = 0; i < 200; i += 1) {
      const bridged = await bridge(inbound, outbound, { tap: i % 2 === 0 })
      await inbound.sleep(30)
      bridged.close()
    }
    t.equal(lab.clock.pendingTimers, before)
    t.equal(inbound.listenerCount('media'), 0)
  })
})

/** Those that come from now on, as they come. */
function digitsOf(call: Call): DtmfDigit[] {
  const seen: DtmfDigit[] = []
  const read = async (): Promise<void> => {
    for await (const digit of call.dtmf()) seen.push(digit)
  }
  void read()
  return seen
}
