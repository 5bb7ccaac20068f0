/**
 * What to do next:
 *
 * | kind | when | what |
 * |---|---|---|
 * | `normal` | the packet that is due is there, and the delay is about what it should be | decode and play it |
 * | `shrink` | so it is, but the sound has waited longer than the network asks for | play it and what `follow` returns, up to `stretchMs` shorter |
 * | `grow` | so it is, but the delay is too short, or nothing is left and the next packet is overdue | play it up to `stretchMs` longer |
 * | `recover` | a packet is missing, and the one behind it remembers it (in-band FEC) | decode what `payload` says of its predecessor; without success conceal |
 * | `conceal` | sound is missing | make `durationMs` of it up |
 * | `noise` | the peer fell silent and described its noise (RFC 3389, or a codec's own way) | take `payload` when it is not empty, and make noise |
 * | `silence` | nothing is being said, or nothing has come yet | silence; no fault |
 */
export type PlayoutKind = 'normal' | 'shrink' | 'grow' | 'recover' | 'conceal' | 'noise' | 'silence'

/** What to play next. Reused: valid until the next `pull` or `follow`. */
export interface Playout {
  kind: PlayoutKind
  /** How much time the result stands for before any stretching, ms. */
  durationMs: number
  payload: Uint8Array
  payloadType: number
  /** RTP timestamp as received; only of kinds with a payload. */
  timestamp: number
  /** The first sound after a silence, a gap or a change of source. */
  resumed: boolean
  /** Of `shrink` and `grow`: by how much at most, ms. What was done is to be told to `stretched`. */
  stretchMs: number
  /** Of `shrink` and `grow`: better a little rough now than late. */
  urgent: boolean
}

/**
 * - `queued`
 * - `duplicate`: already there, or already played
 * - `late`: its time has passed
 * - `ignored`: far off the sequence, or not playable
 */
export type PushVerdict = 'queued' | 'duplicate' | 'late' | 'ignored'

/** Plain counters. Times in ms. */
export interface JitterBufferSnapshot {
  /** Packets pushed, those of other payloads not counted. */
  readonly received: number
  readonly played: number
  /** Missing when their time came; `late` ones among them came afterwards. */
  readonly lost: number
  readonly late: number
  readonly duplicates: number
  readonly ignored: number
  /** Dropped, oldest first, because the buffer was full or had fallen too far behind. */
  readonly overflowed: number
  /** Sound left out by stretching, to shrink the delay. */
  readonly acceleratedMs: number
  /** Sound put in by stretching, to let the delay grow. */
  readonly expandedMs: number
  readonly concealedMs: number
  /** Concealed results. */
  readonly concealedFrames: number
  /** Lost, and taken from the packet behind (in-band FEC). */
  readonly recoveredMs: number
  readonly silenceMs: number
  readonly noiseMs: number
  /** Times the buffer ran empty in the middle of sound. */
  readonly underruns: number
  /** Changes of source, jumps of timestamp or sequence that were followed. */
  readonly resyncs: number
  /** Packets waiting. */
  readonly depth: number
  /** How long the sound now being played has waited behind the fastest packets. */
  readonly delayMs: number
  readonly targetDelayMs: number
  /** The delay never grows beyond this. */
  readonly maxDelayMs: number
  /** Transit time of the fastest packets of the last ten seconds less that of the first packet; NaN before it. */
  readonly baselineMs: number
}

/** Where in a buffer's array of numbers each of them is. Those of every packet come first. */
export const POSITION = 0
export const CONCEAL_RUN = 1
export const PLAYING = 2
export const NEXT = 3
export const DRY = 4
export const IN_NOISE = 5
export const RESUMED = 6
export const DELAY = 7
export const NEWEST_POSITION = 8
export const NEWEST_END = 9
export const NEWEST_TIMESTAMP = 10
export const MUST_SYNC = 11
export const LATE_RUN = 12
export const OTHER_NEWEST = 13
export const STRETCH_AT = 14
export const UNITS_PER_MS = 15
export const RECEIVED = 16
export const PLAYED = 17
export const LOST = 18
export const LATE = 19
export const DUPLICATES = 20
export const IGNORED = 21
export const OVERFLOWED = 22
export const ACCELERATED = 23
export const EXPANDED = 24
export const CONCEALED = 25
export const CONCEALED_FRAMES = 26
export const RECOVERED = 27
export const SILENCE = 28
export const NOISE = 29
export const UNDERRUNS = 30
export const RESYNCS = 31
export const STRETCH_WAIT = 32
export const NUMBERS = 33
