import type { Runtime } from '../runtime/runtime.ts'
import type { AudioCodec } from '../media/codec/codec.ts'
import { loadCodecs } from '../media/codec/catalogue.ts'
import { PCMA, PCMU } from '../media/codec/g711.ts'
import type { OpusOptions } from '../media/codec/opus-options.ts'
import { Pacer } from '../media/rtp/pacer.ts'
import { delayBounds } from '../media/rtp/jitter-options.ts'
import { PortPool } from '../media/rtp/port-pool.ts'
import { MediaSession } from '../media/session/media-session.ts'
import { resolveDtmf } from '../media/session/digit-roads.ts'
import type { DtmfSettings } from '../media/session/digit-roads.ts'
import { resolveSrtp } from '../media/session/srtp-options.ts'
import type { SrtpMode, SrtpOptions } from '../media/session/srtp-options.ts'
import type { CallRtpOptions, CodecName, RtpOptions } from './options.ts'
import { resolveRtpOptions } from './options.ts'

const defaultCodecs: readonly AudioCodec[] = [PCMU, PCMA]

export interface MediaFactoryOptions {
  readonly runtime: Runtime
  readonly codecs?: readonly CodecName[]
  readonly opus?: OpusOptions
  readonly rtp?: RtpOptions
  readonly srtp?: SrtpMode | SrtpOptions
  readonly dtmf?: DtmfSettings
  readonly comfortNoise?: boolean
  /** The addresses SIP is bound to, numeric. */
  readonly boundTo: () => readonly string[]
}

/** Opens the media of calls: the ports, the one pacer and the codecs all calls of an endpoint share. */
export class MediaFactory {
  readonly #options: MediaFactoryOptions
  #codecs: readonly AudioCodec[] = defaultCodecs
  readonly #rtp: Required<RtpOptions>
  readonly #pacer: Pacer
  /** By address to bind: at most one for each listen address and family. */
  readonly #pools = new Map<string, PortPool>()

  constructor(options: MediaFactoryOptions) {
    this.#options = options
    this.#rtp = resolveRtpOptions(options.rtp)
    resolveSrtp(options.srtp)
    resolveDtmf(options.dtmf)
    this.#pacer = new Pacer({ clock: options.runtime.clock })
  }

  /** Imports the codecs of the endpoint; before the first call. @throws {OptionError} */
  async load(): Promise<void> {
    const { codecs } = this.#options
    if (codecs !== undefined) this.#codecs = await this.#load(codecs)
  }

  async open(request: {
    readonly token: string
    readonly codecs?: readonly CodecName[] | undefined
    readonly srtp?: SrtpMode | SrtpOptions | undefined
    readonly dtmf?: DtmfSettings | undefined
    readonly comfortNoise?: boolean | undefined
    readonly rtp?: CallRtpOptions | undefined
    /** The address SDP names. */
    readonly advertise: string
    /** The address to bind, when SIP knows it from the INVITE. */
    readonly bind?: string | undefined
  }): Promise<MediaSession> {
    const { advertise, srtp = this.#options.srtp, comfortNoise = this.#options.comfortNoise } = request
    const dtmf = { ...this.#options.dtmf, ...request.dtmf }
    resolveDtmf(dtmf)
    const jitterBuffer = { ...this.#rtp.jitterBuffer, ...request.rtp?.jitterBuffer }
    delayBounds(jitterBuffer, 'rtp.jitterBuffer.')
    return MediaSession.open({
      runtime: this.#options.runtime,
      ports: this.#pool(request.bind ?? this.#bindFor(advertise)),
      pacer: this.#pacer,
      advertise,
      codecs: request.codecs === undefined ? this.#codecs : await this.#load(request.codecs),
      symmetric: this.#rtp.symmetric,
      rtcp: this.#rtp.rtcp,
      jitterBuffer,
      timeoutMs: this.#rtp.timeoutMs,
      firstPacketTimeoutMs: this.#rtp.firstPacketTimeoutMs,
      ...(srtp !== undefined && { srtp }),
      dtmf,
      ...(comfortNoise !== undefined && { comfortNoise }),
      call: request.token,
    })
  }

  #load(names: readonly CodecName[]): Promise<readonly AudioCodec[]> {
    const { opus } = this.#options
    return loadCodecs(names, opus === undefined ? {} : { opus })
  }

  /** RTP is bound where SIP is: to the address named, to every interface, or to the first address of the family. */
  #bindFor(advertise: string): string {
    const v6 = advertise.includes(':')
    const hosts = this.#options.boundTo().filter(host => host.includes(':') === v6)
    const wildcard = v6 ? '::' : '0.0.0.0'
    return (
      hosts.find(host => host === advertise) ?? hosts.find(host => host === wildcard) ?? hosts[0] ?? wildcard
    )
  }

  #pool(host: string): PortPool {
    const { runtime } = this.#options
    let pool = this.#pools.get(host)
    if (pool === undefined) {
      pool = new PortPool({
        network: runtime.network,
        clock: runtime.clock,
        random: runtime.random,
        host,
        range: { min: this.#rtp.minPort, max: this.#rtp.maxPort },
        quarantineMs: this.#rtp.quarantineMs,
      })
      this.#pools.set(host, pool)
    }
    return pool
  }
}
