import t from 'tap'
import type { Call } from '../../src/call/call.ts'
import type { CallOptions } from '../../src/call/outgoing-call.ts'
import { goertzelDbfs } from '../../src/media/audio/goertzel.ts'
import { tone } from '../../src/media/audio/tones.ts'
import { SdpError } from '../../src/media/sdp/error.ts'
import type { SrtpMode, SrtpOptions } from '../../src/media/session/srtp-options.ts'
import { messageChannel } from '../../src/sip/transport/diagnostics.ts'
import { createLab } from '../../src/testing/lab.ts'
import type { Lab } from '../../src/testing/lab.ts'
import type { CallRecord } from '../../src/trace/call-record.ts'
import { describeCall } from '../../src/trace/call-record.ts'
import { Trace } from '../../src/trace/trace.ts'

const SDES_80 = 'AES_CM_128_HMAC_SHA1_80'

type Srtp = SrtpMode | SrtpOptions

interface Outcome {
  readonly lab: Lab
  /** Undefined: the call was refused. */
  readonly caller: Call | undefined
  readonly callee: Call | undefined
  readonly status: number | undefined
  readonly warning: string | undefined
  /** Status of every final response to an INVITE, as the caller got them. */
  readonly finals: readonly number[]
  readonly records: readonly CallRecord[]
  readonly heard: () => Int16Array
}

/** A call from one endpoint to another, with what each wants of SRTP. */
async function call(
  wants: { readonly caller?: Srtp; readonly callee?: Srtp; readonly options?: CallOptions },
  script: (outcome: Outcome) => Promise<void>,
): Promise<void> {
  const lab = createLab({ network: { delayMs: 25 } })
  const agent = await lab.endpoint('agent.lab', wants.callee === undefined ? {} : { srtp: wants.callee })
  const phone = await lab.endpoint('phone.lab', wants.caller === undefined ? {} : { srtp: wants.caller })
  const records: CallRecord[] = []
  const trace = new Trace({ endpoint: phone, onRecord: record => records.push(record) })
  const finals: number[] = []
  let warning: string | undefined
  const stop = messageChannel.subscribe(({ endpoint, direction, message }) => {
    if (endpoint !== phone || direction !== 'in' || message?.kind !== 'response') return
    if (message.cseq.method !== 'INVITE' || message.statusCode < 200) return
    finals.push(message.statusCode)
    warning = message.headers.get('Warning')
  })
  await lab.run(async () => {
    let callee: Call | undefined
    const heard: number[] = []
    void agent.serve(async incoming => {
      callee = incoming
      const media = await incoming.answer().catch((error: unknown) => {
        if (error instanceof SdpError) return undefined
        throw error
      })
      if (media === undefined) return
      const { input } = media
      for await (const { samples } of input) heard.push(...samples)
    })
    let caller: Call | undefined
    let status: number | undefined
    try {
      caller = await phone.call('sip:agent@agent.lab', wants.options ?? {})
      await caller.sleep(200)
    } catch (error) {
      status = (error as { statusCode?: number }).statusCode
    }
    await script({
      lab,
      caller,
      callee,
      status,
      warning,
      finals,
      records,
      heard: () => Int16Array.from(heard),
    })
  })
  stop()
  trace.close()
}

/** Whether a tone from the caller is heard by the callee. */
async function hearsTone({ lab, caller, heard }: Outcome): Promise<boolean> {
  const before = heard().length
  void caller?.media.output.write(tone({ sampleRate: 8000, hz: 600, durationMs: 400 }))
  await lab.clock.sleep(600)
  return goertzelDbfs(heard().subarray(before + 1600, before + 2400), 8000, 600) > -25
}

const modes: readonly {
  readonly caller?: Srtp
  readonly callee?: Srtp
  readonly finals: readonly number[]
  /** Undefined with a 200: plain RTP. */
  readonly suite?: string
  readonly warning?: RegExp
}[] = [
  { finals: [200] },
  { caller: 'off', callee: 'optional', finals: [200] },
  { caller: 'off', callee: 'required', finals: [488], warning: /SRTP is required/ },
  { caller: 'optional', callee: 'off', finals: [488, 200] },
  { caller: 'optional', callee: 'optional', finals: [200], suite: SDES_80 },
  { caller: 'optional', callee: 'required', finals: [200], suite: SDES_80 },
  { caller: 'required', callee: 'off', finals: [488], warning: /RTP\/SAVP is not available/ },
  { caller: 'required', callee: 'optional', finals: [200], suite: SDES_80 },
  { caller: 'required', callee: 'required', finals: [200], suite: SDES_80 },
  {
    caller: { suites: ['AEAD_AES_256_GCM', SDES_80] },
    callee: 'required',
    finals: [200],
    suite: 'AEAD_AES_256_GCM',
  },
  {
    caller: { mode: 'optional', suites: ['AEAD_AES_256_GCM'] },
    callee: { mode: 'optional', suites: [SDES_80] },
    finals: [488, 200],
  },
  {
    caller: { suites: ['AEAD_AES_256_GCM'] },
    callee: { suites: [SDES_80] },
    finals: [488],
    warning: /No a=crypto line/,
  },
]

for (const { caller, callee, finals, suite, warning } of modes) {
  const name = `${JSON.stringify(caller) ?? 'default'} calls ${JSON.stringify(callee) ?? 'default'}`
  t.test(`${name}: ${finals.join(', then ')} ${suite ?? ''}`, async t => {
    const wants = { ...(caller && { caller }), ...(callee && { callee }) }
    await call(wants, async outcome => {
      t.same(outcome.finals, finals)
      if (finals.at(-1) !== 200) {
        t.equal(outcome.status, 488)
        if (warning !== undefined) t.match(outcome.warning, warning)
        return
      }
      t.equal(outcome.caller?.media.encryption, suite)
      t.equal(outcome.callee?.media.encryption, suite)
      t.ok(await hearsTone(outcome))
      t.equal(outcome.callee?.media.stats().discarded.crypto, 0)
    })
  })
}

t.test('a trunk says whether its calls are protected, and a call says it last', async t => {
  const trunk = { aor: 'sip:acme@phone.lab', srtp: 'required' } as const
  await call({ caller: 'off', callee: 'optional', options: { trunk } }, async ({ caller }) => {
    t.equal(caller?.media.encryption, SDES_80)
  })
  await call({ callee: 'optional', options: { trunk, srtp: 'off' } }, async ({ caller }) => {
    t.equal(caller?.media.encryption, undefined)
  })
})

t.test('hold, resume, new keys: the tone goes on', async t => {
  await call({ caller: 'required', callee: 'required' }, async outcome => {
    const { caller, callee } = outcome
    await caller?.hold()
    await caller?.resume()
    t.ok(await hearsTone(outcome))
    await caller?.renegotiate({ rekey: true })
    t.ok(await hearsTone(outcome))
    await callee?.renegotiate({ rekey: true })
    t.ok(await hearsTone(outcome))
    t.equal(callee?.media.stats().discarded.crypto, 0)
    t.equal(caller?.media.stats().discarded.crypto, 0)
  })
})

t.test('the record of a call says how it was protected', async t => {
  await call({ caller: 'required', callee: 'required' }, async ({ caller, lab, records }) => {
    await caller?.hangup()
    await lab.clock.sleep(100)
    const [record] = records
    t.equal(record?.media?.encryption, SDES_80)
    t.equal(record?.media?.keysInClear, true, 'over UDP')
    if (record !== undefined)
      t.match(describeCall(record), /AES_CM_128_HMAC_SHA1_80 with keys sent in the clear/)
  })
})

t.test('a plain call has no keys to be told', async t => {
  await call({}, async ({ caller, lab, records }) => {
    await caller?.hangup()
    await lab.clock.sleep(100)
    t.equal(records[0]?.media?.keysInClear, undefined)
  })
})

t.test('an option that makes no sense is refused when the endpoint is made, and when a call is', async t => {
  const lab = createLab()
  await t.rejects(lab.endpoint('a.lab', { srtp: 'always' as 'required' }), {
    field: 'srtp',
  } as unknown as Error)
  const endpoint = await lab.endpoint('b.lab')
  await lab.run(async () => {
    await t.rejects(endpoint.call('sip:x@b.lab', { srtp: { suites: ['F8'] } }), {
      field: 'srtp.suites[0]',
    } as unknown as Error)
  })
})
