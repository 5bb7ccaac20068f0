import { OptionError } from '../runtime/errors.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { AudioCodec } from '../media/codec/codec.ts'
import { PCMA, PCMU } from '../media/codec/g711.ts'
import { Pacer } from '../media/rtp/pacer.ts'
import { PortPool } from '../media/rtp/port-pool.ts'
import { MediaSession } from '../media/session/media-session.ts'
import type { CodecName, ListenOptions, RtpOptions } from './options.ts'
import { resolveRtpOptions } from './options.ts'

/** Codecs by the name SDP has for them. */
const knownCodecs: readonly AudioCodec[] = [PCMU, PCMA]

export interface MediaFactoryOptions {
  readonly runtime: Runtime
  readonly listen: readonly ListenOptions[]
  readonly codecs?: readonly CodecName[]
  readonly rtp?: RtpOptions
  /** The address to put into SDP towards that host. */
  readonly advertisedFor: (remoteHost: string | undefined) => string
}

/** Opens the media of calls: the ports, the one pacer and the codecs all calls of an endpoint share. */
export class MediaFactory {
  readonly #options: MediaFactoryOptions
  readonly #codecs: readonly AudioCodec[]
  readonly #rtp: Required<RtpOptions>
  readonly #pacer: Pacer
  /** By address to bind: at most one for each listen address and family. */
  readonly #pools = new Map<string, PortPool>()

  constructor(options: MediaFactoryOptions) {
    this.#options = options
    this.#codecs = findCodecs(options.codecs ?? knownCodecs.map(codec => codec.name))
    this.#rtp = resolveRtpOptions(options.rtp)
    this.#pacer = new Pacer({ clock: options.runtime.clock })
  }

  /** How late frames left, all calls together. */
  get pacing(): ReturnType<Pacer['snapshot']> {
    return this.#pacer.snapshot()
  }

  open(request: {
    readonly token: string
    readonly codecs?: readonly CodecName[] | undefined
    readonly remoteHost: string | undefined
  }): Promise<MediaSession> {
    const advertise = this.#options.advertisedFor(request.remoteHost)
    return MediaSession.open({
      runtime: this.#options.runtime,
      ports: this.#pool(advertise.includes(':')),
      pacer: this.#pacer,
      advertise,
      codecs: request.codecs === undefined ? this.#codecs : findCodecs(request.codecs),
      symmetric: this.#rtp.symmetric,
      timeoutMs: this.#rtp.timeoutMs,
      call: request.token,
    })
  }

  /** RTP is bound where SIP is: on the first listen address of the family. */
  #pool(v6: boolean): PortPool {
    const { listen, runtime } = this.#options
    const host = listen.find(address => address.host.includes(':') === v6)?.host ?? (v6 ? '::' : '0.0.0.0')
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

function findCodecs(names: readonly CodecName[]): AudioCodec[] {
  if (names.length === 0) throw new OptionError('codecs', 'name at least one codec')
  return names.map(name => {
    const codec = knownCodecs.find(known => known.name.toLowerCase() === name.toLowerCase())
    if (codec !== undefined) return codec
    const list = knownCodecs.map(known => known.name).join(', ')
    throw new OptionError('codecs', `"${name}" is not a codec Offhook has; it has ${list}`)
  })
}
