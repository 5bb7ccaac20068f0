import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { Document, Node, Pair } from 'yaml'
import { ConfigError } from './problems.ts'
import type { FieldPath } from './problems.ts'

export interface Position {
  readonly line: number
  readonly column: number
}

/** What a file says, and where. */
export interface ConfigDocument {
  readonly value: unknown
  /** Of the value at a path, or of what is nearest above it; with `atKey` of the name of the field. */
  positionOf(path: FieldPath, atKey?: boolean): Position | undefined
}

/** YAML 1.2, which JSON is a part of. @throws ConfigError with the line and column of what is not */
export function readDocument(text: string, file: string): ConfigDocument {
  const lines = new LineCounter()
  // JSON may be indented by tabs, YAML may not; a tab is as wide as the space in its place.
  const source = file.endsWith('.json') ? text.replaceAll('\t', ' ') : text
  const document = parseDocument(source, { lineCounter: lines, prettyErrors: false, merge: true })
  const [first] = document.errors
  if (first !== undefined) {
    const problems = document.errors.slice(0, 1).map(({ message, pos }) => {
      const { line, col } = lines.linePos(pos[0])
      return { file, line, column: col, field: '', message: `this cannot be read: ${message}` }
    })
    throw new ConfigError(problems)
  }
  return {
    value: valueOf(document, file),
    positionOf: (path, atKey = false) => {
      const offset = offsetOf(document, path, atKey)
      if (offset === undefined) return undefined
      const { line, col } = lines.linePos(offset)
      return { line, column: col }
    },
  }
}

function valueOf(document: Document, file: string): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 })
  } catch (error) {
    throw new ConfigError([
      { file, field: '', message: `this cannot be read: ${error instanceof Error ? error.message : ''}` },
    ])
  }
}

function offsetOf(document: Document, path: FieldPath, atKey: boolean): number | undefined {
  let here = resolved(document, document.contents)
  let offset = here?.range?.[0] ?? 0
  for (const [index, step] of path.entries()) {
    const found = stepInto(here, step)
    if (found === undefined) return offset
    const [key, value] = found
    const last = index === path.length - 1
    offset =
      (last && !atKey ? (value?.range?.[0] ?? key?.range?.[0]) : (key?.range?.[0] ?? value?.range?.[0])) ??
      offset
    here = resolved(document, value)
  }
  return offset
}

function stepInto(
  here: Node | null,
  step: PropertyKey,
): readonly [key: Node | null, value: Node | null] | undefined {
  if (isSeq(here)) {
    const item = here.items[Number(step)] as Node | undefined
    return item === undefined ? undefined : [item, item]
  }
  if (!isMap(here)) return undefined
  const pair = (here.items as Pair<Node, Node | null>[]).find(
    ({ key }) => isScalar(key) && String(key.value) === String(step),
  )
  return pair === undefined ? undefined : [pair.key, pair.value]
}

function resolved(document: Document, node: Node | null): Node | null {
  return isAlias(node) ? (node.resolve(document) ?? null) : node
}
