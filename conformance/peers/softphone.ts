/** What the checks ask of a softphone, and baresip made to fit. */

import { Baresip } from './baresip.ts'
import { freePort } from './ports.ts'

export interface SoftphoneOptions {
  /** All its files go here. */
  readonly folder: string
  /** What it says as long as it talks. */
  readonly toneHz: number
  /** Of the account; baresip is `baresip`, always. */
  readonly user: string
  readonly password: string
  /** `sip:127.0.0.1:PORT`, and `;transport=tcp` */
  readonly registrar: string
  /** It is killed after that. */
  readonly timeoutMs: number
}

/** It answers by itself. */
export interface Softphone {
  readonly call: (uri: string) => Promise<void>
  readonly hold: () => Promise<void>
  readonly resume: () => Promise<void>
  /** Blind. */
  readonly transfer: (uri: string) => Promise<void>
  /** Attended: the party of its first call goes to that of its second. */
  readonly transferToSecond: () => Promise<void>
  /** Hangs up, ends, and tells in which WAV files is what it heard. */
  readonly stop: () => Promise<readonly string[]>
}

export class BaresipPhone implements Softphone {
  readonly #baresip: Baresip

  private constructor(baresip: Baresip) {
    this.#baresip = baresip
  }

  static async start({ folder, toneHz, registrar, timeoutMs }: SoftphoneOptions): Promise<BaresipPhone> {
    const controlPort = await freePort()
    const registrarPort = Number(registrar.split(':')[2])
    const options = { folder, toneHz, codec: 'PCMU' as const, controlPort, registrarPort, timeoutMs }
    return new BaresipPhone(await Baresip.start(options))
  }

  call(uri: string): Promise<void> {
    return this.#baresip.command('dial', uri)
  }

  hold(): Promise<void> {
    return this.#baresip.command('hold')
  }

  resume(): Promise<void> {
    return this.#baresip.command('resume')
  }

  transfer(uri: string): Promise<void> {
    return this.#baresip.command('transfer', uri)
  }

  async transferToSecond(): Promise<void> {
    throw new Error('baresip 1.0 has no attended transfer')
  }

  async stop(): Promise<readonly string[]> {
    await this.#baresip.stop()
    return this.#baresip.heard()
  }
}
