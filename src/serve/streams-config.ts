import type { StreamAuth } from '../agent/stream-server/auth.ts'
import type { StreamLimits } from '../agent/stream-server/options.ts'
import type { DialectName, StreamFormat } from '../agent/streams/dialect.ts'
import type { TlsFiles } from './config.ts'

/** Where carriers bring calls over WebSockets. */
export interface StreamsConfig extends Partial<
  Pick<StreamLimits, 'maxCalls' | 'startTimeoutMs' | 'idleTimeoutMs'>
> {
  readonly host?: string
  readonly port: number
  readonly tls?: Pick<TlsFiles, 'cert' | 'key' | 'passphrase'>
  /** What carriers were told, without the path: `wss://voice.example.com`. */
  readonly publicUrl?: string
  /** By path: `/twilio`. */
  readonly paths: Readonly<Record<string, StreamPathConfig>>
}

export interface StreamPathConfig {
  readonly dialect: DialectName
  /** Its name. Default: the only one there is. */
  readonly agent?: string
  readonly auth: StreamAuth
  readonly control?: StreamControlConfig
  readonly format?: StreamFormat
  /** The path that answers the carrier's webhook. */
  readonly webhook?: string
}

/** What the carrier's HTTP interface is told: Twilio's, Telnyx's, Plivo's. */
export type StreamControlConfig = { readonly baseUrl?: string } & (
  | { readonly authToken: string; readonly accountSid?: string }
  | { readonly apiKey: string }
  | { readonly authId: string; readonly authToken: string }
)
