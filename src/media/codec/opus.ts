import { SipError } from '../../runtime/errors.ts'
import type { AudioCodec, CodecParameters, Decoder, Encoder } from './codec.ts'
import type { OpusMemory } from './opus-module.ts'
import { PACKET_ROOM, loadLibopus } from './opus-module.ts'
import type { OpusOptions } from './opus-options.ts'
import { OpusPacket } from './opus-packet.ts'
import type { OpusParameters, ResolvedOpusOptions } from './opus-parameters.ts'
import { opusFmtp, parseOpusParameters, resolveOpusOptions } from './opus-parameters.ts'

/** `OPUS_APPLICATION_VOIP` and the encoder's settings, by their numbers in opus_defines.h. */
const VOIP = 2048
const settings = {
  bitrate: 4002,
  maxBandwidth: 4004,
  vbr: 4006,
  complexity: 4010,
  inBandFec: 4012,
  packetLoss: 4014,
  dtx: 4016,
  forceChannels: 4022,
} as const

/** What a playback rate can show of the sound, as libopus numbers the bandwidths (RFC 7587 §3.1.1). */
const bandwidths: readonly (readonly [rate: number, bandwidth: number])[] = [
  [8000, 1101],
  [12_000, 1102],
  [16_000, 1103],
  [24_000, 1104],
]
const FULLBAND = 1105

/** An encoder whose output is so short says that it need not be sent (RFC 6716 §2.1.9). */
const NOTHING_TO_SEND = 2
/** Fits every datagram, with the headers and tags that come around it; at 20 ms that is 480 kbit/s. */
const MAX_PAYLOAD = 1200
const LONGEST_MS = 120

class OpusEncoder implements Encoder {
  readonly #memory: OpusMemory
  readonly #channels: number
  readonly #fec: boolean
  readonly #dtx: boolean
  #pausing = false
  #state: number
  #loss = -1

  constructor(memory: OpusMemory, options: ResolvedOpusOptions, peer: OpusParameters) {
    const { libopus, pcm } = memory
    const { sampleRate, channels } = options
    this.#memory = memory
    this.#channels = channels
    this.#fec = peer.useinbandfec
    this.#dtx = options.dtx || peer.usedtx
    this.#state = libopus._oc_create_encoder(sampleRate, channels, VOIP, pcm)
    checkState(memory, this.#state)
    const bandwidth = bandwidths.find(([rate]) => peer.maxplaybackrate <= rate)?.[1] ?? FULLBAND
    this.#set(settings.bitrate, Math.min(options.bitrate, peer.maxaveragebitrate ?? Infinity))
    this.#set(settings.maxBandwidth, bandwidth)
    this.#set(settings.vbr, options.cbr || peer.cbr ? 0 : 1)
    this.#set(settings.complexity, options.complexity)
    this.#set(settings.inBandFec, this.#fec ? 1 : 0)
    if (channels === 2 && !peer.stereo) this.#set(settings.forceChannels, 1)
    this.expectLoss(options.expectedLoss)
  }

  encode(pcm: Int16Array, out: Uint8Array): number {
    if (this.#state === 0) return 0
    const memory = this.#memory
    const { libopus } = memory
    libopus.HEAP16.set(pcm, memory.pcm >> 1)
    if (this.#dtx) this.#mayPause(!isLoud(pcm))
    const room = Math.min(out.length, MAX_PAYLOAD)
    const samples = pcm.length / this.#channels
    const length = libopus._oc_encode(this.#state, memory.pcm, samples, memory.packet, room)
    if (length < 0) throw failure(memory, length, `encode ${samples} samples`)
    if (this.#dtx && length <= NOTHING_TO_SEND) return 0
    copy(libopus.HEAPU8, memory.packet, out, length)
    return length
  }

  expectLoss(percent: number): void {
    const loss = this.#fec ? Math.round(Math.min(Math.max(percent, 0), 100)) : 0
    if (loss === this.#loss) return
    this.#loss = loss
    this.#set(settings.packetLoss, loss)
  }

  close(): void {
    if (this.#state !== 0) this.#memory.libopus._oc_destroy_encoder(this.#state)
    this.#state = 0
  }

  /** To libopus a tone is no speech: it would send next to nothing of a beep or of ring-back. What is loud is meant. */
  #mayPause(may: boolean): void {
    if (may === this.#pausing) return
    this.#pausing = may
    this.#set(settings.dtx, may ? 1 : 0)
  }

  #set(request: number, value: number): void {
    if (this.#state === 0) return
    const result = this.#memory.libopus._oc_encoder_ctl(this.#state, request, value)
    if (result < 0) throw failure(this.#memory, result, `set ${request} to ${value}`)
  }
}

/** The packet at hand, of whatever stream. */
const packet = new OpusPacket()

class OpusDecoder implements Decoder {
  readonly #memory: OpusMemory
  readonly #channels: number
  readonly #sampleRate: number
  #state: number

  constructor(memory: OpusMemory, options: ResolvedOpusOptions) {
    const { sampleRate, channels } = options
    this.#memory = memory
    this.#channels = channels
    this.#sampleRate = sampleRate
    this.#state = memory.libopus._oc_create_decoder(sampleRate, channels, memory.pcm)
    checkState(memory, this.#state)
  }

  decode(payload: Uint8Array, out: Int16Array): number {
    if (!packet.read(payload) || payload.length > PACKET_ROOM) return 0
    const samples = Math.round((packet.durationMs * this.#sampleRate) / 1000)
    const count = this.#run(payload, samples, 0, out)
    // The frames' outside is in order and their inside is not: as good as lost.
    return count > 0 ? count : this.#run(undefined, samples, 0, out)
  }

  conceal(out: Int16Array): number {
    const longest = (LONGEST_MS * this.#sampleRate * this.#channels) / 1000
    for (let start = 0; start < out.length; start += longest) {
      const piece = out.length <= longest ? out : out.subarray(start, start + longest)
      const count = this.#run(undefined, this.#steps(piece.length), 0, piece)
      if (count < piece.length) piece.fill(0, count)
    }
    return out.length
  }

  recover(payload: Uint8Array, out: Int16Array): number {
    if (payload.length > PACKET_ROOM || !packet.remembers(payload)) return 0
    const samples = this.#steps(out.length)
    if (samples * this.#channels !== out.length) return 0
    return this.#run(payload, samples, 1, out)
  }

  close(): void {
    if (this.#state !== 0) this.#memory.libopus._oc_destroy_decoder(this.#state)
    this.#state = 0
  }

  /** libopus conceals in steps of 2.5 ms; what is beyond `length` is cut. */
  #steps(length: number): number {
    const step = this.#sampleRate / 400
    return Math.ceil(length / this.#channels / step) * step
  }

  /** Returns the samples written, 0 when libopus made none. */
  #run(payload: Uint8Array | undefined, samples: number, fec: 0 | 1, out: Int16Array): number {
    if (this.#state === 0) return 0
    const memory = this.#memory
    const { libopus } = memory
    if (payload !== undefined) libopus.HEAPU8.set(payload, memory.packet)
    const at = payload === undefined ? 0 : memory.packet
    const made = libopus._oc_decode(this.#state, at, payload?.length ?? 0, memory.pcm, samples, fec)
    if (made <= 0) return 0
    const count = Math.min(made * this.#channels, out.length)
    copy(libopus.HEAP16, memory.pcm >> 1, out, count)
    return count
  }
}

/**
 * Opus (RFC 6716, RFC 7587), libopus compiled to WebAssembly. In the SDP it is `opus/48000/2` whatever our side has
 * inside: frames are of `options.sampleRate` and `options.channels`.
 * @throws {OptionError} a bad option, or the package is not installed
 */
export async function loadOpus(options: OpusOptions = {}): Promise<AudioCodec> {
  const resolved = resolveOpusOptions(options)
  const memory = await loadLibopus()
  const { sampleRate, channels } = resolved
  const perMs = (sampleRate * channels) / 1000
  return {
    name: 'opus',
    clockRate: 48_000,
    sampleRate,
    channels,
    rtpmapChannels: 2,
    ptimes: [10, 20, 40, 60],
    fmtp: opusFmtp(resolved),
    maxPayloadBytes: () => MAX_PAYLOAD,
    maxSamples: () => LONGEST_MS * perMs,
    samplesIn: payload => (packet.read(payload) ? packet.durationMs * perMs : 0),
    encoder: ({ fmtp }: CodecParameters = {}) => new OpusEncoder(memory, resolved, parseOpusParameters(fmtp)),
    decoder: () => new OpusDecoder(memory, resolved),
  }
}

/** Above -45 dBFS: the background of most calls is below, the softest tone of a network above. */
function isLoud(pcm: Int16Array): boolean {
  let energy = 0
  for (let i = 0; i < pcm.length; i += 1) energy += pcm[i]! * pcm[i]!
  return energy > LOUD_POWER * pcm.length
}

const LOUD_POWER = 32_768 ** 2 * 10 ** -4.5

/** A loop, because a view of the memory for each frame would have to be collected again. */
function copy(from: Uint8Array | Int16Array, at: number, to: Uint8Array | Int16Array, count: number): void {
  for (let i = 0; i < count; i += 1) to[i] = from[at + i]!
}

function checkState(memory: OpusMemory, state: number): void {
  if (state === 0)
    throw failure(memory, memory.libopus.HEAP32[memory.pcm >> 2] ?? 0, 'make room for another stream')
}

function failure({ libopus }: OpusMemory, code: number, what: string): SipError {
  return new SipError(
    'SIP_MEDIA',
    `libopus cannot ${what}: ${libopus.UTF8ToString(libopus._oc_strerror(code))}`,
  )
}
