/** Echo calls through a child process that is measured, loaded with what one voice says. */

import { BenchCaller } from './caller.ts'
import { MeasuredChild } from './measured-child.ts'
import { RtpLoad } from './rtp-load.ts'
import { voiceOf } from './voices.ts'

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const echoCalls = new URL(`../children/offhook-echo.${extension}`, import.meta.url)
const bareEcho = new URL(`../reference/udp-echo.${extension}`, import.meta.url)

export interface MediaCallsOptions {
  /** As `voiceOf` knows it. Default PCMU. */
  readonly codec?: string
  /** SDES name; without it the calls are not protected. */
  readonly suite?: string | undefined
  /** Bare sockets that send back what comes instead of calls; so many, and `add` may be used once. */
  readonly bare?: number
  readonly pacing?: boolean
}

/** What the child used, of each packet that came in and the one that went out for it. */
export interface MediaRound {
  readonly microsPerPair: number
  /** Of one core. */
  readonly load: number
  /** Packets that came back, of those sent. */
  readonly returned: number
  readonly counts: Readonly<Record<string, number>>
}

/** Kept by the child after a collection, octets. */
export interface Kept {
  readonly heap: number
  readonly resident: number
}

/** Grows by any number of calls; `close` ends everything it began. */
export class MediaCalls {
  readonly #child: MeasuredChild
  readonly #caller: BenchCaller | undefined
  readonly #voice: Awaited<ReturnType<typeof voiceOf>>
  readonly #loads: RtpLoad[] = []
  #calls = 0

  private constructor(
    child: MeasuredChild,
    caller: BenchCaller | undefined,
    voice: Awaited<ReturnType<typeof voiceOf>>,
  ) {
    this.#child = child
    this.#caller = caller
    this.#voice = voice
  }

  static async open({ codec = 'PCMU', suite, bare, pacing }: MediaCallsOptions): Promise<MediaCalls> {
    const voice = await voiceOf(codec, suite)
    const args = ['--codec', codec, ...(pacing === true ? ['--pacing'] : [])]
    const child =
      bare === undefined
        ? await MeasuredChild.start(echoCalls, args)
        : await MeasuredChild.start(bareEcho, [String(bare)])
    const caller = bare === undefined ? await BenchCaller.open(child.ports[0] ?? 0) : undefined
    return new MediaCalls(child, caller, voice)
  }

  get calls(): number {
    return this.#calls
  }

  /** So many more calls, which talk from now on. */
  async add(calls: number): Promise<void> {
    const { voice, offer } = this.#voice
    const load = await RtpLoad.open(calls, voice)
    this.#loads.push(load)
    load.aimAt((await this.#caller?.place(load.ports, offer)) ?? this.#child.ports)
    load.start()
    this.#calls += calls
  }

  /** Lets the calls talk without looking: code is compiled meanwhile, and sockets catch up. */
  async settle(durationMs: number): Promise<void> {
    await this.#loads[0]?.count(durationMs)
  }

  async measure(durationMs: number): Promise<MediaRound> {
    let sent = 0
    let received = 0
    let elapsedMs = 0
    const cpuMicros = await this.#child.during(async () => {
      const begun = performance.now()
      for (const part of await Promise.all(this.#loads.map(load => load.count(durationMs)))) {
        sent += part.sent
        received += part.received
      }
      elapsedMs = performance.now() - begun
    })
    const { counts } = await this.#child.usage()
    return {
      microsPerPair: cpuMicros / ((sent + received) / 2),
      load: cpuMicros / 1000 / elapsedMs,
      returned: received / sent,
      counts,
    }
  }

  async kept(): Promise<Kept> {
    // What the first collection lets go of, the second gives back.
    await this.#child.usage({ collect: true })
    const { heapBytes, residentBytes } = await this.#child.usage({ collect: true })
    return { heap: heapBytes, resident: residentBytes }
  }

  async close(): Promise<void> {
    try {
      await this.#caller?.hangUpAll()
    } finally {
      this.#caller?.close()
      for (const load of this.#loads) await load.stop()
      for (const load of this.#loads) load.close()
      await this.#child.stop()
    }
  }
}

/** Opens calls, works with them and ends them whatever happens. */
export async function withMediaCalls<T>(
  options: MediaCallsOptions,
  work: (calls: MediaCalls) => Promise<T>,
): Promise<T> {
  const calls = await MediaCalls.open(options)
  try {
    return await work(calls)
  } finally {
    await calls.close()
  }
}
