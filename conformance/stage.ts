/** Ours in the middle of real phones: what the agent says and hears, and a diary of what the phones are to hear. */

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { type AudioSink, type AudioSource, type Call, createEndpoint, type Endpoint } from '../src/index.ts'
import { until } from '../src/media/audio/speech-events.ts'
import { sine } from './audio.ts'
import { Baresip } from './peers/baresip.ts'
import { Diary, heardInFile, nameOf, namesIn, type Tones } from './who-hears-whom.ts'
import { within } from './within.ts'

export const tones = { caller: 600, desk: 1050, agent: 1430, music: 410, whisper: 2330 } as const
export const stepMs = 1500

export type Play = (stage: Stage) => Promise<void>

/** Plays it, hangs up, and looks whether each phone heard whom it was to hear. */
export async function onStage(folder: string, play: Play): Promise<void> {
  mkdirSync(folder, { recursive: true })
  const endpoint = await createEndpoint({ listen: ['udp://127.0.0.1:0'] })
  const stage = new Stage(folder, endpoint)
  try {
    await within(40_000, play(stage), 'played to the end')
  } finally {
    await endpoint.close({ giveUpMs: 1000 })
    await stage.end()
  }
  stage.checkPhones()
}

/** Ours in the middle, phones around it. */
export class Stage {
  readonly endpoint: Endpoint
  readonly folder: string
  diary: Diary = new Diary(tones)
  readonly #phones = new Map<string, Baresip>()

  constructor(folder: string, endpoint: Endpoint) {
    this.folder = folder
    this.endpoint = endpoint
  }

  /** Waits to be called; `dial`: calls. */
  async phone(name: string, toneHz: number, dial?: string): Promise<Baresip> {
    const phone = await Baresip.start({
      folder: join(this.folder, name),
      toneHz,
      codec: 'PCMU',
      timeoutMs: 40_000,
      ...(dial !== undefined && { dial }),
    })
    this.#phones.set(name, phone)
    return phone
  }

  /** A phone that calls us, answered. */
  async caller(name: string, toneHz: number): Promise<Call> {
    const stop = new AbortController()
    const answered = new Promise<Call>((resolve, reject) => {
      const handler = async (call: Parameters<Parameters<Endpoint['serve']>[0]>[0]): Promise<void> => {
        stop.abort()
        await call.answer().then(() => resolve(call), reject)
        await call.ended
      }
      void this.endpoint.serve(handler, { signal: stop.signal })
    })
    const host = this.endpoint.listening[0]?.slice('udp://'.length) ?? ''
    await this.phone(name, toneHz, `sip:agent@${host}`)
    return within(5000, answered, 'called')
  }

  /** The agent says its tone and listens: whom it hears is seen at once, whom the others hear in their recordings. */
  async talk(
    what: string,
    { input, output }: { readonly input: AudioSource; readonly output: AudioSink },
    agentHears: readonly string[],
    others: Readonly<Record<string, readonly string[]>>,
  ): Promise<void> {
    const stop = new AbortController()
    const saying = output.play(sine(this.diary.tones['agent']!, 10), { signal: stop.signal })
    await settled()
    const names = nameOf(await this.diary.step(what, others, hear(input, this.diary.tones)))
    stop.abort()
    await saying
    if (names !== nameOf(agentHears))
      throw new Error(`In "${what}" the agent is to hear ${nameOf(agentHears)} and hears ${names}`)
  }

  async end(): Promise<void> {
    await Promise.all([...this.#phones.values()].map(phone => phone.stop()))
  }

  checkPhones(): void {
    for (const [name, phone] of this.#phones) this.diary.check(name, heardInFile(phone.audio().heard))
  }
}

/** A phone that has just answered takes a moment until it hears. */
export function settled(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 400))
}

/** Whom one hears most of the time in a step. */
async function hear(input: AudioSource, said: Tones): Promise<readonly string[]> {
  input.clear()
  const samples: number[] = []
  for await (const frame of until(input, AbortSignal.timeout(stepMs)))
    for (const sample of frame.samples) samples.push(sample / 32_768)
  const length = input.sampleRate / 10
  const counts = new Map<string, number>()
  const names = new Map<string, readonly string[]>()
  for (let at = length * 3; at + length <= samples.length; at += length) {
    const found = namesIn(Float64Array.from(samples.slice(at, at + length)), input.sampleRate, said)
    const name = nameOf(found)
    names.set(name, found)
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  const [most = ''] = [...counts.entries()].toSorted((a, b) => b[1] - a[1])[0] ?? []
  return names.get(most) ?? []
}
