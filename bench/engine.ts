/**
 * What lies between a caller and a conversation engine, over real loopback: packet in to frame, frame to packet out, barge-in, set-up. An engine in
 * the process beside engines behind a WebSocket. Caller and engine run in the measured process, too: the figures are bounds from above.
 */

import { createEndpoint } from '../src/index.ts'
import { runAgent } from '../src/agent/index.ts'
import { benchLine, percentile, type BenchLine, type BenchOptions } from './harness.ts'
import { EnginePhone } from './support/engine-phone.ts'
import { type EngineKind, inProcess, offhookSocket, twilioSocket } from './support/engines.ts'

const kinds: readonly (() => Promise<EngineKind>)[] = [inProcess, offhookSocket, twilioSocket]

interface Sizes {
  /** Calls at once. */
  readonly calls: number
  /** One after the other, before them. */
  readonly setUps: number
  /** Pulses each way, in each call. */
  readonly pulses: number
  readonly bargeIns: number
}

const full: Sizes = { calls: 10, setUps: 30, pulses: 25, bargeIns: 8 }
const little: Sizes = { calls: 2, setUps: 2, pulses: 4, bargeIns: 1 }

/** Milliseconds each took; undefined: nothing came. */
type Figures = Readonly<Record<'in' | 'out' | 'bargeIn' | 'setUp', readonly (number | undefined)[]>>

const names: Readonly<Record<keyof Figures, string>> = {
  in: 'RTP packet in to the engine’s frame',
  out: 'the engine’s frame to the RTP packet out',
  bargeIn: '`clear` to the last old packet',
  setUp: 'INVITE to the engine’s first frame',
}

export async function run({ short }: BenchOptions): Promise<readonly BenchLine[]> {
  const taken: { readonly name: string; readonly figures: Figures }[] = []
  for (const open of kinds) {
    const kind = await open()
    taken.push({ name: kind.name, figures: await measureKind(kind, short ? little : full) })
    await kind.close()
  }
  const lines: BenchLine[] = []
  for (const [key, what] of Object.entries(names) as [keyof Figures, string][]) {
    for (const percent of [50, 99]) {
      const figureOf = ({ figures }: (typeof taken)[number]): number =>
        percentile(
          figures[key].filter(ms => ms !== undefined),
          percent,
        )
      for (const [index, one] of taken.entries()) {
        const missing = one.figures[key].filter(ms => ms === undefined).length
        lines.push(
          benchLine({
            name: `${what}, ${one.name}, p${percent}`,
            figure: figureOf(one),
            unit: 'ms',
            ...(index > 0 && { reference: { name: taken[0]!.name, figure: figureOf(taken[0]!) } }),
            note: `${one.figures[key].length} times${missing === 0 ? '' : `, ${missing} without a result`}`,
          }),
        )
      }
    }
  }
  return lines
}

async function measureKind(kind: EngineKind, { calls, setUps, pulses, bargeIns }: Sizes): Promise<Figures> {
  const endpoint = await createEndpoint({ listen: ['udp://127.0.0.1:0'], rtp: { quarantineMs: 0 } })
  void runAgent(endpoint, kind.agent)
  const port = Number(endpoint.listening[0]?.split(':').at(-1))
  try {
    const setUp: (number | undefined)[] = []
    for (let index = 0; index < setUps; index += 1) {
      const leg = await Leg.begin(kind, port, `setup${index}`)
      setUp.push(leg.setUpMs)
      await leg.phone.hangup()
    }
    const legs = await Promise.all(
      Array.from({ length: calls }, (_, index) => Leg.begin(kind, port, `leg${index}`)),
    )
    // Jitter buffers find their size, and the compiler what it needs.
    await sleep(1000)
    const inward = await Promise.all(legs.map((leg, index) => leg.pulses(pulses, index)))
    const outward = await Promise.all(legs.map((leg, index) => leg.says(pulses, index)))
    const barged = await Promise.all(legs.map(leg => leg.bargesIn(bargeIns)))
    await Promise.all(legs.map(({ phone }) => phone.hangup()))
    return { in: inward.flat(), out: outward.flat(), bargeIn: barged.flat(), setUp }
  } finally {
    await endpoint.close()
  }
}

class Leg {
  readonly phone: EnginePhone
  readonly setUpMs: number | undefined
  readonly #engine: ReturnType<EngineKind['engineOf']>

  private constructor(
    phone: EnginePhone,
    engine: ReturnType<EngineKind['engineOf']>,
    setUpMs: number | undefined,
  ) {
    this.phone = phone
    this.#engine = engine
    this.setUpMs = setUpMs
  }

  static async begin(kind: EngineKind, port: number, user: string): Promise<Leg> {
    const phone = await EnginePhone.open(port, user)
    const engine = kind.engineOf(user)
    const first = untilMs(2000, done => (engine.onFrame = (_loud, atMs) => done(atMs)))
    const invitedAt = await phone.call()
    const firstAt = await first
    engine.onFrame = undefined
    return new Leg(phone, engine, firstAt === undefined ? undefined : firstAt - invitedAt)
  }

  /** The caller says something loud of 20 ms: until the engine has it. */
  async pulses(count: number, index: number): Promise<readonly (number | undefined)[]> {
    const found: (number | undefined)[] = []
    for (let turn = 0; turn < count; turn += 1) {
      await sleep(150 + ((index * 37 + turn * 13) % 50))
      const heard = untilMs(600, done => {
        this.#engine.onFrame = (loud, atMs) => {
          if (loud) done(atMs)
        }
      })
      const sentAt = await this.phone.pulse()
      const at = await heard
      found.push(at === undefined ? undefined : at - sentAt)
      this.#engine.onFrame = undefined
    }
    return found
  }

  /** The engine says something loud of 60 ms, of which the first 20 can go at once: until the caller has them. */
  async says(count: number, index: number): Promise<readonly (number | undefined)[]> {
    const found: (number | undefined)[] = []
    for (let turn = 0; turn < count; turn += 1) {
      await sleep(150 + ((index * 37 + turn * 13) % 50))
      const heard = untilMs(600, done => (this.phone.onLoud = done))
      const saidAt = performance.now()
      this.#engine.say(60)
      const at = await heard
      found.push(at === undefined ? undefined : at - saidAt)
      this.phone.onLoud = undefined
    }
    return found
  }

  /** The engine has three seconds to say, and takes them back after some of them: until the caller hears the last of it. */
  async bargesIn(count: number): Promise<readonly (number | undefined)[]> {
    const found: (number | undefined)[] = []
    for (let turn = 0; turn < count; turn += 1) {
      let lastAt: number | undefined
      this.phone.onLoud = atMs => (lastAt = atMs)
      this.#engine.say(3000)
      await sleep(400 + ((turn * 17) % 40))
      const clearedAt = performance.now()
      this.#engine.clear()
      await sleep(400)
      this.phone.onLoud = undefined
      found.push(lastAt === undefined ? undefined : Math.max(0, lastAt - clearedAt))
    }
    return found
  }
}

function untilMs(ms: number, begin: (done: (atMs: number) => void) => void): Promise<number | undefined> {
  return new Promise(resolve => {
    const timer = setTimeout(() => resolve(undefined), ms)
    begin(atMs => {
      clearTimeout(timer)
      resolve(atMs)
    })
  })
}

function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
