import { posix } from 'node:path'

/** Every layer with the layers it may import from, besides itself. `testing` and `cli` stand on the whole house. */
const house: Readonly<Record<string, readonly string[]>> = withLayersBelow({
  runtime: [],
  'sip/message': ['runtime'],
  'sip/transport': ['sip/message'],
  'sip/transaction': ['sip/transport'],
  'sip/auth': ['sip/transaction'],
  'sip/dialog': ['sip/auth'],
  'sip/events': ['sip/dialog'],
  'sip/registration': ['sip/events'],
  'sip/proxy': ['sip/registration'],
  sip: ['sip/proxy'],
  'media/sdp': ['runtime'],
  'media/codec': ['runtime'],
  'media/rtp': ['runtime'],
  'media/srtp': ['runtime'],
  'media/audio': ['media/sdp', 'media/codec', 'media/rtp', 'media/srtp'],
  'media/session': ['media/audio'],
  call: ['sip/registration', 'media/session'],
  agent: ['call'],
  'agent/sdk/openai-agents': ['agent'],
  'agent/sdk/livekit-agents': ['agent'],
  trace: ['call'],
  testing: ['agent', 'trace'],
  serve: ['agent', 'trace'],
  cli: ['serve', ''],
  '': ['agent', 'trace'],
})

/** Layers that may touch the clock, randomness and sockets of the machine. */
const groundFloor: ReadonlySet<string> = new Set(['runtime', 'testing', 'cli'])

/** What the runtime interfaces stand for; a use elsewhere would not run on virtual time. */
const machine: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['a timer', /\b(?:setTimeout|setInterval|setImmediate)\(|\bAbortSignal\.timeout\(/],
  ['the time of day', /\bDate\.now\(|\bnew Date\(\)/],
  ['the system clock', /\bperformance\.now\(|\bprocess\.hrtime\b/],
  ['randomness', /\bMath\.random\(|\brandom(?:Bytes|UUID|Int|FillSync|Fill)\(|\bgetRandomValues\(/],
  ['the network', /\bfrom 'node:(?:dgram|net|tls|dns|dns\/promises|http|https)'/],
  ['timers', /\bfrom 'node:timers(?:\/promises)?'/],
]

/** Which packages from outside a layer may use; none unless named here. */
const dependencies: Readonly<Record<string, readonly string[]>> = {
  runtime: ['ws'],
  'media/codec': ['libopus-wasm'],
  'media/sdp': ['sdp-transform'],
  'sip/events': ['fast-xml-parser'],
  'agent/sdk/openai-agents': ['@openai/agents-realtime'],
  serve: ['yaml', 'zod'],
  call: ['libphonenumber-js'],
}

/**
 * Checks sources (path from the root, text) against the order of ARCHITECTURE.md; one sentence per offence.
 * `entries` are the sources behind the package's `exports`: the only files that may gather others.
 */
export function findOffences(
  sources: ReadonlyMap<string, string>,
  entries: readonly string[],
): readonly string[] {
  const offences: string[] = []
  for (const [path, text] of sources) {
    const layer = layerOf(path)
    if (layer === undefined) {
      offences.push(`${path} is in no layer of the house`)
      continue
    }
    for (const target of importsOf(text)) {
      const offence = importOffence(path, layer, target, sources, entries)
      if (offence !== undefined) offences.push(`${path} ${offence}`)
    }
    if (!groundFloor.has(layer)) {
      for (const [what, pattern] of machine) {
        if (pattern.test(withoutComments(text))) offences.push(`${path} takes ${what} from the machine`)
      }
    }
    if (!entries.includes(path) && (/(^|\/)index\.ts$/.test(path) || /^export \*/m.test(text))) {
      offences.push(`${path} is a barrel that \`exports\` does not name`)
    }
  }
  return offences
}

function importOffence(
  path: string,
  layer: string,
  target: string,
  sources: ReadonlyMap<string, string>,
  entries: readonly string[],
): string | undefined {
  if (target.startsWith('node:')) return undefined
  if (!target.startsWith('.')) {
    return dependencies[layer]?.includes(target) === true ? undefined : `imports the package ${target}`
  }
  const resolved = posix.join(posix.dirname(path), target)
  const targetLayer = layerOf(resolved)
  if (!sources.has(resolved) || targetLayer === undefined) return `imports ${target}, which is no source file`
  if (entries.includes(resolved) && !entries.includes(path) && layer !== 'cli') {
    return `imports the public entry ${resolved}`
  }
  if (targetLayer === layer || house[layer]?.includes(targetLayer) === true) return undefined
  return `imports ${resolved}, against the order of the house`
}

/** `src/sip/message/parser.ts` is of `sip/message`; `src/sip/index.ts` of `sip`; `src/index.ts` of the empty name. */
function layerOf(path: string): string | undefined {
  let folder = posix.dirname(path).replace(/^src\/?/, '')
  if (folder.startsWith('..')) return undefined
  for (; folder !== '.' && folder !== ''; folder = posix.dirname(folder)) {
    if (folder in house) return folder
  }
  return posix.dirname(path) === 'src' ? '' : undefined
}

function importsOf(text: string): readonly string[] {
  // Anchored at the start of a line, so that an example in a comment does not count.
  const declared = text.matchAll(/^(?:import|export)\b(?:[^'"`;]*?\bfrom)? '([^'\n]+)'$/gm)
  const inline = withoutComments(text).matchAll(/\bimport\(\s*'([^']+)'/g)
  return [...declared, ...inline].map(match => match[1] ?? '')
}

function withoutComments(text: string): string {
  return text.replaceAll(/^\s*(?:\/?\*|\/\/).*$|\s\/\/ .*$/gm, '')
}

/** Fills each row of the table up with all that its layers may import in turn. */
function withLayersBelow(
  direct: Readonly<Record<string, readonly string[]>>,
): Readonly<Record<string, readonly string[]>> {
  const collect = (layer: string, found: Set<string>): Set<string> => {
    for (const next of direct[layer] ?? []) collect(next, found.add(next))
    return found
  }
  return Object.fromEntries(Object.keys(direct).map(layer => [layer, [...collect(layer, new Set())]]))
}
