import { OptionError } from '../../runtime/errors.ts'

/** What is used of the compiled libopus; addresses are octets from the beginning of its memory. */
export interface Libopus {
  /** The memory; another object once it has grown. */
  readonly HEAPU8: Uint8Array
  readonly HEAP16: Int16Array
  readonly HEAP32: Int32Array
  UTF8ToString(address: number): string
  _malloc(octets: number): number
  _free(address: number): void
  _oc_create_encoder(sampleRate: number, channels: number, application: number, error: number): number
  _oc_destroy_encoder(encoder: number): void
  _oc_encode(encoder: number, pcm: number, samples: number, packet: number, room: number): number
  _oc_encoder_ctl(encoder: number, request: number, value: number): number
  _oc_create_decoder(sampleRate: number, channels: number, error: number): number
  _oc_destroy_decoder(decoder: number): void
  _oc_decode(
    decoder: number,
    packet: number,
    octets: number,
    pcm: number,
    samples: number,
    fec: number,
  ): number
  _oc_strerror(code: number): number
  _oc_get_version_string(): number
}

/** The one instance of the process, and the room in its memory that every coder uses in turn. */
export interface OpusMemory {
  readonly libopus: Libopus
  /** 120 ms of stereo at 48 kHz. */
  readonly pcm: number
  readonly packet: number
}

/** More octets than any packet that a datagram is likely to hold; a longer payload is taken for a broken one. */
export const PACKET_ROOM = 8192
const PCM_ROOM = 5760 * 2 * 2

const PACKAGE = 'libopus-wasm'
const VERSION = '0.4.0'

let loaded: Promise<OpusMemory> | undefined

/**
 * Compiles libopus, once a process. All coders share the instance: each has its own state in its memory, and none is
 * at work while another is.
 *
 * The package's own functions make coders by promise and every frame in a new buffer; a call needs them at once and
 * fifty times a second. So the module beneath them is used, and the version is fixed.
 * @throws {OptionError} when the package is not installed, or is another one
 */
export function loadLibopus(): Promise<OpusMemory> {
  loaded ??= instantiate(specifier => import.meta.resolve(specifier))
  return loaded
}

/** `loadLibopus` without the memory of it; `resolve` finds the package. */
export async function instantiate(resolve: (specifier: string) => string): Promise<OpusMemory> {
  let entry: string
  try {
    entry = resolve(PACKAGE)
  } catch (cause) {
    throw missing('is not installed', cause)
  }
  let libopus: Libopus
  try {
    const file: unknown = await import(new URL('generated/libopus.generated.mjs', entry).href)
    libopus = await (file as { default(): Promise<Libopus> }).default()
  } catch (cause) {
    throw missing('cannot be loaded', cause)
  }
  if (typeof libopus._oc_encode !== 'function' || typeof libopus._oc_decode !== 'function')
    throw missing('is of another version')
  const pcm = libopus._malloc(PCM_ROOM)
  const packet = libopus._malloc(PACKET_ROOM)
  return { libopus, pcm, packet }
}

function missing(what: string, cause?: unknown): OptionError {
  return new OptionError(
    'codecs',
    `opus needs the package ${PACKAGE}, which ${what}; run: npm install ${PACKAGE}@${VERSION}`,
    ...(cause === undefined ? [] : [{ cause }]),
  )
}
