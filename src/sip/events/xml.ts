/** XML of event packages, as little of it as they need: no DOCTYPE, no entities but the five that XML has itself. */
import { XMLBuilder, XMLParser, XMLValidator } from 'fast-xml-parser'
import { EventBodyError, textOfBody } from './body-error.ts'

export interface XmlElement {
  /** Without namespace prefix. */
  readonly name: string
  readonly attributes: ReadonlyMap<string, string>
  readonly children: readonly XmlElement[]
  /** Of the element itself, without that of its children. */
  readonly text: string
}

/** Deeper documents are refused. */
const MAX_DEPTH = 16

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  removeNSPrefix: true,
  parseTagValue: false,
  parseAttributeValue: false,
  processEntities: false,
  maxNestedTags: MAX_DEPTH + 2,
})

const builder = new XMLBuilder({
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '',
  // What is written is escaped here, by one rule for text and attributes.
  processEntities: false,
  suppressEmptyNode: true,
})

/** @throws EventBodyError */
export function readXml(body: Uint8Array): XmlElement {
  const text = textOfBody(body)
  // Before anything is parsed: entities of a document's own are how XML is made to explode.
  if (/<!(?:DOCTYPE|ENTITY|ELEMENT|ATTLIST)/i.test(text)) throw new EventBodyError('a DOCTYPE is not read')
  let nodes: unknown
  try {
    const valid = XMLValidator.validate(text)
    if (valid !== true) throw new EventBodyError(`the XML is not well-formed: ${valid.err.msg}`)
    nodes = parser.parse(text)
  } catch (error) {
    if (error instanceof EventBodyError) throw error
    throw new EventBodyError('the XML cannot be read', { cause: error })
  }
  const root = elementsOf(nodes, 0)[0]
  if (root === undefined) throw new EventBodyError('the XML has no element')
  return root
}

function elementsOf(nodes: unknown, depth: number): XmlElement[] {
  if (!Array.isArray(nodes)) return []
  if (depth > MAX_DEPTH) throw new EventBodyError(`the XML is nested more than ${MAX_DEPTH} deep`)
  const elements: XmlElement[] = []
  for (const node of nodes as readonly Readonly<Record<string, unknown>>[]) {
    const name = Object.keys(node).find(key => key !== ':@')
    if (name === undefined || name.startsWith('#') || name.startsWith('?')) continue
    const content = node[name]
    elements.push({
      name,
      attributes: attributesOf(node[':@']),
      children: elementsOf(content, depth + 1),
      text: textIn(content),
    })
  }
  return elements
}

function attributesOf(attributes: unknown): ReadonlyMap<string, string> {
  if (typeof attributes !== 'object' || attributes === null) return new Map()
  return new Map(Object.entries(attributes).map(([name, value]) => [name, decode(String(value))]))
}

function textIn(nodes: unknown): string {
  if (!Array.isArray(nodes)) return ''
  const texts = (nodes as readonly Readonly<Record<string, unknown>>[]).map(node => node['#text'])
  return decode(texts.filter(text => typeof text === 'string').join('')).trim()
}

const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function decode(text: string): string {
  return text.replaceAll(
    /&(?:(amp|lt|gt|quot|apos)|#(\d{1,7})|#x([\da-f]{1,6}));/gi,
    (whole, name, decimal, hex) => {
      if (name !== undefined) return named[String(name).toLowerCase()] ?? whole
      const code = decimal === undefined ? Number.parseInt(String(hex), 16) : Number(decimal)
      return code <= 0x10_ff_ff && code > 0 ? String.fromCodePoint(code) : '\ufffd'
    },
  )
}

export interface XmlInit {
  readonly name: string
  /** Undefined ones are left out. */
  readonly attributes?: Readonly<Record<string, string | undefined>>
  readonly children?: readonly XmlInit[]
  readonly text?: string | undefined
}

export function writeXml(root: XmlInit): Uint8Array {
  const text: string = builder.build([nodeOf(root)])
  return Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n${text}\n`)
}

function nodeOf({ name, attributes = {}, children = [], text }: XmlInit): object {
  const given = Object.entries(attributes).flatMap(([key, value]) =>
    value === undefined ? [] : [[key, escape(value)] as const],
  )
  return {
    [name]: [...(text === undefined ? [] : [{ '#text': escape(text) }]), ...children.map(nodeOf)],
    ...(given.length === 0 ? {} : { ':@': Object.fromEntries(given) }),
  }
}

function escape(text: string): string {
  return (
    text
      // What XML 1.0 cannot hold at all.
      .replaceAll(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
  )
}
