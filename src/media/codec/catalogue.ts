import { OptionError } from '../../runtime/errors.ts'
import { realWork } from '../../runtime/real-work.ts'
import type { AudioCodec } from './codec.ts'
import { PCMA, PCMU } from './g711.ts'
import type { OpusOptions } from './opus-options.ts'
import { PASSTHROUGH_PREFIX, passthroughCodec, passthroughNames } from './passthrough.ts'

/** How the codecs that have a choice are to be; what is not named has its default. */
export interface CodecSettings {
  readonly opus?: OpusOptions
}

interface Entry {
  /** As in the SDP, with the clock rate behind a slash where one name has several. */
  readonly name: string
  load(settings: CodecSettings): Promise<AudioCodec>
}

/** Once a process: from then on a codec is there within the same turn. */
function once<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | undefined
  return () => (loaded ??= load())
}

const g722 = once(() => import('./g722.ts'))
const l16 = once(() => import('./l16.ts'))
const opusCodec = once(() => import('./opus.ts'))

/** What there is. Only G.711 is in every process; everything else is imported when somebody names it. */
const catalogue: readonly Entry[] = [
  { name: 'PCMU', load: () => Promise.resolve(PCMU) },
  { name: 'PCMA', load: () => Promise.resolve(PCMA) },
  { name: 'G722', load: async () => (await g722()).G722 },
  { name: 'opus', load: async ({ opus }) => (await opusCodec()).loadOpus(opus) },
  { name: 'L16/8000', load: async () => (await l16()).L16.mono8k },
  { name: 'L16/16000', load: async () => (await l16()).L16.mono16k },
  { name: 'L16/44100', load: async () => (await l16()).L16.mono44k1 },
  { name: 'L16/48000', load: async () => (await l16()).L16.mono48k },
]

/** The names `loadCodec` takes, in any case. */
export const codecNames: readonly string[] = catalogue.map(entry => entry.name)

/**
 * The codec of that name, without regard to case: `PCMU`, `PCMA`, `G722`, `opus`, `L16/16000`, or `passthrough:G729` for one that
 * a bridge carries without decoding. What it needs is imported now and not before.
 * @throws {OptionError} naming the codecs there are, or the package to install
 */
export async function loadCodec(name: string, settings: CodecSettings = {}): Promise<AudioCodec> {
  const marked = passthroughCodec(name)
  if (marked !== undefined) return marked
  const wanted = name.toLowerCase()
  const entry = catalogue.find(candidate => candidate.name.toLowerCase() === wanted)
  if (entry !== undefined) return realWork(entry.load(settings))
  const alike = codecNames.filter(known => known.toLowerCase().startsWith(`${wanted}/`))
  if (alike.length > 0)
    throw new OptionError('codecs', `"${name}" has several clock rates; say which: ${alike.join(', ')}`)
  const carried = passthroughNames.find(candidate => candidate.toLowerCase() === wanted)
  const hint =
    carried === undefined
      ? ''
      : `; to bridge its payloads as they are, name it "${PASSTHROUGH_PREFIX}${carried}"`
  throw new OptionError(
    'codecs',
    `"${name}" is not a codec Offhook has; it has ${codecNames.join(', ')}${hint}`,
  )
}

/**
 * Codecs by name, the order kept.
 * @throws {OptionError} as `loadCodec`; when the list is empty or names one twice
 */
export async function loadCodecs(
  names: readonly string[],
  settings: CodecSettings = {},
): Promise<readonly AudioCodec[]> {
  if (!Array.isArray(names)) throw new OptionError('codecs', "it is no list; give ['PCMU', 'PCMA'] or others")
  if (names.length === 0) throw new OptionError('codecs', 'name at least one codec')
  const seen = new Set<string>()
  for (const name of names) {
    const key = name.toLowerCase()
    if (seen.has(key)) throw new OptionError('codecs', `"${name}" is named twice; name each codec once`)
    seen.add(key)
  }
  return Promise.all(names.map(name => loadCodec(name, settings)))
}
