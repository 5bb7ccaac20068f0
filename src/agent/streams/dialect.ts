/**
 * What the WebSocket protocols of the voice platforms have in common. A dialect is data and two small codecs, one for what the carrier
 * sends and one for what the bot sends; each can write and parse, so the same table serves us as the carrier (we dial the bot) and as the
 * bot (the carrier dials us).
 */

export type StreamEncoding = 'PCMU' | 'PCMA' | 'L16'

/** One channel; L16 is signed and little-endian. */
export interface StreamFormat {
  readonly encoding: StreamEncoding
  /** Samples per second. */
  readonly sampleRate: number
}

/** One message, whatever its dialect. What a dialect does not say is absent or empty. */
export type StreamMessage =
  | { readonly kind: 'connected'; readonly token?: string }
  | StreamStart
  | StreamMedia
  /** A key that was pressed, or from the bot: keys to press. */
  | { readonly kind: 'dtmf'; readonly digits: string; readonly durationMs?: number }
  /** From the bot: tell me when you have got here. From the carrier: I have; `reached` is false when the audio before it was cleared. */
  | { readonly kind: 'mark'; readonly name: string; readonly reached?: boolean }
  | { readonly kind: 'clear' }
  | { readonly kind: 'cleared'; readonly playedMs?: number; readonly droppedMs?: number }
  | { readonly kind: 'stop'; readonly reason?: string }
  | { readonly kind: 'hangup' }
  | { readonly kind: 'transfer'; readonly target: string }
  /** How a transfer that the bot asked for ended. */
  | { readonly kind: 'transferred'; readonly outcome: string }
  | { readonly kind: 'error'; readonly code: string; readonly message: string }
  /** In order, but nothing that concerns the call. */
  | { readonly kind: 'other'; readonly name: string }
  /** Not of the dialect. */
  | { readonly kind: 'malformed'; readonly reason: string }

export interface StreamStart {
  readonly kind: 'start'
  readonly streamId: string
  readonly callId: string
  readonly accountId: string
  readonly from: string
  readonly to: string
  /** Custom values for the bot. */
  readonly parameters: Readonly<Record<string, string>>
  /** Of the audio from the carrier to the bot. */
  readonly format: StreamFormat
}

export interface StreamMedia {
  readonly kind: 'media'
  readonly audio: Uint8Array
  /** From the stream's start. */
  readonly timestampMs?: number
  /** From 1 for each stream. */
  readonly chunk?: number
  /** Of this very message, where it says so. */
  readonly format?: StreamFormat
  /** Where the message names its stream. */
  readonly streamId?: string
  /** Who speaks, where the message says so: carriers can send both parties. */
  readonly track?: 'inbound' | 'outbound'
}

/** What a message repeats of its stream. */
export interface StreamContext {
  readonly streamId: string
  readonly callId: string
  readonly accountId: string
  /** Number of the message among those of its direction: 1 for `start`; `connected` has none. */
  readonly sequence: number
  /** Of the audio in this direction. */
  readonly format: StreamFormat
  /** Milliseconds since the Unix epoch. */
  readonly wallTime: number
}

/** What one side of a dialect sends. Pure. */
export interface StreamCodec {
  /** A string goes as text, octets as binary; `undefined` where the dialect has no such message. */
  write(message: StreamMessage, context: StreamContext): string | Uint8Array | undefined
  /** Never throws: what cannot be read is `malformed`. */
  parse(data: string | Uint8Array): StreamMessage
}

export type DialectName = 'twilio' | 'telnyx' | 'plivo' | 'vonage' | 'infobip' | 'voicerun' | 'offhook'

export interface StreamDialect {
  readonly name: DialectName
  /** Of the audio to the bot, the default first. */
  readonly formats: readonly StreamFormat[]
  /** Of the audio from the bot, when it is not as that to it. */
  readonly botFormat?: StreamFormat
  /** Of audio messages of the carrier; one is exactly so long, in ms. */
  readonly frameMs: number
  /** Audio messages of the bot have to be exactly so long too. */
  readonly exactFrames?: true
  /** Messages of the carrier may come in another order than their chunks are numbered. */
  readonly reorders?: true
  /** What it was given cannot be taken back: it is given little ahead. */
  readonly noClear?: true
  /** Whether marks that are pending come back when the bot clears. */
  readonly marksOnClear: 'echoed' | 'dropped'
  /** What the carrier sends. */
  readonly carrier: StreamCodec
  /** What the bot sends. */
  readonly bot: StreamCodec
}
